# What a hook is: its options, what is wrong with one, and its data for the deployer and the host.
{ lib }:
let
  inherit (builtins)
    concatStringsSep
    elem
    filter
    head
    isList
    map
    match
    toString
    ;
  inherit (lib) mkOption optionalAttrs types;

  momentNames = [
    "preBuild"
    "postBuild"
    "preCopy"
    "postCopy"
    "preActivation"
    "postActivation"
    "preConfirmation"
    "postConfirmation"
    "preRollback"
    "postRollback"
    "preReboot"
    "postReboot"
    "finally"
  ];
  # Of the fleet as a whole: what happens once.
  fleetMomentNames = [
    "preBuild"
    "postBuild"
    "preRollout"
    "postRollout"
  ];
  # What has happened by then stays so.
  lateNames = [
    "postConfirmation"
    "preRollback"
    "postRollback"
    "postReboot"
    "postRollout"
    "finally"
  ];
in
rec {
  inherit momentNames fleetMomentNames;

  optionsFor =
    {
      moments,
      sides,
    }:
    {
      on = mkOption {
        type = types.enum sides;
        default = "deployer";
        description = "On which machine the hook runs: the one that deploys, or the host.";
      };
      when = mkOption {
        type = types.either (types.enum moments) (types.nonEmptyListOf (types.enum moments));
        apply = when: if isList when then lib.unique when else [ when ];
        example = "preActivation";
        description = "The moment, or several: ${concatStringsSep ", " (map (name: "`${name}`") moments)}.";
      };
      command = mkOption {
        type = types.nonEmptyListOf (types.either types.path types.str);
        example = lib.literalExpression ''[ ./drain.sh "web1" ]'';
        description = "The program and its arguments, which no shell sees. A path without quotes is a file of yours: the deployer runs it where it lies, and to a host it is copied.";
      };
      timeout = mkOption {
        type = types.ints.between 1 3600;
        default = 30;
        description = "How many seconds the hook may take; then it is killed, which is a failure.";
      };
      environment = mkOption {
        type = types.attrsOf types.str;
        default = { };
        example = {
          POOL = "web";
        };
        description = "Variables besides those that every hook gets. They can be read by everybody on the host: secrets belong in files.";
      };
      onFailure = mkOption {
        type = types.nullOr (
          types.enum [
            "abort"
            "warn"
          ]
        );
        default = null;
        description = "What a failure means. `\"abort\"`: what comes after does not happen; a host that is active already returns. `\"warn\"`: it is told. Without it, `abort` where that is possible still, and `warn` at ${
          concatStringsSep ", " (map (name: "`${name}`") lateNames)
        }.";
      };
    };

  # Of a hook as it is defined, messages that follow its name.
  problemsOf =
    hook:
    let
      program = "${head hook.command}";
      late = filter (moment: elem moment lateNames) hook.when;
      when = condition: message: if condition then [ message ] else [ ];
    in
    when (
      hook.onFailure == "abort" && late != [ ]
    ) "is to abort at ${concatStringsSep ", " late}, when nothing can be undone any more; let it warn, or make it two hooks"
    ++ when (
      match "[A-Za-z0-9][A-Za-z0-9_.-]*" hook.name == null
    ) "has a name that is none: letters, digits, dots, dashes and underscores"
    ++ when (program == "") "runs a program without a name"
    ++ when (lib.hasInfix "/" program && !lib.hasPrefix "/" program)
      "runs `${program}', which is relative to no directory; give the whole path, or one without quotes"
    ++ map (name: "sets `${name}', which is no name of a variable") (
      filter (name: match "[A-Za-z_][A-Za-z0-9_]*" name == null) (builtins.attrNames hook.environment)
    )
    ++ map (name: "sets ${name}, and variables that begin with PRISTINE_ are ours") (
      filter (lib.hasPrefix "PRISTINE_") (builtins.attrNames hook.environment)
    );

  # On the deployer a file is run where it lies; to a host it goes with the system.
  wordOf =
    on: word: if builtins.isPath word && on == "deployer" then toString word else "${word}";

  dataOf =
    name: hook:
    {
      inherit name;
      inherit (hook) on when environment;
      command = map (wordOf hook.on) hook.command;
      timeoutSeconds = hook.timeout;
      onFailure = if hook.onFailure == null then "abort" else hook.onFailure;
    }
    // optionalAttrs (hook ? place) { inherit (hook) place; };
}
