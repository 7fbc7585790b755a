# The options that hosts of a morph network may set, with morph's types and defaults. Evaluated with the network's nixpkgs.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  option = type: default: description: mkOption { inherit type default description; };
  needed = type: description: mkOption { inherit type description; };
  record = options: types.submodule { inherit options; };
  period = option types.int 2 "Seconds between attempts.";
  timeout = option types.int 5 "Seconds that an attempt may take.";
  description = needed types.str "What is checked.";

  checks = record {
    cmd = option (types.listOf (record {
      inherit description period timeout;
      cmd = option (types.nullOr (types.listOf types.str)) null "A command that must succeed on the host.";
    })) [ ] "Commands.";
    http = option (types.listOf (record {
      inherit description period timeout;
      host = option (types.nullOr types.str) null "Who is asked; the host itself when null.";
      scheme = option types.str "http" "How it is asked.";
      port = needed types.int "At which port.";
      path = option types.path "/" "For what.";
      headers = option (types.attrsOf types.str) { } "With which headers.";
      insecureSSL = option types.bool false "Whether any certificate does.";
    })) [ ] "Requests that must be answered with a status of success.";
  };

  secret = record {
    source = needed types.str "The file on the deployer.";
    destination = needed types.str "The file on the host.";
    owner = option (record {
      user = option types.str "root" "Who owns it.";
      group = option types.str "root" "Which group owns it.";
    }) { } "Whose it is.";
    permissions = option types.str "0400" "Its mode.";
    action = option (types.listOf types.str) [ ] "A command for the host once it is there.";
    mkDirs = option types.bool true "Whether the directories above it are made.";
    uploadAt = option (types.enum [
      "pre-activation"
      "post-activation"
    ]) "pre-activation" "When it is uploaded.";
  };
in
{
  options.deployment = {
    targetHost = option types.str "" "The address for ssh.";
    targetPort = option (types.nullOr types.int) null "The port for ssh.";
    targetUser = option types.str "" "The user for ssh.";
    buildOnly = option types.bool false "Whether the host is only built.";
    substituteOnDestination = option types.bool false "Whether the host fetches what its substituters have.";
    tags = option (types.listOf types.str) [ ] "Words by which hosts are chosen.";
    secrets = option (types.attrsOf secret) { } "Files that are uploaded.";
    healthChecks = option checks { } "What must hold after a deployment.";
    preDeployChecks = option checks { } "What must hold before one.";
  };

  # A part of the system: what its checks run is there with it.
  config.system.extraDependencies = [
    (pkgs.writeText "healthcheck-commands.txt" (
      lib.concatStringsSep "\n" (
        lib.concatMap (check: check.cmd) (config.deployment.preDeployChecks.cmd ++ config.deployment.healthChecks.cmd)
      )
    ))
  ];
}
