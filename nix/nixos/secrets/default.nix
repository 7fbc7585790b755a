# Secrets that a host decrypts by its own ssh key, when it is activated and when it boots.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  inherit (lib) mkIf mkOption types;
  cfg = config.pristine;
  placeOf = import ../definition-place.nix { inherit lib; };

  inherit
    (import ./options.nix {
      inherit lib;
      prefix = "pristine";
      inherit (config.users) users;
      inherit (declared) enrolledKey;
    })
    hostKey
    runDirectory
    secrets
    secretTemplates
    ;
  keysOfType = type: map (key: key.path) (builtins.filter (key: key.type == type) config.services.openssh.hostKeys);
  declared = import ./declared.nix {
    inherit lib runDirectory;
    inherit (cfg) secrets fleetDirectory;
    # Most have numbers that only the host knows.
    users = lib.mapAttrs (_: user: user // { uid = null; }) config.users.users;
    groups = lib.mapAttrs (_: group: group // { gid = null; }) config.users.groups;
    name = cfg.host;
    prefix = "pristine";
    givenHostKey = cfg.hostKey;
    templates = cfg.secretTemplates;
    identities = keysOfType "ed25519" ++ keysOfType "rsa";
    linkTo = source: { inherit source; };
    placeOf = placeOf options.pristine.secrets;
    templatePlaceOf = placeOf options.pristine.secretTemplates;
    more.age = cfg.age;
  };
  isUsed = cfg.secrets != { } || cfg.secretTemplates != { };

  fleetPrefix = "${toString cfg.fleetDirectory}/";
  isOfFleet = file: cfg.fleetDirectory != null && file != null && lib.hasPrefix fleetPrefix file;
  # The deployer has the fleet's files elsewhere than where this evaluation finds them.
  fromFleet = secret: if isOfFleet secret.file then secret // { file = lib.removePrefix fleetPrefix secret.file; } else secret;
in
{
  options.pristine = {
    age = mkOption {
      type = types.str;
      default = "${pkgs.age}/bin/age";
      defaultText = lib.literalExpression "\"\${pkgs.age}/bin/age\"";
      description = "The program that decrypts.";
    };
    inherit hostKey secrets secretTemplates;
    secretData = mkOption {
      type = types.unspecified;
      internal = true;
      readOnly = true;
      description = "The secrets as Pristine gets them.";
    };
  };

  config = {
    pristine.secretData = declared.data // {
      secrets = map fromFleet declared.data.secrets;
    };

    assertions =
      map (message: {
        assertion = false;
        inherit message;
      }) declared.messages
      ++ [
        {
          assertion = !isUsed || (config.sops.secrets or { }) == { };
          message = "pristine.secrets and sops.secrets are both kept in ${runDirectory}: use one of them.";
        }
        {
          assertion = !isUsed || !(config.systemd.sysusers.enable or false || config.services.userborn.enable or false);
          message = "pristine.secrets belong to users whom the activation makes; with systemd.sysusers or services.userborn these are not there in time.";
        }
      ];

    environment.etc = mkIf isUsed declared.etc;

    # Run at boot before systemd, and by switch-to-configuration before units start: in either direction by the system that
    # is to run. The program writes down whom that is to restart.
    system.activationScripts.pristine-secrets = mkIf isUsed {
      deps = [
        "specialfs"
        "users"
        "groups"
      ];
      text = ''
        (
          ulimit -c 0
          exec ${import ../kit-program.nix} secrets "$systemConfig"
        )
      '';
    };
  };
}
