# Users who reach each other's hosts over ssh: whose keys open what, by the public parts that `pristine mesh collect` wrote
# down. Private parts are on the hosts alone.
{
  config,
  fleetDirectory,
  hosts,
  lib,
  name,
  options,
  ...
}:
let
  inherit (builtins)
    any
    attrNames
    concatLists
    elem
    filter
    hashString
    head
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
    mapAttrsToList
    mkIf
    mkOption
    optional
    optionalString
    removeSuffix
    types
    unique
    ;
  inherit (lib.moduleErrors) suggest;
  users = config.users.users;
  placeOf = import ./definition-place.nix { inherit lib; } options.deployment.sshMesh;

  # The meshes that a host is in; a declaration may reach hosts that are not.
  meshesOf = host: filterAttrs (_: mesh: elem host.name mesh.hosts) host.config.deployment.sshMesh;
  own = meshesOf { inherit name config; };
  ownUsers = unique (concatLists (mapAttrsToList (_: mesh: mesh.users) own));
  knownUsers = filter (user: users ? ${user}) ownUsers;

  ## What was collected

  keyOf =
    host: user:
    let
      file = fleetDirectory + "/pristine.mesh.d/${host}/${user}.pub";
    in
    if fleetDirectory != null && pathExists file then removeSuffix "\n" (readFile file) else null;
  # A new key lies beside the one before, so that each generation has its own.
  pathOf = user: key: "/persist/etc/ssh/mesh/${user}.${substring 0 16 (hashString "sha256" key)}";

  ## The other hosts

  othersIn = mesh: filter (other: other != name) mesh.hosts;
  # Both must say it: a declaration of one host opens no other.
  isMutual =
    meshName: other: hosts ? ${other} && elem name ((meshesOf hosts.${other}).${meshName} or { hosts = [ ]; }).hosts;
  peersIn = meshName: mesh: filter (isMutual meshName) (othersIn mesh);
  peers = unique (concatLists (mapAttrsToList peersIn own));
  # Who may log in as a user here.
  guestsOf =
    user:
    unique (
      concatLists (
        mapAttrsToList (
          meshName: mesh:
          if elem user mesh.users then
            concatMap (
              peer: map (guest: { inherit peer guest; }) hosts.${peer}.config.deployment.sshMesh.${meshName}.users
            ) (peersIn meshName mesh)
          else
            [ ]
        ) own
      )
    );

  namesOf =
    peer:
    let
      inherit (hosts.${peer}.config) deployment networking;
    in
    unique (
      [
        peer
        deployment.target.host
      ]
      ++ deployment.target.hosts
      ++ optional (networking.primaryAddress != null) networking.primaryAddress
    );
  portsOf = peer: hosts.${peer}.config.services.openssh.ports;
  knownAs = peer: concatMap (port: map (known: if port == 22 then known else "[${known}]:${toString port}") (namesOf peer)) (portsOf peer);
  hostKeyOf = peer: hosts.${peer}.config.deployment.hostKey;

  clientConfigOf =
    peer:
    let
      inherit (hosts.${peer}.config) deployment networking;
      address = if networking.primaryAddress != null then networking.primaryAddress else deployment.target.host;
      identity = user: optionalString (keyOf name user != null) ''
        Match originalhost "${concatStringsSep "," (namesOf peer)}" localuser "${user}"
          IdentityFile ${pathOf user (keyOf name user)}
      '';
      knowing = filter (user: any (mesh: elem user mesh.users && elem peer mesh.hosts) (lib.attrValues own)) ownUsers;
    in
    ''
      Match originalhost "${peer}"
        HostName ${address}
      Match originalhost "${concatStringsSep "," (namesOf peer)}"
        Port ${toString (head (portsOf peer))}
        StrictHostKeyChecking yes
    ''
    + concatMapStrings identity knowing;

  ## What is wrong with a declaration, in words that follow its name

  collect = host: "run `pristine mesh collect ${host}'";
  userProblems =
    user:
    if !users ? ${user} then
      [ "names the user '${user}', whom '${name}' does not have.${suggest user (attrNames users)}" ]
    else
      optional (lib.hasSuffix "/nologin" (toString users.${user}.shell)) "names the user '${user}', who has no shell on '${name}' and so cannot log in: set users.users.${user}.shell"
      ++ optional (keyOf name user == null) "names the user '${user}', whose key of '${name}' is not known yet: ${collect name}";
  peerProblems =
    meshName: other:
    if !hosts ? ${other} then
      [ "names the host '${other}', which the fleet does not have.${suggest other (attrNames hosts)}" ]
    else if hosts.${other}.config.deployment.isNixos then
      [ "names the host '${other}', which has a NixOS system; only hosts of the Debian base can be in it" ]
    else if !isMutual meshName other then
      [ "names the host '${other}', where it does not name '${name}': declare it where all of its hosts get it, in `defaults' or in `tags'" ]
    else
      optional (hostKeyOf other == null) "names the host '${other}', whose ssh key is not known yet: ${collect other}"
      ++ map (user: "names the host '${other}', whose key of the user '${user}' is not known yet: ${collect other}") (
        filter (user: keyOf other user == null) hosts.${other}.config.deployment.sshMesh.${meshName}.users
      );
  sentence = problem: if lib.hasSuffix "?" problem then problem else "${removeSuffix "." problem}.";
  tell =
    meshName: problem:
    "deployment.sshMesh.${lib.escapeNixIdentifier meshName} ${sentence problem} It is defined in ${placeOf meshName}.";
  problemsOf =
    meshName: mesh:
    map (tell meshName) (
      # A name that is none may be this host's, misspelt.
      if !elem name mesh.hosts then
        concatMap (peerProblems meshName) (filter (other: !hosts ? ${other}) mesh.hosts)
      else if fleetDirectory == null then
        [ "cannot be had by a fleet that is given as a value: write it to a file" ]
      else
        concatMap userProblems mesh.users ++ concatMap (peerProblems meshName) (othersIn mesh)
    );
in
{
  options.deployment = {
    sshMesh = mkOption {
      type = types.attrsOf (
        types.submodule {
          options = {
            hosts = mkOption {
              type = types.listOf types.str;
              apply = unique;
              example = [
                "db1"
                "web1"
              ];
              description = "The names of the hosts that are in it. Each must have the declaration, with the others in it; a host that has it and is not named is not in it.";
            };
            users = mkOption {
              type = types.listOf types.str;
              apply = unique;
              example = [ "backup" ];
              description = "The users of this host that are in it.";
            };
          };
        }
      );
      default = { };
      example = lib.literalExpression ''
        {
          backup = { hosts = [ "db1" "web1" ]; users = [ "backup" ]; };
        }
      '';
      description = "Users who reach each other over ssh: each user of a mesh on each of its hosts may log in as each user of it on its other hosts. Declare it where all hosts of it get it, in `defaults` or in `tags`.";
    };
    sshMeshKeys = mkOption {
      type = types.attrsOf (types.listOf types.str);
      internal = true;
      description = "The keys that may log in as users of this host, by their names.";
    };
    sshMeshData = mkOption {
      type = types.unspecified;
      internal = true;
      readOnly = true;
      description = "The users of this host that are in meshes, as the deployer gets them.";
    };
  };

  config = {
    deployment.sshMeshData = map (user: {
      name = user;
      uid = users.${user}.uid;
      gid = (config.users.groups.${users.${user}.group} or { gid = 65534; }).gid;
      key = keyOf name user;
      meshes = attrNames (filterAttrs (_: mesh: elem user mesh.users) own);
    }) knownUsers;

    assertions = map (message: {
      assertion = false;
      inherit message;
    }) (concatLists (mapAttrsToList problemsOf config.deployment.sshMesh));

    deployment.sshMeshKeys = lib.genAttrs ownUsers (
      user:
      concatMap ({ guest, peer }: optional (keyOf peer guest != null) "${keyOf peer guest} ${guest}@${peer}") (
        guestsOf user
      )
    );

    environment.etc = mkIf (peers != [ ]) {
      "ssh/ssh_known_hosts".text = concatMapStrings (
        peer: optionalString (hostKeyOf peer != null) "${concatStringsSep "," (knownAs peer)} ${removeSuffix "\n" (hostKeyOf peer)}\n"
      ) peers;
      "ssh/ssh_config.d/pristine-mesh.conf".text = concatMapStrings clientConfigOf peers;
    };

    # Keys are made by `pristine mesh collect`; a user's number may change later.
    systemd.tmpfiles.rules = concatMap (
      user: optional (keyOf name user != null) "z ${pathOf user (keyOf name user)} 0400 ${user} ${users.${user}.group} -"
    ) knownUsers;
  };
}
