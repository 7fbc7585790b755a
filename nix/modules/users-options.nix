# Users and groups as options, and what is wrong with them on any host; which there are, and how they come into being, is the
# base's. Numbers depend on the name alone, so that files on disk keep their owners whatever else is declared.
{
  config,
  lib,
  utils,
  ...
}:
let
  inherit (lib)
    concatMap
    groupBy
    mapAttrsToList
    mkDefault
    mkIf
    mkMerge
    mkOption
    types
    ;
  cfg = config.users;
  inherit (import ./declared-users.nix { inherit config lib utils; })
    users
    groups
    usersByName
    ;
  # Debian hands out those below 300 itself, so on a host that somebody has installed they are taken.
  ids =
    if config.deployment.base == "foreign" then
      {
        uids = { };
        gids = { };
      }
    else
      import ./ids.nix;

  # A number out of a name.
  numberOf = name: lib.fromHexString (builtins.substring 0 8 (builtins.hashString "sha256" "pristine id of ${name}"));
  systemId = name: 300 + lib.mod (numberOf name) 700;
  personId = name: 1000 + lib.mod (numberOf name) 28000;

  nameType = types.passwdEntry (types.strMatching "[a-zA-Z_][a-zA-Z0-9_.-]{0,30}[$]?");
  shellType = types.either types.package (types.passwdEntry types.path);

  # Options of NixOS that would put a secret where everybody can read it.
  secretOptions = [
    "password"
    "initialPassword"
    "initialHashedPassword"
    "hashedPasswordFile"
    "passwordFile"
  ];

  user = types.submodule (
    { name, config, ... }:
    {
      options = {
        name = mkOption {
          type = nameType;
          default = name;
          description = "The user's name.";
        };
        uid = mkOption {
          type = types.ints.between 0 4294967294;
          default = ids.uids.${config.name} or ((if config.isNormalUser then personId else systemId) config.name);
          defaultText = "a number computed from the name";
          description = "The user's number.";
        };
        description = mkOption {
          type = types.passwdEntry types.str;
          default = "";
          example = "Alice Q. User";
          description = "Who the user is, for people.";
        };
        isSystemUser = mkOption {
          type = types.bool;
          default = false;
          description = "Whether the user is a program's and not a person's.";
        };
        isNormalUser = mkOption {
          type = types.bool;
          default = false;
          description = "Whether the user is a person: group users, a home below /home, a shell.";
        };
        group = mkOption {
          type = types.str;
          default = "";
          description = "The user's own group.";
        };
        extraGroups = mkOption {
          type = types.listOf types.str;
          default = [ ];
          description = "Further groups the user is in.";
        };
        home = mkOption {
          type = types.passwdEntry types.path;
          default = "/nonexistent";
          description = "The user's home directory.";
        };
        homeMode = mkOption {
          type = types.strMatching "[0-7]{3,4}";
          default = "700";
          description = "The mode of the home directory.";
        };
        createHome = mkOption {
          type = types.bool;
          default = false;
          description = "Whether the home directory is made. It is empty after a reboot unless it is declared as persistent.";
        };
        useDefaultShell = mkOption {
          type = types.bool;
          default = false;
          description = "Whether the user has users.defaultUserShell as shell.";
        };
        shell = mkOption {
          type = types.nullOr shellType;
          default = "/usr/sbin/nologin";
          example = "/bin/bash";
          description = "The user's shell: a path, or a package that is put on the host.";
        };
        ignoreShellProgramCheck = mkOption {
          type = types.bool;
          default = false;
          internal = true;
          description = "Accepted for NixOS's sake.";
        };
        hashedPassword = mkOption {
          type = types.nullOr (
            types.enum [
              "!"
              "*"
            ]
          );
          default = null;
          description = "`!` locks the account, `*` only means that no password opens it. A password's hash would be readable by everybody in the store.";
        };
        linger = mkOption {
          type = types.bool;
          default = false;
          description = "Whether the user's services run without a session.";
        };
        packages = mkOption {
          type = types.listOf types.package;
          default = [ ];
          description = "Packages for the user. They are on the host for everybody.";
        };
        openssh.authorizedKeys = {
          keys = mkOption {
            type = types.listOf types.singleLineStr;
            default = [ ];
            example = [ "ssh-ed25519 AAAA… alice@example.org" ];
            description = "Public keys that may log in as the user.";
          };
          keyFiles = mkOption {
            type = types.listOf types.path;
            default = [ ];
            description = "Files with public keys that may log in as the user.";
          };
        };
      }
      // lib.genAttrs secretOptions (
        _:
        mkOption {
          type = types.raw;
          default = null;
          visible = false;
          description = "Not possible: everybody can read the store.";
        }
      );

      config = mkMerge [
        (mkIf config.isNormalUser {
          group = mkDefault "users";
          home = mkDefault "/home/${config.name}";
          createHome = mkDefault true;
          useDefaultShell = mkDefault true;
        })
        (mkIf config.useDefaultShell { shell = mkDefault cfg.defaultUserShell; })
      ];
    }
  );

  group = types.submodule (
    { name, config, ... }:
    {
      options = {
        name = mkOption {
          type = nameType;
          default = name;
          description = "The group's name.";
        };
        gid = mkOption {
          type = types.ints.between 0 4294967294;
          # Users are named beside it: the group of a person has the person's number.
          default =
            ids.gids.${config.name}
              or (if cfg.users ? ${config.name} && cfg.users.${config.name}.isNormalUser then personId config.name else systemId config.name);
          defaultText = "a number computed from the name";
          description = "The group's number.";
        };
        members = mkOption {
          type = types.listOf nameType;
          default = [ ];
          description = "Users in the group, beside those that name it themselves.";
        };
      };
    }
  );

  clashes =
    kind: numberOf: entries:
    mapAttrsToList (number: same: {
      assertion = builtins.length same == 1;
      message = "The ${kind}s ${lib.concatMapStringsSep ", " (entry: "'${entry.name}'") same} all have the number ${number}. Numbers that are not given are computed from the name; set users.${kind}s.${
        (builtins.elemAt same (builtins.length same - 1)).name
      }.${if kind == "user" then "uid" else "gid"} to another one.";
    }) (groupBy (entry: toString (numberOf entry)) entries);
in
{
  options.users = {
    users = mkOption {
      type = types.attrsOf user;
      default = { };
      example = {
        alice = {
          isNormalUser = true;
          extraGroups = [ "sudo" ];
        };
      };
      description = "Users.";
    };
    groups = mkOption {
      type = types.attrsOf group;
      default = { };
      description = "Groups.";
    };
    defaultUserShell = mkOption {
      type = shellType;
      default = "/bin/bash";
      description = "The shell of people.";
    };
  };

  config.assertions =
    clashes "user" (user: user.uid) users
    ++ clashes "group" (group: group.gid) groups
    ++ concatMap (
      user:
      [
          {
            assertion = user.uid == 0 || user.isSystemUser != user.isNormalUser;
            message = "users.users.${user.name}: exactly one of isSystemUser and isNormalUser must be true.";
          }
          {
            assertion = user.group != "";
            message = "users.users.${user.name}.group is not set. For a group of its own: users.users.${user.name}.group = \"${user.name}\"; users.groups.${user.name} = { };";
          }
        ]
        ++ map (option: {
          assertion = user.${option} == null;
          message = "users.users.${user.name}.${option} cannot be set: what it says would be in the store, where everybody can read it. Use openssh.authorizedKeys.";
        }) secretOptions
    ) users
      ++ concatMap (
        group:
        map (member: {
          assertion = usersByName ? ${member};
          message = "users.groups.${group.name}.members names the user '${member}', which is not declared.${
            lib.moduleErrors.suggest member (lib.attrNames usersByName)
          }";
        }) group.members
      ) groups;
}
