# What is declared of users and groups, as lists in the order of their numbers, and what follows from it.
{
  config,
  lib,
  utils,
}:
let
  inherit (lib) attrValues concatMap filter groupBy listToAttrs;
  cfg = config.users;
in
rec {
  users = lib.sort (a: b: a.uid < b.uid) (attrValues cfg.users);
  groups = lib.sort (a: b: a.gid < b.gid) (attrValues cfg.groups);
  usersByName = listToAttrs (map (user: lib.nameValuePair user.name user) users);
  groupsByName = listToAttrs (map (group: lib.nameValuePair group.name group) groups);

  namesOfGroup = groupBy (pair: pair.group) (
    concatMap (user: map (group: { inherit group; user = user.name; }) user.extraGroups) users
  );
  membersOf =
    group:
    lib.sort (a: b: a < b) (lib.unique (group.members ++ map (pair: pair.user) (namesOfGroup.${group.name} or [ ])));

  shellOf = user: if user.shell == null then "/usr/sbin/nologin" else utils.toShellPath user.shell;

  keysOf =
    user:
    map (lib.removeSuffix "\n") user.openssh.authorizedKeys.keys
    ++ concatMap (
      file: filter (line: line != "" && !lib.hasPrefix "#" line) (lib.splitString "\n" (builtins.readFile file))
    ) user.openssh.authorizedKeys.keyFiles
    ++ config.deployment.sshMeshKeys.${user.name} or [ ];
}
