{
  imports = [ ../web.nix ];

  shop.address = "10.77.7.12";
  shop.greeting = "Good morning";
}
