# A user who may deploy what a key of the fleet has signed, and nothing else.
{
  config,
  lib,
  ...
}:
let
  inherit (lib) mkDefault mkIf mkMerge;
  inherit (config.deployment) nixosConfiguration;
  cfg = config.deployment.restrictedUser;
  # A NixOS configuration has its own (../nixos/restricted-user).
  name = if nixosConfiguration == null then cfg.name else nixosConfiguration.config.pristine.restrictedUser.name or null;
in
{
  options.deployment.restrictedUser = import ../nixos/restricted-user/options.nix { inherit lib; };

  config = mkMerge [
    {
      deployment.target = mkIf (name != null) {
        user = mkDefault name;
        # Who comes in as somebody else has another way.
        privilegeEscalation = mkIf (config.deployment.target.user == name) (mkDefault "restricted");
      };
    }
    (import ../nixos/restricted-user/declared.nix {
      inherit cfg config lib;
      prefix = "deployment";
    })
    (mkIf (cfg.name != null) {
      # Builds for it are not made as root.
      nix.settings = {
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
    })
  ];
}
