# What declared meshes come to: what is wrong with them, what the host opens and knows, and what the deployer gets. For NixOS
# and for hosts of ours (../../modules/ssh-mesh.nix), with the lib of each: nothing but builtins and what both have is used here.
{
  lib,
  # The host's.
  name,
  # Of the fleet file, below which public keys are; null when there is none.
  fleetDirectory,
  # What that means, in words that follow a mesh's name.
  withoutDirectory,
  # What the option is called in messages: it is below this.
  prefix,
  # As they are declared.
  meshes,
  users,
  # Where private keys are on the host.
  keyDirectory,
  # What is known of another host: `names`, `address`, `ports`, `hostKey` and its `meshes`, which name it. Null when nothing is.
  hostOf,
  # Why nothing is known of a host, in words that follow its name.
  whyUnknown,
  # Whether a host is none, as far as that is known.
  isNone ? _: false,
  # Where a host is to declare what another one declares.
  whereToDeclare,
  # What else is wrong with what is known of a host.
  furtherProblems ? _: [ ],
  # Where a mesh is defined, for people.
  placeOf,
  suggest ? _: _: "",
}:
let
  inherit (builtins)
    any
    attrNames
    attrValues
    concatLists
    elem
    filter
    hashString
    head
    isAttrs
    map
    pathExists
    readFile
    substring
    toString
    ;
  inherit (lib)
    concatMap
    concatMapStrings
    concatStringsSep
    filterAttrs
    genAttrs
    mapAttrsToList
    optional
    optionalString
    removeSuffix
    unique
    ;

  # A declaration may reach hosts that are not in its mesh.
  own = filterAttrs (_: mesh: elem name mesh.hosts) meshes;
  ownUsers = unique (concatMap (mesh: mesh.users) (attrValues own));
  knownUsers = filter (user: users ? ${user}) ownUsers;
  othersIn = mesh: filter (other: other != name) mesh.hosts;
  others = unique (concatMap othersIn (attrValues own));

  ## What was collected

  keyOf =
    host: user:
    let
      file = fleetDirectory + "/pristine.mesh.d/${host}/${user}.pub";
    in
    if fleetDirectory != null && pathExists file then removeSuffix "\n" (readFile file) else null;
  # A new key lies beside the one before, so that each generation has its own.
  pathOf = user: key: "${keyDirectory}/${user}.${substring 0 16 (hashString "sha256" key)}";
  ownKeys = filter ({ key, ... }: key != null) (
    map (user: {
      inherit user;
      key = keyOf name user;
    }) knownUsers
  );

  ## The other hosts

  # What another host declares of a mesh, in which both must be by either declaration: that of one host opens no other.
  sameMesh =
    meshName: other:
    let
      host = hostOf other;
      same = filter (mesh: mesh.name == meshName && elem name mesh.hosts) host.meshes;
    in
    if host == null || same == [ ] then null else head same;
  peersIn = meshName: mesh: filter (other: sameMesh meshName other != null) (othersIn mesh);
  peers = map (peer: hostOf peer // { name = peer; }) (unique (concatLists (mapAttrsToList peersIn own)));
  # The keys that may log in as a user here.
  keysFor =
    user:
    unique (
      concatLists (
        mapAttrsToList (
          meshName: mesh:
          concatMap (
            peer:
            concatMap (
              guest:
              let
                key = keyOf peer guest;
              in
              optional (key != null) "${key} ${guest}@${peer}"
            ) (sameMesh meshName peer).users
          ) (if elem user mesh.users then peersIn meshName mesh else [ ])
        ) own
      )
    );

  knownAs =
    { names, ports, ... }:
    concatMap (port: map (known: if port == 22 then known else "[${known}]:${toString port}") names) ports;
  clientConfigOf =
    peer:
    let
      match = "Match originalhost \"${concatStringsSep "," peer.names}\"";
      isMet = user: any (mesh: elem user mesh.users && elem peer.name mesh.hosts) (attrValues own);
    in
    ''
      Match originalhost "${peer.name}"
        HostName ${peer.address}
      ${match}
        Port ${toString (head peer.ports)}
        StrictHostKeyChecking yes
    ''
    + concatMapStrings (
      { key, user }:
      optionalString (isMet user) ''
        ${match} localuser "${user}"
          IdentityFile ${pathOf user key}
      ''
    ) ownKeys;

  ## What is wrong with a declaration, in words that follow its name

  collect = host: "run `pristine mesh collect ${host}'";
  shellOf = { shell, ... }: if isAttrs shell && shell ? shellPath then shell.shellPath else toString shell;
  userProblems =
    user:
    if !users ? ${user} then
      [ "names the user '${user}', whom '${name}' does not have.${suggest user (attrNames users)}" ]
    else
      optional (lib.hasSuffix "/nologin" (shellOf users.${user})) "names the user '${user}', who has no shell on '${name}' and so cannot log in: set users.users.${user}.shell"
      ++ optional (keyOf name user == null) "names the user '${user}', whose key of '${name}' is not known yet: ${collect name}";
  peerProblems =
    meshName: other:
    let
      host = hostOf other;
      same = sameMesh meshName other;
      unknown =
        optional (host.hostKey == null) "whose ssh key is not known yet: ${collect other}"
        ++ map (user: "whose key of the user '${user}' is not known yet: ${collect other}") (
          filter (user: keyOf other user == null) same.users
        );
    in
    map (problem: "names the host '${other}', ${problem}") (
      if host == null then
        [ (whyUnknown other) ]
      else if same == null then
        [ "where it does not name '${name}': declare it ${whereToDeclare other}" ]
      else if unknown != [ ] then
        unknown
      else
        furtherProblems other
    );
  sentence = problem: if lib.hasSuffix "?" problem then problem else "${removeSuffix "." problem}.";
  tell =
    meshName: problem:
    "${prefix}.sshMesh.${lib.strings.escapeNixIdentifier meshName} ${sentence problem} It is defined in ${placeOf meshName}.";
  problemsOf =
    meshName: mesh:
    map (tell meshName) (
      # A name that is none may be this host's, misspelt.
      if !elem name mesh.hosts then
        concatMap (peerProblems meshName) (filter isNone mesh.hosts)
      else if fleetDirectory == null then
        [ withoutDirectory ]
      else
        concatMap userProblems mesh.users ++ concatMap (peerProblems meshName) (othersIn mesh)
    );
in
{
  inherit keysFor tell;
  messages = concatLists (mapAttrsToList problemsOf meshes);

  # By which keys the others are known.
  knownHosts = map (peer: {
    inherit (peer) name;
    hostNames = knownAs peer;
    publicKey = peer.hostKey;
  }) (filter (peer: peer.hostKey != null) peers);
  clientConfig = concatMapStrings clientConfigOf peers;
  # Keys are made by `pristine mesh collect`, as root; a user's number may change later.
  tmpfiles = map ({ key, user }: "z ${pathOf user key} 0400 ${user} ${users.${user}.group} -") ownKeys;

  # What is this host's.
  meshes = mapAttrsToList (meshName: mesh: {
    name = meshName;
    inherit (mesh) hosts users;
  }) own;
  users = map (user: {
    name = user;
    key = keyOf name user;
    meshes = attrNames (filterAttrs (_: mesh: elem user mesh.users) own);
  }) knownUsers;
  # What all of this has come from, by host: what others declare of the meshes of this one, and public keys.
  readOf = {
    ${name} = genAttrs knownUsers (keyOf name);
  }
  // genAttrs others (
    other:
    let
      host = hostOf other;
      shared = filter (mesh: own ? ${mesh.name} && elem name mesh.hosts) host.meshes;
    in
    if host == null then
      null
    else
      {
        inherit (host)
          names
          address
          ports
          hostKey
          ;
        meshes = shared;
        keys = genAttrs (unique (concatMap (mesh: mesh.users) shared)) (keyOf other);
      }
  );
}
