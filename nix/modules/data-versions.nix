# In which format services keep their data, so that a deployment tells when data would go backwards.
{
  config,
  lib,
  options,
  ...
}:
let
  inherit (builtins)
    concatLists
    elemAt
    head
    match
    ;
  inherit (lib)
    mapAttrsToList
    mkDefault
    mkIf
    mkOption
    optionalAttrs
    types
    ;
  kind = import ./hooks/kind.nix { inherit lib; };
  place = import ./definition-place.nix { inherit lib; } options.deployment.dataVersions;
  declared = config.deployment.dataVersions;
  hookOptions = kind.optionsFor {
    moments = [ "preActivation" ];
    sides = [ "host" ];
  };
  snapshots = lib.filterAttrs (_: data: data.snapshot != null) declared;
  hookOf = name: data: {
    inherit name;
    on = "host";
    when = [ "preActivation" ];
    onFailure = "abort";
    inherit (data.snapshot) command timeout environment;
  };

  # Servers that are told by their packages; of several PostgreSQLs the highest counts, and reads what the others have.
  versionsOf =
    pattern:
    concatLists (
      map (
        package:
        let
          found = match pattern "${package.pname} ${package.version}";
        in
        if found == null then [ ] else [ (elemAt found 0) ]
      ) config.system.packages
    );
  postgresql = lib.sort (a: b: lib.toIntBase10 a > lib.toIntBase10 b) (versionsOf "postgresql-([0-9]+) .*");
  mariadb = versionsOf "mariadb-server (([0-9]+:)?[0-9]+[.][0-9]+).*";
in
{
  options.deployment.dataVersions = mkOption {
    type = types.attrsOf (
      types.submodule {
        options = {
          version = mkOption {
            type = types.strMatching "[A-Za-z0-9][A-Za-z0-9.+~:_-]*";
            example = "17";
            description = "The format in which the service of this system writes its data; of two, the later one is that which Debian would take for it.";
          };
          reads = mkOption {
            type = types.nullOr (types.listOf types.str);
            default = null;
            example = [ "2" ];
            description = "Formats that it can take over by itself besides its own; without it, all that are lower.";
          };
          path = mkOption {
            type = types.nullOr types.path;
            default = null;
            example = "/var/lib/app";
            description = "Where the data lies.";
          };
          snapshot = mkOption {
            type = types.nullOr (types.submodule { options = { inherit (hookOptions) command timeout environment; }; });
            default = null;
            example = {
              command = [
                "/usr/local/bin/dump-app"
                "/persist/dumps"
              ];
            };
            description = "A program that saves the data on the host before another version gets it, up or down. The activation does not begin if it fails.";
          };
        };
      }
    );
    default = { };
    example = {
      app = {
        version = "3";
        reads = [ "2" ];
      };
    };
    description = "Data of services, by name: `plan`, `deploy` and `rollback` warn when it would go backwards, or would not be taken over. `postgresql` and `mariadb` are told by the packages `postgresql-NN` and `mariadb-server`.";
  };

  config = {
    deployment.dataVersions = {
      postgresql = mkIf (postgresql != [ ]) {
        version = mkDefault (head postgresql);
        reads = mkDefault postgresql;
        path = mkDefault "/var/lib/postgresql/${head postgresql}";
      };
      mariadb = mkIf (mariadb != [ ]) {
        version = mkDefault (lib.last (lib.splitString ":" (head mariadb)));
        path = mkDefault "/var/lib/mysql";
      };
    };

    system.meta = mkIf (declared != { }) {
      dataVersions = mapAttrsToList (
        name: data:
        {
          inherit name;
          inherit (data) version;
        }
        // optionalAttrs (data.reads != null) { inherit (data) reads; }
        // optionalAttrs (data.path != null) { path = toString data.path; }
        // optionalAttrs (data.snapshot != null) {
          snapshot = {
            inherit (kind.dataOf name (hookOf name data)) command timeoutSeconds environment;
          };
        }
      ) declared;
    };

    assertions = concatLists (
      mapAttrsToList (
        name: data:
        map (problem: {
          assertion = false;
          message = "deployment.dataVersions.${lib.escapeNixIdentifier name}.snapshot ${problem}. It is defined in ${place name}.";
        }) (kind.problemsOf (hookOf name data) ++ (if data.snapshot.timeout > 240 then [ "may take ${toString data.snapshot.timeout} s, and there are 240 s for what runs before an activation" ] else [ ]))
      ) snapshots
    );
  };
}
