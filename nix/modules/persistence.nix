# State that outlives a reboot. The root is erased at every boot; what is named here lies below a persistent directory.
#
# Directories are bind mounts, so that programs may treat them as ordinary directories. Files are links.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib)
    attrValues
    concatLists
    concatMap
    concatMapStrings
    concatStringsSep
    escapeShellArg
    filter
    hasPrefix
    mapAttrsToList
    mkDefault
    mkIf
    mkOption
    removePrefix
    types
    unique
    ;

  absolute = types.strMatching "/.*[^/]";

  directoryType =
    path: defaults:
    types.coercedTo path (directory: { inherit directory; }) (
      types.submodule {
        options = {
          directory = mkOption {
            type = path;
            description = "The directory.";
          };
          user = mkOption {
            type = types.str;
            default = defaults.user;
            defaultText = lib.literalExpression "\"root\", or in a home its user";
            description = "User it belongs to.";
          };
          group = mkOption {
            type = types.str;
            default = defaults.group;
            defaultText = lib.literalExpression "\"root\", or in a home its user's group";
            description = "Group it belongs to.";
          };
          mode = mkOption {
            type = types.strMatching "[0-7]{3,4}";
            default = defaults.mode;
            description = "Who may use it.";
          };
        };
      }
    );

  fileType = types.coercedTo absolute (file: { inherit file; }) (
    types.submodule {
      options = {
        file = mkOption {
          type = absolute;
          description = "The file.";
        };
        link = mkOption {
          type = types.bool;
          default = true;
          description = "Whether a link is made; false for files that their user finds below the root of persistence by itself.";
        };
      };
    }
  );

  rootType = types.submodule (
    { name, ... }:
    {
      options = {
        enable = mkOption {
          type = types.bool;
          default = true;
          description = "Whether anything below this root persists.";
        };
        persistentStoragePath = mkOption {
          type = types.str;
          default = name;
          description = "The persistent directory.";
        };
        directories = mkOption {
          type = types.listOf (
            directoryType absolute {
              user = "root";
              group = "root";
              mode = "0755";
            }
          );
          default = [ ];
          example = [
            "/var/lib/shop"
            {
              directory = "/var/lib/data";
              user = "data";
              group = "data";
              mode = "0750";
            }
          ];
          description = "Directories that persist.";
        };
        files = mkOption {
          type = types.listOf fileType;
          default = [ ];
          description = "Files that persist.";
        };
        users = mkOption {
          type = types.attrsOf (
            types.submodule (
              { name, ... }:
              {
                options = {
                  directories = mkOption {
                    type = types.listOf (
                      directoryType types.str {
                        user = name;
                        group = config.users.users.${name}.group;
                        mode = "0755";
                      }
                    );
                    default = [ ];
                    description = "Directories that persist, below the user's home.";
                  };
                };
              }
            )
          );
          default = { };
          description = "What persists in homes.";
        };
      };
    }
  );

  roots = filter (root: root.enable) (attrValues config.persistence);

  # Every persistent directory, with where it lies.
  entriesOf =
    root:
    map (d: d // { storage = "${root.persistentStoragePath}${d.directory}"; parents = [ ]; }) root.directories
    ++ concatLists (
      mapAttrsToList (
        user: wanted:
        let
          home = config.users.users.${user}.home;
        in
        map (
          d:
          d
          // rec {
            directory = "${home}/${d.directory}";
            storage = "${root.persistentStoragePath}${directory}";
            # Made as the user's, or the mount would leave them to root.
            parents =
              let
                parts = lib.init (lib.splitString "/" d.directory);
              in
              [ home ] ++ lib.imap1 (n: _: "${home}/${concatStringsSep "/" (lib.take n parts)}") parts;
          }
        ) wanted.directories
      ) root.users
    );
  entries = concatMap entriesOf roots;

  linked = concatMap (
    root:
    map (f: {
      inherit (f) file;
      storage = "${root.persistentStoragePath}${f.file}";
    }) (filter (f: f.link) root.files)
  ) roots;
  inEtc = filter (f: hasPrefix "/etc/" f.file) linked;
  elsewhere = filter (f: !hasPrefix "/etc/" f.file) linked;

  prepare =
    entry:
    let
      owner = escapeShellArg "${entry.user}:${entry.group}";
      storage = escapeShellArg entry.storage;
    in
    concatMapStrings (parent: ''
      [ -d ${escapeShellArg parent} ] || install -d -m 0700 -o ${escapeShellArg entry.user} -g ${escapeShellArg entry.group} ${escapeShellArg parent}
    '') entry.parents
    + ''
      mkdir -p ${storage}
      chown ${owner} ${storage}
      chmod ${entry.mode} ${storage}
    '';
in
{
  options.persistence = mkOption {
    type = types.attrsOf rootType;
    default = { };
    description = "What outlives a reboot, by the persistent directory it lies in. Everything else is gone.";
  };

  config = {
    # The machine's identity. Stage 2 and the ssh server find these by themselves.
    persistence."/persist".files = [
      {
        file = "/etc/machine-id";
        link = false;
      }
    ]
    ++ map (key: {
      file = removePrefix "/persist" key.path;
      link = false;
    }) (filter (key: hasPrefix "/persist/" key.path) config.services.openssh.hostKeys);

    assertions = map (entry: {
      assertion = !(hasPrefix "/etc/" "${entry.directory}/" || hasPrefix "/usr/" "${entry.directory}/" || hasPrefix "/nix/" "${entry.directory}/");
      message = "persistence: ${entry.directory} cannot be a persistent directory; /etc, /usr and /nix are part of the system.";
    }) entries;

    environment.etc = {
      machine-id.link = "/run/machine-id";
    }
    // lib.listToAttrs (
      map (f: {
        name = removePrefix "/etc/" f.file;
        value.link = f.storage;
      }) inEtc
    );

    systemd.services.persistence = mkIf (entries != [ ] || linked != [ ]) {
      description = "Make persistent directories";
      before = [ "local-fs.target" ];
      wantedBy = lib.optional (linked != [ ]) "local-fs.target";
      unitConfig = {
        DefaultDependencies = false;
        RequiresMountsFor = map (root: root.persistentStoragePath) roots;
      };
      # Not remembered as active, so that every mount added later runs it again first.
      serviceConfig.Type = "oneshot";
      script =
        concatMapStrings prepare entries
        + concatMapStrings (f: ''
          mkdir -p "$(dirname ${escapeShellArg f.storage})"
        '') linked;
    };

    systemd.mounts = map (entry: {
      description = "Persistent ${entry.directory}";
      what = entry.storage;
      where = entry.directory;
      type = "none";
      options = "bind";
      wantedBy = [ "local-fs.target" ];
      before = [ "local-fs.target" ];
      wants = [ "persistence.service" ];
      after = [ "persistence.service" ];
    }) entries;

    systemd.tmpfiles.rules = map (f: "L+ ${f.file} - - - - ${f.storage}") elsewhere;
  };
}
