# The load balancer: spreads requests over the web servers, whatever their addresses are.
{ hosts, ... }:

let
  backend = host: {
    name = "${host.config.networking.primaryAddress}:80";
    value = {
      max_fails = 1;
      fail_timeout = "2s";
    };
  };
in
{
  shop.address = "10.77.7.11";

  services.nginx = {
    enable = true;
    recommendedProxySettings = true;
    upstreams.web.servers = builtins.listToAttrs (
      map backend [
        hosts.web1
        hosts.web2
      ]
    );
    virtualHosts.shop = {
      default = true;
      locations."/" = {
        proxyPass = "http://web";
        # What one server gets wrong, the other is asked for.
        extraConfig = "proxy_next_upstream error timeout http_500 http_502 http_503;";
      };
    };
  };

  deployment = {
    tags = [ "edge" ];
    healthChecks.shop.http.url = "http://localhost/";
  };
}
