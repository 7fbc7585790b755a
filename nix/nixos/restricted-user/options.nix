# The options of the restricted user, below `pristine` on NixOS and below `deployment` on hosts of ours, with the lib of each.
{ lib }:
let
  inherit (lib) mkOption types;
in
{
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
}
