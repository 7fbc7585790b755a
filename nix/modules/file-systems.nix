# Mounted file systems and swap.
{
  config,
  lib,
  pkgs,
  utils,
  ...
}:

let
  inherit (lib)
    attrValues
    concatMapStrings
    concatStringsSep
    filter
    hasPrefix
    mkIf
    mkOption
    optional
    types
    ;

  fileSystemType = types.submodule (
    { name, ... }:
    {
      options = {
        mountPoint = mkOption {
          type = types.str;
          default = name;
          description = "Where it is mounted.";
        };
        device = mkOption {
          type = types.nullOr types.str;
          default = null;
          example = "/dev/disk/by-label/data";
          description = "What is mounted; null means a file system that needs no device.";
        };
        label = mkOption {
          type = types.nullOr types.str;
          default = null;
          description = "Label of the device, instead of `device`.";
        };
        fsType = mkOption {
          type = types.str;
          default = "auto";
          description = "Kind of file system.";
        };
        options = mkOption {
          type = types.listOf types.str;
          default = [ "defaults" ];
          description = "Mount options.";
        };
        noCheck = mkOption {
          type = types.bool;
          default = false;
          description = "Whether it is left unchecked before mounting.";
        };
        neededForBoot = mkOption {
          type = types.bool;
          default = false;
          description = "Whether stage 1 mounts it.";
        };
        depends = mkOption {
          type = types.listOf types.str;
          default = [ ];
          description = "Paths that must be mounted before.";
        };
      };
    }
  );

  # Stage 1 mounts these, whatever they are.
  early = [
    "/"
    "/nix"
    "/nix/store"
    "/persist"
  ];

  later = filter (fs: !(builtins.elem fs.mountPoint early || fs.neededForBoot)) (attrValues config.fileSystems);

  deviceOf =
    fs:
    if fs.label != null then
      "/dev/disk/by-label/${fs.label}"
    else if fs.device != null then
      fs.device
    else
      fs.fsType;
  isBind = fs: builtins.elem "bind" fs.options || builtins.elem "rbind" fs.options;
  isChecked = fs: !fs.noCheck && !isBind fs && hasPrefix "/dev/" (deviceOf fs) && hasPrefix "ext" fs.fsType;
  isAutomatic = fs: !(builtins.elem "noauto" fs.options);
  isRequired = fs: !(builtins.elem "nofail" fs.options);

  mountOf = fs: rec {
    what = deviceOf fs;
    where = fs.mountPoint;
    type = if isBind fs then "none" else fs.fsType;
    options = concatStringsSep "," fs.options;
    wantedBy = optional (isAutomatic fs) "local-fs.target";
    before = optional (isRequired fs) "local-fs.target";
    requires = optional (isChecked fs) "systemd-fsck@${escapedDevice fs}.service";
    after = requires;
    unitConfig = lib.optionalAttrs (fs.depends != [ ] || isBind fs) {
      RequiresMountsFor = fs.depends ++ optional (isBind fs) (deviceOf fs);
    };
  };
  escapedDevice = fs: utils.escapeSystemdPath (deviceOf fs);
in
{
  options = {
    fileSystems = mkOption {
      type = types.attrsOf fileSystemType;
      default = { };
      description = "File systems, by where they are mounted. The root is always an empty one in memory.";
    };
    swapDevices = mkOption {
      type = types.listOf (
        types.submodule {
          options = {
            device = mkOption {
              type = types.nullOr types.str;
              default = null;
              description = "Device or file.";
            };
            label = mkOption {
              type = types.nullOr types.str;
              default = null;
              description = "Label of the device, instead of `device`.";
            };
            priority = mkOption {
              type = types.nullOr types.int;
              default = null;
              description = "Order of use; higher is first.";
            };
            options = mkOption {
              type = types.listOf types.str;
              default = [ "defaults" ];
              description = "Options.";
            };
          };
        }
      );
      default = [ ];
      description = "Swap devices.";
    };
  };

  config = {
    assertions = map (fs: {
      assertion = hasPrefix "/" fs.mountPoint;
      message = "fileSystems.\"${fs.mountPoint}\": a mount point is an absolute path.";
    }) (attrValues config.fileSystems);

    systemd.mounts = map mountOf later;

    environment.systemPackages = optional (lib.any isChecked later) pkgs.e2fsprogs;

    # Mounts are units; systemd reads swap from here.
    environment.etc.fstab.text = concatMapStrings (
      swap:
      "${if swap.label != null then "LABEL=${swap.label}" else swap.device} none swap ${
        concatStringsSep "," (swap.options ++ optional (swap.priority != null) "pri=${toString swap.priority}")
      } 0 0\n"
    ) config.swapDevices;
  };
}
