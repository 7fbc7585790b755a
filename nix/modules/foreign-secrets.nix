# What is particular to secrets on a host that somebody has installed.
{
  lib,
  pkgs,
  users,
  groups,
}:
let
  fixed = import ./fixed-ids.nix { inherit lib; };
in
{
  # The host's own accounts are known here when their numbers are the same everywhere.
  users =
    lib.mapAttrs (name: uid: {
      inherit uid;
      group = if fixed.gids ? ${name} then name else "nogroup";
    }) fixed.uids
    // users;
  groups = lib.mapAttrs (_: gid: { inherit gid; }) fixed.gids // groups;

  # As Debian's sshd makes them.
  identities = [
    "/etc/ssh/ssh_host_ed25519_key"
    "/etc/ssh/ssh_host_rsa_key"
  ];

  pathPattern = "[a-zA-Z0-9_.@+/-]+";
  pathRule = "a link on a host of the base \"foreign\" has letters, digits and . _ @ + - in its path";

  # Root would follow what others put there.
  reservedToo = [
    "/home"
    "/tmp"
    "/var/tmp"
  ]
  ++ map (way: "/etc/${way}") (import ./foreign-ways-in.nix)
  ++ lib.concatMap (user: lib.optional user.createHome user.home) (lib.attrValues users);

  # By its own loader: the host's C library may be another one.
  more.age = pkgs.pristine.commandOf "age" "age";
}
