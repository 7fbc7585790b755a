# Users and groups on a host that has others: what its own tools make of them is in meta.json, and keys are read through a link in
# the user's home.
{
  config,
  lib,
  options,
  utils,
  ...
}:
let
  inherit (lib) concatMapStrings elem filter listToAttrs mapAttrsToList;
  inherit (import ./declared-users.nix { inherit config lib utils; })
    users
    groups
    groupsByName
    membersOf
    shellOf
    keysOf
    ;
  fixedGroups = (import ./fixed-ids.nix { inherit lib; }).gids;
  gidOf = user: groupsByName.${user.group}.gid or fixedGroups.${user.group} or 65534;
  groupsOf =
    user:
    lib.sort (a: b: a < b) (
      lib.unique (user.extraGroups ++ map (group: group.name) (filter (group: elem user.name group.members) groups))
    );

  place = import ./definition-place.nix { inherit lib; };
  problemsOf =
    key: user:
    let
      when = condition: text: lib.optional condition "users.users.${lib.escapeNixIdentifier key} ${text}. It is defined in ${place options.users.users key}.";
    in
    when (user.group != "" && !(groupsByName ? ${user.group} || fixedGroups ? ${user.group}))
      "has the group '${user.group}', which is neither declared nor one that has the same number on every Debian. Declare it, or put the user into it by extraGroups"
    ++ when (user.uid == 0) "has the number of root"
    ++ when (user.packages != [ ] || lib.isDerivation user.shell)
      "has packages or a shell of the store, and the host's own programs stay as they are"
    ++ when (keysOf user != [ ] && !user.createHome) "has ssh keys, which are looked for in its home, and no home of its own: set createHome"
    ++ when (
      builtins.match "(/[a-zA-Z0-9_@+-][a-zA-Z0-9_.@+-]*)+" user.home == null
      || lib.any (way: lib.hasPrefix "${way}/" "${user.home}/") [
        "/boot"
        "/dev"
        "/etc"
        "/nix"
        "/proc"
        "/root"
        "/run"
        "/sys"
        "/tmp"
        "/usr"
      ] && user.createHome
    ) "has the home ${user.home}, which cannot be made";
in
{
  config = {
    environment.etc = listToAttrs (
      map (
        user:
        lib.nameValuePair "pristine/authorized-keys/${user.name}" { text = concatMapStrings (key: "${key}\n") (keysOf user); }
      ) (filter (user: keysOf user != [ ]) users)
    );

    assertions = map (message: {
      assertion = false;
      inherit message;
    }) (lib.concatLists (mapAttrsToList problemsOf config.users.users));

    system.meta = {
      users = map (user: {
        inherit (user) name uid home;
        gid = gidOf user;
        shell = shellOf user;
        keys = builtins.length (keysOf user);
        account = {
          inherit (user) description;
          isSystem = !user.isNormalUser;
          isLocked = user.hashedPassword == "!";
          isLingering = user.linger;
          homeMode = if user.createHome then user.homeMode else null;
          groups = groupsOf user;
        };
      }) users;
      groups = map (group: {
        inherit (group) name gid;
        members = membersOf group;
      }) groups;
    };
  };
}
