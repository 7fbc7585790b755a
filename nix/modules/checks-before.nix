# What must work before a system is activated: asked on the host as it runs, and from the deployer.
{
  config,
  lib,
  options,
  ...
}:
let
  inherit (builtins) filter head length;
  inherit (lib) mapAttrsToList mkOption types;
  kinds = import ./health-checks/kinds.nix { inherit lib; };
  attempts = import ./health-checks/attempts.nix { inherit lib; };
  place = import ./definition-place.nix { inherit lib; } options.deployment.checksBefore;
  kindNames = [
    "http"
    "command"
  ];

  check.options = attempts.options // {
    inherit (kinds.options) http;
    command = mkOption {
      type = types.nullOr (types.nonEmptyListOf types.str);
      default = null;
      example = [
        "test"
        "-e"
        "/run/app.sock"
      ];
      description = "A command on the host, as a list of words, that must succeed; it is run over ssh as the user of `deployment.target`.";
    };
  };

  dataOf =
    name: given:
    let
      found = filter (kind: given.${kind} != null) kindNames;
      kind = head found;
    in
    if length found != 1 then
      throw "deployment.checksBefore.${lib.escapeNixIdentifier name} has ${
        if found == [ ] then "nothing to check" else "both http and command"
      }; each has one of http and command. It is defined in ${place name}."
    else
      {
        inherit name kind;
        place = place name;
      }
      // attempts.dataOf given
      // kinds.dataOf {
        inherit kind;
        check = given;
      };
in
{
  options.deployment = {
    checksBefore = mkOption {
      type = types.attrsOf (types.submodule check);
      default = { };
      example = lib.literalExpression ''
        {
          replica = { command = [ "systemctl" "is-active" "--quiet" "postgresql" ]; };
        }
      '';
      description = "What must work before a system is activated on the host, once it is copied: commands on the host as it runs, and requests from the deployer. When one does not hold, nothing is activated.";
    };
    checksBeforeData = mkOption {
      type = types.unspecified;
      internal = true;
      readOnly = true;
      description = "The same, as the deployer gets it.";
    };
  };

  config.deployment.checksBeforeData = mapAttrsToList dataOf config.deployment.checksBefore;
}
