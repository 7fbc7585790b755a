# Users and groups of a host that is wholly ours. The files are generated whole, so what is not declared is not there.
{
  config,
  lib,
  utils,
  ...
}:
let
  inherit (lib)
    concatMap
    concatMapStrings
    concatStringsSep
    filter
    listToAttrs
    mkDefault
    mkOption
    optional
    types
    ;
  cfg = config.users;
  inherit (import ./declared-users.nix { inherit config lib utils; })
    users
    groups
    groupsByName
    membersOf
    shellOf
    keysOf
    ;

  gidOf = user: groupsByName.${user.group}.gid or 65534;

  passwdLine =
    user: "${user.name}:x:${toString user.uid}:${toString (gidOf user)}:${user.description}:${user.home}:${shellOf user}\n";
  shadowLine = user: "${user.name}:${if user.hashedPassword == null then "*" else user.hashedPassword}:1::::::\n";
  groupLine = group: "${group.name}:x:${toString group.gid}:${concatStringsSep "," (membersOf group)}\n";

  withKeys = filter (user: keysOf user != [ ]) users;

  system = description: extra: {
    isSystemUser = true;
    inherit description;
  }
  // extra;
in
{
  options.users.mutableUsers = mkOption {
    type = types.bool;
    default = false;
    description = "Whether users can be added on the running host. Here they cannot: /etc is read-only.";
  };

  config = {
    users.users = {
      root = {
        uid = 0;
        group = "root";
        description = "root";
        home = "/root";
        homeMode = "700";
        shell = mkDefault cfg.defaultUserShell;
      };
      daemon = system "daemon" {
        group = "daemon";
        home = "/usr/sbin";
      };
      bin = system "bin" {
        group = "bin";
        home = "/bin";
      };
      sys = system "sys" {
        group = "sys";
        home = "/dev";
      };
      mail = system "mail" {
        group = "mail";
        home = "/var/mail";
      };
      www-data = system "www-data" {
        group = "www-data";
        home = "/var/www";
      };
      nobody = system "nobody" { group = "nogroup"; };
      systemd-timesync = system "systemd Time Synchronization" {
        group = "systemd-timesync";
        home = "/";
      };
    };

    # Names that device rules, temporary files and packages use.
    users.groups = lib.genAttrs [
      "root"
      "daemon"
      "bin"
      "sys"
      "adm"
      "tty"
      "disk"
      "lp"
      "mail"
      "kmem"
      "dialout"
      "cdrom"
      "floppy"
      "tape"
      "sudo"
      "audio"
      "www-data"
      "shadow"
      "utmp"
      "video"
      "plugdev"
      "staff"
      "users"
      "nogroup"
      "messagebus"
      "systemd-journal"
      "systemd-network"
      "systemd-resolve"
      "systemd-timesync"
      "input"
      "sgx"
      "clock"
      "kvm"
      "render"
      "crontab"
      "netdev"
      "_ssh"
    ] (_: { });

    environment.etc = {
      passwd.text = concatMapStrings passwdLine users;
      group.text = concatMapStrings groupLine groups;
      shadow.text = concatMapStrings shadowLine users;
      gshadow.text = concatMapStrings (group: "${group.name}:*::${concatStringsSep "," (membersOf group)}\n") groups;
      shells.text = concatMapStrings (shell: "${shell}\n") (
        lib.unique (
          [
            "/bin/sh"
            "/bin/bash"
            "/usr/bin/sh"
            "/usr/bin/bash"
          ]
          ++ filter (shell: baseNameOf shell != "nologin") (map shellOf users)
        )
      );
    }
    // listToAttrs (
      map (
        user:
        lib.nameValuePair "ssh/authorized_keys.d/${user.name}" { text = concatMapStrings (key: "${key}\n") (keysOf user); }
      ) withKeys
    );

    environment.systemPackages = concatMap (user: user.packages ++ optional (lib.isDerivation user.shell) user.shell) users;

    systemd.tmpfiles.rules =
      map (user: "d ${user.home} ${user.homeMode} ${user.name} ${user.group} -") (filter (user: user.createHome) users)
      ++ lib.optional (lib.any (user: user.linger) users) "d /var/lib/systemd/linger 0755 root root -"
      ++ map (user: "f /var/lib/systemd/linger/${user.name} 0644 root root -") (filter (user: user.linger) users);

    system.meta = {
      users = map (user: {
        inherit (user) name uid home;
        gid = gidOf user;
        shell = shellOf user;
        keys = builtins.length (keysOf user);
      }) users;
      groups = map (group: {
        inherit (group) name gid;
        members = membersOf group;
      }) groups;
    };

    assertions = [
      {
        assertion = !cfg.mutableUsers;
        message = "users.mutableUsers cannot be true: /etc is read-only, and users that are not declared do not exist.";
      }
    ]
    ++ concatMap (
      user:
      [
          {
            assertion = user.group == "" || groupsByName ? ${user.group};
            message = "users.users.${user.name}.group is '${user.group}', which is not declared. Declare it: users.groups.${lib.escapeNixIdentifier user.group} = { };";
          }
        ]
        ++ map (group: {
          assertion = groupsByName ? ${group};
          message = "users.users.${user.name}.extraGroups names the group '${group}', which is not declared.${
            lib.moduleErrors.suggest group (lib.attrNames groupsByName)
          }";
        }) user.extraGroups
    ) users;
  };
}
