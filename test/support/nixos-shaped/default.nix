# Shapes a host like NixOS: its system is a closure with its own `activate` and `bin/switch-to-configuration`, its /etc is a
# directory of its own, and there is no link that switches it. What it runs is what the host declares otherwise.
#
# `switch-to-configuration.pl` beside the fleet file is NixOS's script, to be used in place of ours.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  script = ../switch-to-configuration.pl;
  isNixosScript = builtins.pathExists script;
  inherit (pkgs.pristine) writeText;
  cfg = config.programs.ssh;

  # Each unit and what overrides it in a store path of its own, as NixOS has them: its script compares paths.
  units = lib.filterAttrs (
    path: file: builtins.match "systemd/system/[^/]+(/[^/]+)?" path != null && file.text != null
  ) config.environment.etc;
  unitFiles = lib.mapAttrsToList (
    path: file: "${path} ${writeText (builtins.replaceStrings [ "@" "\\" ] [ "-" "-" ] (baseNameOf path)) file.text}\n"
  ) units;
in
{
  options.system.activationScripts = lib.mkOption {
    default = { };
    type = lib.types.attrsOf (
      lib.types.submodule {
        options.text = lib.mkOption { type = lib.types.lines; };
        options.deps = lib.mkOption { type = lib.types.listOf lib.types.str; };
      }
    );
  };

  options.programs.ssh = {
    knownHosts = lib.mkOption {
      default = { };
      type = lib.types.attrsOf lib.types.unspecified;
    };
    extraConfig = lib.mkOption {
      default = "";
      type = lib.types.lines;
    };
  };
  config.environment.etc = {
    "ssh/ssh_config.d/nixos.conf" = lib.mkIf (cfg.extraConfig != "") { text = cfg.extraConfig; };
    "ssh/ssh_known_hosts" = lib.mkIf (cfg.knownHosts != { }) {
      text = lib.concatMapStrings (host: "${lib.concatStringsSep "," host.hostNames} ${host.publicKey}\n") (
        lib.attrValues cfg.knownHosts
      );
    };
  };

  # Newer ones of these scripts restart it.
  config.systemd.targets.sysinit-reactivation = lib.mkIf isNixosScript { };

  config.environment.systemPackages = lib.optionals isNixosScript [
    pkgs.perl
    pkgs.libfile-slurp-perl
    pkgs.libconfig-inifiles-perl
    pkgs.libnet-dbus-perl
  ];

  config.deployment.system = derivation {
    name = "nixos-system-${config.networking.hostName}-26.05";
    inherit (pkgs.pristine) busybox system;
    builder = pkgs.pristine.busybox;
    args = [
      "sh"
      "-e"
      ./build.sh
    ];
    debian = config.system.build.toplevel;
    units = writeText "units" (lib.concatStrings unitFiles);
    script = if isNixosScript then script else ./switch-to-configuration.sh;
    activate = ./activate.sh;
    snippets = writeText "snippets" (
      lib.concatStrings (
        lib.mapAttrsToList (name: snippet: ''
          {
          ${snippet.text}
          } || { echo "Activation script snippet '${name}' failed ($?)" >&2; status=1; }
        '') config.system.activationScripts
      )
    );
    grub = ./grub.sh;
    grub_menu = ./grub-menu.sh;
  };
}
