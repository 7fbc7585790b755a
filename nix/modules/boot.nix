# The kernel's settings, temporary files, and stage 2: what runs between the empty root and systemd.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib)
    concatMapStrings
    concatStrings
    isBool
    mapAttrsToList
    mkDefault
    mkIf
    mkOption
    types
    ;
  cfg = config.boot;

  modules = concatMapStrings (module: "${module}\n") cfg.kernelModules;
  sysctls = concatStrings (
    mapAttrsToList (
      key: value: "${key} = ${if isBool value then (if value then "1" else "0") else toString value}\n"
    ) (lib.filterAttrs (_: value: value != null) cfg.kernel.sysctl)
  );
in
{
  options.boot = {
    kernelModules = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Kernel modules to load at boot.";
    };
    blacklistedKernelModules = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Kernel modules that are not loaded by themselves.";
    };
    extraModprobeConfig = mkOption {
      type = types.lines;
      default = "";
      description = "Options of kernel modules.";
    };
    kernel.sysctl = mkOption {
      type = types.attrsOf (
        types.nullOr (
          types.oneOf [
            types.bool
            types.int
            types.str
          ]
        )
      );
      default = { };
      example = {
        "net.ipv4.ip_forward" = true;
      };
      description = "Settings of the running kernel; null leaves one alone.";
    };
    tmp.useTmpfs = mkOption {
      type = types.bool;
      default = true;
      description = "Whether /tmp is a file system of its own in memory. The root is in memory either way.";
    };
    tmp.tmpfsSize = mkOption {
      type = types.str;
      default = "50%";
      description = "Limit of /tmp.";
    };
    postBootCommands = mkOption {
      type = types.lines;
      default = "";
      description = "Shell commands of stage 2, just before systemd starts.";
    };
  };

  config = {
    environment.etc = {
      "modules-load.d/pristine.conf" = mkIf (cfg.kernelModules != [ ]) { text = modules; };
      "sysctl.d/60-pristine.conf" = mkIf (sysctls != "") { text = sysctls; };
      "modprobe.d/pristine.conf" = mkIf (cfg.blacklistedKernelModules != [ ] || cfg.extraModprobeConfig != "") {
        text = concatMapStrings (module: "blacklist ${module}\n") cfg.blacklistedKernelModules + cfg.extraModprobeConfig;
      };
    };

    systemd.services.systemd-modules-load = mkIf (cfg.kernelModules != [ ]) {
      overrideStrategy = "asDropin";
      restartTriggers = [ modules ];
    };
    systemd.services.systemd-sysctl = mkIf (sysctls != "") {
      overrideStrategy = "asDropin";
      restartTriggers = [ sysctls ];
    };
    # Debian's systemd makes /tmp a tmpfs.
    systemd.maskedUnits = lib.optional (!cfg.tmp.useTmpfs) "tmp.mount";
    systemd.mounts = lib.optional (cfg.tmp.useTmpfs && cfg.tmp.tmpfsSize != "50%") {
      where = "/tmp";
      what = "tmpfs";
      type = "tmpfs";
      options = "mode=1777,strictatime,nosuid,nodev,size=${cfg.tmp.tmpfsSize},nr_inodes=1m";
      before = [ "local-fs.target" ];
      unitConfig.DefaultDependencies = false;
    };
    # Goes on with a deployment across a reboot; what cannot be watched over is left for the boot default.
    systemd.services.pristine-resume = {
      description = "Watch over the first boot of a system";
      wantedBy = [ "sysinit.target" ];
      before = [
        "sysinit.target"
        "shutdown.target"
      ];
      conflicts = [ "shutdown.target" ];
      unitConfig = {
        DefaultDependencies = false;
        # Without a deployment at work, somebody has chosen what was booted.
        ConditionPathExists = [
          "/run/pristine/booted-once"
          "/nix/var/pristine/lock"
        ];
        FailureAction = "reboot";
      };
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = "${import ../nixos/kit-program.nix} resume";
        TimeoutStartSec = 90;
      };
      restartIfChanged = false;
    };

    system.build.init = ''
      #!/bin/sh
      # Stage 2: the first program in a host's root. Stage 1 has made the root's skeleton and mounted /nix and /persist.
      # Nothing here may stop the boot, and running it again changes nothing.
      export PATH=/usr/sbin:/usr/bin

      warn() { echo "stage 2: $*" >&2; }

      # replace TARGET LINK: points LINK at TARGET, without a moment in which it is missing.
      replace() {
        ln -sfn "$1" "$2.new" && mv -T "$2.new" "$2" || warn "cannot make the link $2"
      }

      mountpoint -q /proc || mount -t proc -o nosuid,noexec,nodev proc /proc
      mountpoint -q /run || mount -t tmpfs -o mode=0755,nosuid,nodev,strictatime,size=20% tmpfs /run

      system=$(readlink -f /system)

      # The machine's identity: persistent where it can be, else for this boot.
      id=$(cat /persist/etc/machine-id 2>/dev/null)
      case $id in
        *[!0-9a-f]* | "") id= ;;
      esac
      if [ "''${#id}" != 32 ]; then
        id=$(tr -d - < /proc/sys/kernel/random/uuid)
        if mkdir -p /persist/etc && echo "$id" > /persist/etc/machine-id.new; then
          sync /persist/etc/machine-id.new
          mv /persist/etc/machine-id.new /persist/etc/machine-id
          sync /persist/etc
        else
          warn "/persist cannot be written; this boot has a machine id of its own"
        fi
      fi
      echo "$id" > /run/machine-id
      chmod 0444 /run/machine-id

      mkdir -p /run/pristine
      replace "$system" /run/booted-system
      replace "$system" /run/current-system
      replace "$system" /run/pristine/activated

      # A system that is not the boot default is booted once, and watched over.
      [ "$(readlink -f /nix/var/nix/profiles/system)" = "$system" ] || : > /run/pristine/booted-once

      # What runs must not be collected.
      if mkdir -p /nix/var/nix/gcroots/pristine; then
        replace "$system" /nix/var/nix/gcroots/pristine/booted
        replace "$system" /nix/var/nix/gcroots/pristine/current
      else
        warn "/nix/var cannot be written; the running system is not protected from collection"
      fi

      ${cfg.postBootCommands}
      # systemd looks at the mount table five times a second at most, and starts no mount meanwhile; a boot mounts more.
      export SYSTEMD_DEFAULT_MOUNT_RATE_LIMIT_BURST=50

      exec /usr/lib/systemd/systemd "$@"
    '';
  };
}
