# How to tell whether a host works: what must answer before a deployment is confirmed.
{ config, lib, ... }:
let
  inherit (lib) attrNames filter mapAttrsToList mkOption types;
  checks = config.deployment.healthChecks;

  kinds = [
    "http"
    "tcp"
    "unit"
    "command"
  ];

  check = types.submodule {
    options = {
      http = mkOption {
        type = types.nullOr (
          types.submodule {
            options = {
              url = mkOption {
                type = types.strMatching "https?://.+";
                example = "http://localhost/";
                description = "What is asked for, from the host itself.";
              };
              status = mkOption {
                type = types.nullOr (types.ints.between 100 599);
                default = null;
                description = "The status the answer must have; null means any of 200 to 399.";
              };
              body = mkOption {
                type = types.nullOr types.nonEmptyStr;
                default = null;
                description = "A text the answer must contain.";
              };
            };
          }
        );
        default = null;
        description = "An HTTP request that must be answered.";
      };
      tcp = mkOption {
        type = types.nullOr (
          types.submodule {
            options = {
              host = mkOption {
                type = types.nonEmptyStr;
                default = "localhost";
                description = "The name or address to connect to.";
              };
              port = mkOption {
                type = types.port;
                description = "The port to connect to.";
              };
            };
          }
        );
        default = null;
        description = "A TCP connection that must be accepted.";
      };
      unit = mkOption {
        type = types.nullOr (types.strMatching "[a-zA-Z0-9@%:_.\\-]+[.][a-z]+");
        default = null;
        example = "nginx.service";
        description = "A unit that must be active.";
      };
      command = mkOption {
        type = types.nullOr (types.nonEmptyListOf types.str);
        default = null;
        example = [
          "/usr/bin/test"
          "-e"
          "/run/app.sock"
        ];
        description = "A command that must succeed, as a list of words.";
      };
      timeout = mkOption {
        type = types.ints.positive;
        default = 5;
        description = "How many seconds one attempt may take.";
      };
      retries = mkOption {
        type = types.ints.unsigned;
        default = 5;
        description = "How many attempts are made after the first.";
      };
      interval = mkOption {
        type = types.ints.positive;
        default = 2;
        description = "Seconds between attempts.";
      };
    };
  };

  given = check: filter (kind: check.${kind} != null) kinds;

  # As the host's executor reads it.
  dataOf =
    name: check:
    let
      kind = builtins.head (given check);
      withoutNulls = lib.filterAttrs (_: value: value != null);
    in
    {
      inherit name kind;
      timeoutSeconds = check.timeout;
      inherit (check) retries;
      intervalSeconds = check.interval;
    }
    // (
      if kind == "http" then
        withoutNulls check.http
      else if kind == "tcp" then
        check.tcp
      else
        { ${kind} = check.${kind}; }
    );
in
{
  options.deployment.healthChecks = mkOption {
    type = types.attrsOf check;
    default = { };
    example = {
      home.http.url = "http://localhost/";
    };
    description = "What must work after a switch, by name. Each check is one of `http`, `tcp`, `unit` and `command`.";
  };

  config = {
    system.meta.healthChecks = mapAttrsToList dataOf (lib.filterAttrs (_: check: given check != [ ]) checks);

    assertions = mapAttrsToList (name: check: {
      assertion = builtins.length (given check) == 1;
      message =
        "deployment.healthChecks.${lib.escapeNixIdentifier name} must be exactly one of ${lib.concatStringsSep ", " kinds}; it is "
        + (if given check == [ ] then "none of them." else "${lib.concatStringsSep " and " (given check)}.");
    }) checks;
  };
}
