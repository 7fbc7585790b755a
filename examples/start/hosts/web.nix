# A web server.
{ pkgs, name, ... }:

{
  # How to reach the host from here: a name or address that `ssh` understands.
  # deployment.target.host = "web.example.org";
  deployment.tags = [ "edge" ];

  # Without a fixed address, the host asks for one by DHCP.
  # networking.interfaces.eth0.ipv4.addresses = [ { address = "192.0.2.10"; prefixLength = 24; } ];
  # networking.defaultGateway = "192.0.2.1";
  # networking.nameservers = [ "192.0.2.1" ];

  services.nginx = {
    enable = true;
    virtualHosts.default = {
      default = true;
      root = pkgs.writeTextDir "index.html" ''
        <!doctype html>
        <title>${name}</title>
        <h1>It works</h1>
      '';
    };
  };
  networking.firewall.allowedTCPPorts = [ 80 ];

  # A deployment is only confirmed when this answers.
  deployment.healthChecks.page.http.url = "http://localhost/";
}
