# The options that a Colmena hive may set, with Colmena's types and defaults. Evaluated with the hive's own nixpkgs.
{
  meta =
    { lib, ... }:
    let
      inherit (lib) mkOption types;
      anyOf =
        description:
        mkOption {
          type = types.attrsOf types.unspecified;
          default = { };
          inherit description;
        };
    in
    {
      options = {
        name = mkOption {
          type = types.str;
          default = "hive";
          description = "What the hive is called.";
        };
        description = mkOption {
          type = types.str;
          default = "A Colmena Hive";
          description = "What the hive is for.";
        };
        nixpkgs = mkOption {
          type = types.unspecified;
          default = null;
          description = "The packages and modules of all nodes.";
        };
        nodeNixpkgs = anyOf "The same for single nodes.";
        specialArgs = anyOf "Arguments of all modules.";
        nodeSpecialArgs = anyOf "Arguments of the modules of single nodes.";
        machinesFile = mkOption {
          type = types.nullOr types.path;
          default = null;
          apply = file: if file == null then null else toString file;
          description = "A file of Nix's with machines that build.";
        };
        allowApplyAll = mkOption {
          type = types.bool;
          default = true;
          description = "Whether all nodes may be deployed to without naming any.";
        };
      };
    };

  deployment =
    { lib, name, ... }:
    let
      inherit (lib) mkOption types;
      option = type: default: description: mkOption { inherit type default description; };
      key =
        { name, config, ... }:
        {
          options = {
            name = option types.str name "What the file is called.";
            text = option (types.nullOr types.str) null "What is in it.";
            keyFile = mkOption {
              type = types.nullOr types.path;
              default = null;
              apply = file: if file == null then null else toString file;
              description = "The file of the deployer that has it.";
            };
            keyCommand = option (types.nullOr (
              types.addCheck (types.listOf types.str) (words: words != [ ])
            )) null "The command of the deployer that prints it.";
            destDir = option types.path "/run/keys" "The directory on the node.";
            path = mkOption {
              type = types.path;
              default = "${config.destDir}/${config.name}";
              internal = true;
              description = "Where it is on the node.";
            };
            user = option types.str "root" "Who owns it.";
            group = option types.str "root" "Which group owns it.";
            permissions = option types.str "0600" "Its mode.";
            uploadAt = option (types.enum [
              "pre-activation"
              "post-activation"
            ]) "pre-activation" "When it is uploaded.";
          };
        };
    in
    {
      options.deployment = {
        targetHost = option (types.nullOr types.str) name "The address for ssh; null for a node that is not reached by it.";
        targetPort = option (types.nullOr types.ints.unsigned) null "The port for ssh.";
        targetUser = option (types.nullOr types.str) "root" "The user for ssh; null for whom ssh itself takes.";
        allowLocalDeployment = option types.bool false "Whether the node may deploy to itself.";
        buildOnTarget = option types.bool false "Whether the node builds its system itself.";
        tags = option (types.listOf types.str) [ ] "Words by which nodes are chosen.";
        keys = option (types.attrsOf (types.submodule key)) { } "Secrets that are uploaded.";
        replaceUnknownProfiles = option types.bool true "Whether a system may be replaced that this deployer does not know.";
        privilegeEscalationCommand = option (types.listOf types.str) [
          "sudo"
          "-H"
          "--"
        ] "What is put before commands of root's for a user who is not root.";
        sshOptions = option (types.listOf types.str) [ ] "Further arguments of ssh.";
      };
    };
}
