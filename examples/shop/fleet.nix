# A small shop: a load balancer in front of two web servers.
#
#   pristine lock           resolve the Debian packages these hosts name
#   pristine lab up         start the hosts on this machine, empty
#   pristine deploy --lab   make them what is declared here
{
  meta = {
    name = "shop";
    base = "debian";
  };

  # A module for every host.
  defaults = ./shop.nix;

  # One module per host. Hosts see each other: hosts/lb.nix asks web1 and web2 for their addresses.
  hosts = {
    lb = ./hosts/lb.nix;
    web1 = ./hosts/web1.nix;
    web2 = ./hosts/web2.nix;
  };
}
