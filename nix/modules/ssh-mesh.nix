# Users who reach each other's hosts over ssh: whose keys open what, by the public parts that `pristine mesh collect` wrote
# down. Private parts are on the hosts alone. What a NixOS system opens, its own configuration declares (../nixos/ssh-mesh); here
# that is compared with what the fleet declares now.
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
    attrNames
    concatLists
    elem
    head
    listToAttrs
    map
    match
    ;
  inherit (lib)
    concatMapStrings
    concatStringsSep
    mapAttrsToList
    mkIf
    mkOption
    optional
    optionals
    types
    unique
    ;
  inherit (lib.moduleErrors) suggest;
  cfg = config.deployment;
  inherit (config) networking;
  placeOf = import ./definition-place.nix { inherit lib; } options.deployment.sshMesh;

  inherit (import ../nixos/ssh-mesh/options.nix { inherit lib; }) directoryBeside sshMesh;
  declared = import ../nixos/ssh-mesh/declared.nix (
    {
      inherit
        lib
        name
        fleetDirectory
        hostOf
        suggest
        ;
      withoutDirectory = "cannot be had by a fleet that is given as a value: write it to a file";
      whyUnknown =
        other:
        if isNone other then
          "which the fleet does not have.${suggest other (attrNames hosts)}"
        else
          "which has the base \"${hosts.${other}.config.deployment.base}\" and cannot be in it";
      inherit isNone;
      whereToDeclare =
        other:
        if !hosts.${other}.config.deployment.isNixos then
          "where all of its hosts get it, in `defaults' or in `tags'"
        else
          "as pristine.sshMesh in its NixOS configuration, which deployment.nixosConfiguration must name";
    }
    // (if cfg.isNixos then ofConfiguration else ofFleet)
  );
  ofFleet = {
    inherit placeOf;
    inherit (config.users) users;
    prefix = "deployment";
    meshes = cfg.sshMesh;
    keyDirectory = directoryBeside cfg.secretData.hostKeyPath;
  };
  ofConfiguration = {
    inherit (configured) keyDirectory;
    inherit (cfg.nixosConfiguration.config.users) users;
    prefix = "pristine";
    meshes = configuredMeshes;
    placeOf = meshName: configuredMeshes.${meshName}.place;
    furtherProblems =
      other:
      optional (!isAsRead other) "of which the NixOS configuration has read something else than is declared: run `pristine mesh collect ${other}', and let the configuration see what that writes";
  };

  # What a NixOS configuration says, where it has our module.
  configured =
    (if cfg.nixosConfiguration == null then { } else cfg.nixosConfiguration.config.pristine or { }).sshMeshData or {
      meshes = [ ];
      ports = [ 22 ];
      keyDirectory = directoryBeside null;
      readOf = { };
    };
  configuredMeshes = listToAttrs (map (mesh: lib.nameValuePair mesh.name mesh) configured.meshes);
  isAsRead = host: configured.readOf.${host} or null == declared.readOf.${host};

  isNone = other: !hosts ? ${other};
  hostOf =
    other:
    if isNone other then null else (hosts.${other}.config.deployment.sshMeshData or { host = null; }).host;

  # Without the comment.
  normalKey =
    key:
    let
      parts = match "[[:space:]]*([^[:space:]]+)[[:space:]]+([^[:space:]]+)([[:space:]].*)?" key;
    in
    if parts == null then null else "${head parts} ${builtins.elemAt parts 1}";

  # What the fleet says of a NixOS host has to be what its configuration says.
  differences = concatLists (
    mapAttrsToList (
      meshName: { hosts, users }:
      let
        same = configuredMeshes.${meshName} or null;
      in
      optional (elem name hosts && (same == null || { inherit (same) hosts users; } != { inherit hosts users; })) "deployment.sshMesh.${lib.escapeNixIdentifier meshName} names '${name}', which has a NixOS system, and its configuration does not declare the same as pristine.sshMesh.${lib.escapeNixIdentifier meshName}: declare it there, by the module that `pristine nixos-module' writes, and name the configuration as deployment.nixosConfiguration. It is defined in ${placeOf meshName}."
    ) cfg.sshMesh
  );
in
{
  options.deployment = {
    inherit sshMesh;
    sshMeshKeys = mkOption {
      type = types.attrsOf (types.listOf types.str);
      internal = true;
      description = "The keys that may log in as users of this host, by their names.";
    };
    sshMeshData = mkOption {
      type = types.unspecified;
      internal = true;
      readOnly = true;
      description = "The meshes of this host, as the deployer and other hosts get them.";
    };
    sshMeshProblems = mkOption {
      type = types.listOf types.str;
      internal = true;
      readOnly = true;
      description = "What keeps a NixOS system from being deployed.";
    };
  };

  config = {
    deployment = {
      sshMeshData = {
        inherit (declared) users;
        host = {
          keyDirectory = if cfg.isNixos then configured.keyDirectory else ofFleet.keyDirectory;
          names = unique (
            [
              name
              cfg.target.host
            ]
            ++ cfg.target.hosts
            ++ optional (networking.primaryAddress != null) networking.primaryAddress
          );
          address = if networking.primaryAddress != null then networking.primaryAddress else cfg.target.host;
          ports = if cfg.isNixos then configured.ports else config.services.openssh.ports;
          hostKey = if cfg.secretData.hostKey == null then null else normalKey cfg.secretData.hostKey;
          inherit (declared) meshes;
        };
      };
      sshMeshKeys = mkIf (!cfg.isNixos) (
        lib.genAttrs (unique (lib.concatMap (mesh: mesh.users) declared.meshes)) declared.keysFor
      );
      sshMeshProblems = optionals cfg.isNixos (
        differences
        ++ declared.messages
        ++ optional (configured.meshes != [ ] && !isAsRead name) "pristine.sshMesh of '${name}' has read other keys of its own users than there are: let the configuration see pristine.mesh.d, which `pristine mesh collect' writes."
      );
    };

    assertions = mkIf (!cfg.isNixos) (
      map (message: {
        assertion = false;
        inherit message;
      }) declared.messages
    );

    environment.etc = mkIf (!cfg.isNixos && declared.clientConfig != "") {
      "ssh/ssh_known_hosts".text = concatMapStrings (
        { hostNames, publicKey, ... }: "${concatStringsSep "," hostNames} ${publicKey}\n"
      ) declared.knownHosts;
      "ssh/ssh_config.d/pristine-mesh.conf".text = declared.clientConfig;
    };

    systemd.tmpfiles.rules = mkIf (!cfg.isNixos) declared.tmpfiles;
  };
}
