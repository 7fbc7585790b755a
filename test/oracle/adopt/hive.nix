# A hive whose nodes depend on what Colmena gives them: packages, arguments, each other, and the order of modules.
{
  meta = {
    name = "shop";
    nixpkgs = import ../../support/nixpkgs-shaped {
      overlays = [ (final: prev: { hello = prev.writeText "hello-overlaid" "hello"; }) ];
      config.allowUnfree = true;
    };
    nodeNixpkgs.arm = import ../../support/nixpkgs-shaped { system = "aarch64-linux"; };
    specialArgs = {
      site = "north";
      unit = "shop";
    };
    nodeSpecialArgs.db.site = "south";
  };

  defaults =
    { site, ... }:
    {
      environment.order = [ "defaults" ];
      environment.etc.site = site;
    };

  web =
    {
      name,
      nodes,
      pkgs,
      config,
      ...
    }:
    {
      networking.hostName = name;
      deployment.tags = [ "web" ];
      deployment.targetHost = "web.example.org";
      environment.etc = {
        hello = "${pkgs.hello}";
        upstream = nodes.db.config.networking.hostName + toString nodes.db.config.deployment.targetPort;
        target = config.deployment.targetHost;
        nodes = toString (builtins.attrNames nodes);
      };
    };

  db = [
    { environment.order = [ "first" ]; }
    (
      { unit, lib, ... }:
      {
        networking.hostName = "database";
        deployment.targetPort = 2222;
        environment.order = lib.mkBefore [ "second" ];
        services.database.unit = unit;
        nixpkgs.config.permitted = [ "old" ];
      }
    )
  ];

  arm = ./arm.nix;
}
