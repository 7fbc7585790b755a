# The option of meshes, below `pristine` on NixOS and below `deployment` on hosts of ours, with the lib of each; and where
# private keys are.
{ lib }:
let
  inherit (lib) mkOption types unique;
in
{
  # Beside the host's own ssh key, which outlives the same boots.
  directoryBeside = hostKeyPath: "${if hostKeyPath == null then "/etc/ssh" else dirOf hostKeyPath}/mesh";
  sshMesh = mkOption {
    type = types.attrsOf (
      types.submodule {
        options = {
          hosts = mkOption {
            type = types.listOf types.str;
            apply = unique;
            example = [
              "db1"
              "web1"
            ];
            description = "The names of the hosts that are in it. Each must have the declaration, with the others in it; a host that has it and is not named is not in it.";
          };
          users = mkOption {
            type = types.listOf types.str;
            apply = unique;
            example = [ "backup" ];
            description = "The users of this host that are in it.";
          };
        };
      }
    );
    default = { };
    example = lib.literalExpression ''
      {
        backup = { hosts = [ "db1" "web1" ]; users = [ "backup" ]; };
      }
    '';
    description = "Users who reach each other over ssh: each user of a mesh on each of its hosts may log in as each user of it on its other hosts. Declare it where all hosts of it get it.";
  };
}
