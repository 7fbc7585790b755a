# A network whose hosts depend on what morph gives them, and whose checks are a part of their systems.
let
  pkgs = import ../../support/nixpkgs-shaped { config.allowUnfree = true; };
in
{
  network = {
    inherit pkgs;
    description = "shop";
    specialArgs.site = "north";
    ordering.tags = [
      "db"
      "web"
    ];
  };
  defaults =
    { site, ... }:
    {
      environment.order = [ "defaults" ];
      environment.etc.site = site;
    };
  web =
    { name, nodes, ... }:
    {
      deployment = {
        tags = [ "web" ];
        targetUser = "admin";
        healthChecks = {
          cmd = [
            {
              cmd = [
                "true"
                "${pkgs.hello}/bin/hello"
              ];
              description = "says hello";
            }
          ];
          http = [
            {
              description = "page";
              port = 80;
              headers.Host = "shop.example.org";
            }
          ];
        };
      };
      environment.order = [ "web" ];
      environment.etc.nodes = name + toString (builtins.attrNames nodes) + nodes.db.config.networking.hostName;
    };
  db.deployment = {
    tags = [ "db" ];
    targetHost = "10.0.0.2";
    preDeployChecks.cmd = [
      {
        cmd = [ "mountpoint" ];
        description = "disk";
      }
    ];
    secrets.password = {
      source = "password";
      destination = "/run/password";
    };
  };
}
