# A user who may deploy what a key of the fleet has signed, and nothing else.
{
  config,
  lib,
  ...
}:
let
  inherit (lib) mkDefault mkIf mkOption types;
  cfg = config.deployment.restrictedUser;
  # What it lets through is in src/kit/gate.ts.
  gate = "${import ../nixos/kit-program.nix} gate";
in
{
  options.deployment.restrictedUser = {
    name = mkOption {
      type = types.nullOr (types.strMatching "[a-z_][a-z0-9_-]*");
      default = null;
      example = "deploy";
      description = "A user who deploys to the host and may do nothing else as root. It copies what `trustedKeys` have signed, and has such systems activated and confirmed; a rule of sudoers lets it start the kit's gate, which looks after that. The first deployment to a new host is made as root. With this set, `deployment.target` logs in as this user.";
    };
    trustedKeys = mkOption {
      type = types.listOf (types.strMatching "[^:[:space:]]+:[A-Za-z0-9+/=]+");
      default = [ ];
      example = [ "shop-1:dV3VN9j0KeKVbeNdPL3wqMnCjUEQlOQIWvKqWmkOJGI=" ];
      description = "Public keys, in Nix's notation, whose signature a system needs. The secret part stays with the deployers (`deployment.signingKeyFile`).";
    };
    authorizedKeys = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Ssh keys that log in as this user.";
    };
    authorizedKeyFiles = mkOption {
      type = types.listOf types.path;
      default = [ ];
      description = "Files with such keys.";
    };
  };

  config = mkIf (cfg.name != null) {
    assertions = [
      {
        assertion = cfg.trustedKeys != [ ];
        message = "deployment.restrictedUser.trustedKeys names no key: nothing could be deployed by ${cfg.name}.";
      }
    ];
    deployment.target = {
      user = mkDefault cfg.name;
      privilegeEscalation = mkDefault "restricted";
    };
    users.users.${cfg.name} = {
      isNormalUser = true;
      description = "Deploys what is signed";
      openssh.authorizedKeys = {
        keys = cfg.authorizedKeys;
        keyFiles = cfg.authorizedKeyFiles;
      };
    };
    security.sudo = {
      enable = true;
      extraRules = [
        {
          users = [ cfg.name ];
          runAs = "root";
          commands = [
            {
              command = "${gate} *";
              options = [ "NOPASSWD" ];
            }
          ];
        }
      ];
    };
    # The daemon takes from this user only what is signed, and builds nothing for it as root.
    nix.settings = {
      trusted-public-keys = cfg.trustedKeys;
      allowed-users = [
        "root"
        cfg.name
      ];
      experimental-features = [
        "nix-command"
        "auto-allocate-uids"
      ];
      auto-allocate-uids = true;
    };
    environment.etc."pristine/restricted-deployment.json".text = builtins.toJSON { inherit (cfg) trustedKeys; };
  };
}
