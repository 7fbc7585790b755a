# Nix as the host's store engine: started by its socket when a deployment copies something, and only then.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib)
    concatStrings
    concatStringsSep
    isBool
    isList
    mapAttrsToList
    mkDefault
    mkIf
    mkOption
    types
    ;
  cfg = config.nix;

  rendered =
    value:
    if isBool value then
      lib.boolToString value
    else if isList value then
      concatStringsSep " " value
    else
      toString value;
in
{
  options.nix = {
    enable = mkOption {
      type = types.bool;
      default = true;
      description = "Whether the host has Nix. Deployments copy through it.";
    };
    package = mkOption {
      type = types.package;
      default = pkgs.nix-bin;
      defaultText = lib.literalExpression "pkgs.nix-bin";
      description = "The package of Nix.";
    };
    settings = mkOption {
      type = types.submodule {
        freeformType = types.attrsOf (
          types.oneOf [
            types.bool
            types.int
            types.str
            (types.listOf types.str)
          ]
        );
      };
      default = { };
      description = "Lines of nix.conf.";
    };
    extraOptions = mkOption {
      type = types.lines;
      default = "";
      description = "Further lines of nix.conf.";
    };
  };

  config = mkIf cfg.enable {
    environment.systemPackages = [ cfg.package ];

    nix.settings = {
      # Build users would make Nix open the store to their group, and sshd refuses keys below a directory that a group
      # may write.
      build-users-group = mkDefault "";
      experimental-features = mkDefault [ "nix-command" ];
      sandbox = mkDefault true;
      sandbox-fallback = mkDefault false;
      # No builder of this base uses /bin/sh.
      sandbox-paths = mkDefault [ ];
      substituters = mkDefault [ ];
      trusted-users = mkDefault [ "root" ];
      # Else a power cut may leave an object that is registered, and whose files are empty.
      fsync-store-paths = mkDefault true;
      # Without build users, builders run as root: whoever may ask for a build must be root already.
      allowed-users = mkDefault [ "root" ];
    };

    environment.etc."nix/nix.conf".text =
      "# Made from nix.settings.\n"
      + concatStrings (mapAttrsToList (key: value: "${key} = ${rendered value}\n") cfg.settings)
      + cfg.extraOptions;

    systemd.sockets.nix-daemon = {
      description = "Nix daemon's socket";
      wantedBy = [ "sockets.target" ];
      unitConfig.RequiresMountsFor = "/nix/store";
      socketConfig.ListenStream = "/nix/var/nix/daemon-socket/socket";
    };

    systemd.services.nix-daemon = {
      description = "Nix daemon";
      requires = [ "nix-daemon.socket" ];
      unitConfig.RequiresMountsFor = "/nix/store";
      # The daemon may be in the middle of what this deployment copies; the next start takes the new one.
      restartIfChanged = false;
      serviceConfig = {
        ExecStart = "/usr/bin/nix-daemon --daemon";
        KillMode = "process";
        LimitNOFILE = 1048576;
        TasksMax = 1048576;
      };
    };

    systemd.tmpfiles.rules = [
      "d /nix/var/nix/daemon-socket 0755 root root -"
      "d /nix/var/nix/gcroots/pristine 0755 root root -"
    ];
  };
}
