# Programs that run at set moments of a deployment, here or on the host.
{
  config,
  lib,
  options,
  ...
}:
let
  inherit (builtins)
    concatLists
    elem
    filter
    foldl'
    toString
    ;
  inherit (lib) mapAttrsToList mkIf mkOption types;
  kind = import ./hooks/kind.nix { inherit lib; };
  place = import ./definition-place.nix { inherit lib; } options.deployment.hooks;
  hooks = config.deployment.hooks;
  all = mapAttrsToList (name: hook: hook // { inherit name; }) hooks;
  onHost = lib.filterAttrs (_: hook: hook.on == "host") hooks;

  # How long the hooks of some moments may take together, so that they fit where they run.
  bounds = [
    {
      on = "host";
      moments = [
        "preActivation"
        "postActivation"
        "preConfirmation"
      ];
      seconds = 240;
      why = "an activation may take 300 s, and units and checks need some of them";
    }
    {
      on = "host";
      moments = [
        "postConfirmation"
        "finally"
      ];
      seconds = 60;
      why = "the deployer waits for the host meanwhile";
    }
    {
      on = "host";
      moments = [ "preRollback" ];
      seconds = 60;
      why = "the host must not be late to return";
    }
    {
      on = "host";
      moments = [
        "postRollback"
        "finally"
      ];
      seconds = 60;
      why = "the host must not be late to return";
    }
    {
      on = "deployer";
      moments = [
        "postActivation"
        "preConfirmation"
      ];
      seconds = config.deployment.confirmTimeout - 1;
      why = "the host returns when it is not confirmed within deployment.confirmTimeout = ${toString config.deployment.confirmTimeout}";
    }
  ];
  exceeded = concatLists (
    map (
      bound:
      let
        meant = filter (hook: hook.on == bound.on && lib.any (moment: elem moment hook.when) bound.moments) all;
        seconds = foldl' (sum: hook: sum + hook.timeout) 0 meant;
      in
      if seconds <= bound.seconds then
        [ ]
      else
        [
          "deployment.hooks: ${
            lib.concatMapStringsSep ", " (hook: "${hook.name} (${place hook.name})") meant
          } may take ${toString seconds} s together, and there are ${toString bound.seconds} s for ${bound.on} hooks at ${
            lib.concatStringsSep ", " bound.moments
          }: ${bound.why}."
        ]
    ) bounds
  );
in
{
  options.deployment = {
    hooks = mkOption {
      type = types.attrsOf (
        types.submodule {
          options = kind.optionsFor {
            moments = kind.momentNames;
            sides = [
              "deployer"
              "host"
            ];
          };
        }
      );
      default = { };
      example = lib.literalExpression ''
        {
          drain = { when = "preActivation"; command = [ ./lb.sh "drain" ]; };
          uncordon = { when = "finally"; command = [ ./lb.sh "uncordon" ]; };
        }
      '';
      description = "Programs that run at set moments of the host's deployments, by name; those of one moment in the order of their names.";
    };
    hookData = mkOption {
      type = types.unspecified;
      internal = true;
      readOnly = true;
      description = "The hooks as the deployer gets them.";
    };
  };

  config = {
    deployment.hookData = mapAttrsToList (name: hook: kind.dataOf name (hook // { place = place name; })) hooks;

    # What lies on the host does not change with the line that declares it.
    system.meta = mkIf (onHost != { }) { hooks = mapAttrsToList kind.dataOf onHost; };

    assertions =
      map (message: {
        assertion = false;
        inherit message;
      }) exceeded
      ++ concatLists (
        map (
          hook:
          map (problem: {
            assertion = false;
            message = "deployment.hooks.${lib.escapeNixIdentifier hook.name} ${problem}. It is defined in ${place hook.name}.";
          }) (kind.problemsOf hook)
        ) all
      );
  };
}
