# Users who reach each other's hosts over ssh. Of the other hosts, which this evaluation does not have, `pristine mesh collect`
# has written down what there is to know.
{
  config,
  lib,
  options,
  ...
}:
let
  inherit (builtins) pathExists;
  inherit (lib) mkOption types;
  cfg = config.pristine;
  placeOf = import ../definition-place.nix { inherit lib; } options.pristine.sshMesh;

  inherit (import ./options.nix { inherit lib; }) directoryBeside sshMesh;
  declared = import ./declared.nix {
    inherit lib placeOf;
    inherit (cfg) fleetDirectory;
    inherit (config.users) users;
    name = cfg.host;
    prefix = "pristine";
    meshes = cfg.sshMesh;
    keyDirectory = cfg.sshMeshDirectory;
    withoutDirectory = "needs the directory of the fleet file: set pristine.fleetDirectory";
    hostOf = other: if isKnown other then collected other else null;
    whyUnknown =
      other:
      "of which ${
        if cfg.fleetDirectory != null && pathExists (fileOf other) then
          "${toString (fileOf other)} says nothing that this module knows: run `pristine nixos-module' for that of your Pristine, and"
        else
          "nothing is known yet:"
      } run `pristine mesh collect ${other}'";
    whereToDeclare = other: "there as well, and run `pristine mesh collect ${other}'";
  };

  fileOf = other: cfg.fleetDirectory + "/pristine.mesh.d/${other}/host.json";
  collected =
    other:
    builtins.addErrorContext "while reading ${toString (fileOf other)}, which `pristine mesh collect ${other}' writes:" (
      builtins.fromJSON (builtins.readFile (fileOf other))
    );
  isKnown =
    other: cfg.fleetDirectory != null && pathExists (fileOf other) && (collected other).version or null == 1;
in
{
  options = {
    pristine = {
      inherit sshMesh;
      sshMeshDirectory = mkOption {
        type = types.strMatching "/.*[^/]";
        default = directoryBeside cfg.secretData.hostKeyPath;
        defaultText = lib.literalExpression "the directory mesh beside the host's own ssh key";
        example = "/persist/etc/ssh/mesh";
        description = "Where private keys of users in meshes are on the host. It has to outlive boots.";
      };
      sshMeshData = mkOption {
        type = types.unspecified;
        internal = true;
        readOnly = true;
        description = "The meshes as Pristine gets them.";
      };
    };
    # Whom nobody else declares is not declared by this.
    users.users = mkOption {
      type = types.attrsOf (
        types.submodule ({ name, ... }: { config.openssh.authorizedKeys.keys = declared.keysFor name; })
      );
    };
  };

  config = {
    pristine.sshMeshData = {
      inherit (declared) readOf;
      inherit (config.services.openssh) ports;
      keyDirectory = cfg.sshMeshDirectory;
      meshes = lib.mapAttrsToList (name: mesh: {
        inherit name;
        inherit (mesh) hosts users;
        place = placeOf name;
      }) cfg.sshMesh;
    };

    assertions = map (message: {
      assertion = false;
      inherit message;
    }) declared.messages;

    programs.ssh = {
      knownHosts = lib.listToAttrs (
        map (
          { name, hostNames, publicKey }: lib.nameValuePair "pristine-mesh-${name}" { inherit hostNames publicKey; }
        ) declared.knownHosts
      );
      # What comes after it is for all hosts again.
      extraConfig = lib.mkIf (declared.clientConfig != "") (lib.mkAfter "${declared.clientConfig}Match all\n");
    };

    systemd.tmpfiles.rules = declared.tmpfiles;
  };
}
