# The way out: an evaluated fleet in the shapes that other tools read. None of them needs anything of Pristine's but these files.
{ lib }:
fleet:
let
  inherit (builtins) elem mapAttrs;
  inherit (fleet) meta hosts;

  # What an adopted host would be asked for besides its system belongs to its own tool's configuration.
  configurationOf =
    _: host:
    let
      inherit (host.config) deployment system;
      isAdopted = deployment.isNixos;
    in
    {
      config =
        if isAdopted then
          {
            inherit deployment;
            system.build.toplevel = host.system;
          }
        else
          host.config;
      options = if isAdopted then { } else host.options;
      pkgs.stdenv.hostPlatform = { inherit (system.meta) system; };
    };

  ## Colmena

  reserved = [
    "meta"
    "defaults"
    "network"
  ];

  escalations = {
    sudo = [
      "sudo"
      "-H"
      "--"
    ];
    doas = [ "doas" ];
    run0 = [ "run0" ];
  };

  # Why a host cannot be a node; null when it can.
  obstacleOf =
    name: host:
    if elem name reserved then
      "a hive gives that name another meaning"
    else if host.config.deployment.base == "foreign" then
      "its system is somebody else's, beside which Colmena has nothing to switch (deployment.base)"
    else if host.config.deployment.target.privilegeEscalation == "restricted" then
      "its user may run nothing but Pristine's program (deployment.target.privilegeEscalation)"
    else
      null;
  obstacles = lib.filterAttrs (_: obstacle: obstacle != null) (mapAttrs obstacleOf hosts);

  nodeOf =
    _: host:
    let
      inherit (host.config) deployment;
      inherit (deployment) target;
      escalation = target.privilegeEscalation;
    in
    {
      deployment = {
          targetHost = target.host;
          targetUser = target.user;
          targetPort = target.port;
          privilegeEscalationCommand = if builtins.isList escalation then escalation else escalations.${escalation};
          inherit (deployment) tags buildOnTarget;
        }
        // lib.optionalAttrs (target.sshOptions != [ ]) { inherit (target) sshOptions; };
        system.build.toplevel = host.system;
      };
in
{
  inherit (meta) name;
  systems = mapAttrs (_: host: host.system) hosts;
  nixosConfigurations = mapAttrs configurationOf hosts;
  # What is not in the hive, and why.
  leftOut = obstacles;
  hive = {
    meta = {
      inherit (meta) name;
      description = meta.description or "The fleet ${meta.name}";
      # All that Colmena takes from nixpkgs is in here; the systems bring their own packages.
      nixpkgs = {
        # Colmena asks it what it can do.
        lib = lib // {
          version = "25.11";
        };
        path = ./.;
        system = "x86_64-linux";
        overlays = [ ];
        config = { };
      };
    };
  }
  // mapAttrs nodeOf (removeAttrs hosts (builtins.attrNames obstacles));
}
