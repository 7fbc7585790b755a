{
  imports = [ ../web.nix ];

  shop.address = "10.77.7.13";
  shop.greeting = "Good evening";
}
