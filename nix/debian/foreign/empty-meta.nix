# What meta.json says of a system that changes nothing of what its host has.
{
  users = [ ];
  groups = [ ];
  openPorts = {
    tcp = [ ];
    udp = [ ];
  };
  firewall = false;
  primaryAddress = null;
  persistence = {
    root = "/";
    directories = [ ];
    files = [ ];
  };
}
