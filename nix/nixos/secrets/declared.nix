# What declared secrets come to: what is wrong with them, what the host reads, and what the deployer gets. For
# NixOS and for hosts of ours (../../modules/secrets.nix), with the lib of each: nothing but builtins and what both have is used here.
{
  lib,
  # The host's, below which its files are.
  name,
  # Of the fleet file; null when there is none.
  fleetDirectory,
  # What options are called in messages: they are below this.
  prefix,
  givenHostKey,
  # The paths of the host's private ssh keys.
  identities,
  secrets,
  templates,
  # Where decrypted secrets are found.
  runDirectory,
  users,
  groups,
  # Where one of them is defined, for people.
  placeOf,
  templatePlaceOf,
  # A link to there, as a definition of environment.etc.
  linkTo,
  # Directories, beside the usual ones, in which none of them can be.
  reservedToo ? [ ],
  # A pattern of the paths that links can have, and the same in words.
  pathPattern ? ".*",
  pathRule ? "",
  suggest ? _: _: "",
  # Further parts of the manifest.
  more ? { },
}:
let
  inherit (builtins)
    attrNames
    concatLists
    filter
    hashFile
    hashString
    head
    isList
    map
    match
    pathExists
    toJSON
    toString
    ;
  inherit (lib)
    attrValues
    concatStringsSep
    hasPrefix
    mapAttrsToList
    optional
    optionalAttrs
    ;

  # Without the comment, as it is compared.
  normalKey =
    text:
    let
      parts = match "[[:space:]]*(ssh-ed25519|ssh-rsa)[[:space:]]+([A-Za-z0-9+/]+=*)([[:space:]].*)?" text;
    in
    if parts == null then null else "${head parts} ${builtins.elemAt parts 1}";
  hostKey = if givenHostKey == null then null else normalKey givenHostKey;

  ## The files for this host, which `pristine secrets rekey` writes

  secretsDirectory = if fleetDirectory == null then null else fleetDirectory + "/pristine.secrets.d";
  hostDirectory = secretsDirectory + "/${name}";
  enrolledFile = hostDirectory + "/host.pub";
  recordFile = hostDirectory + "/secrets.json";
  hostFileOf = secretName: hostDirectory + "/${secretName}.age";
  record =
    if secretsDirectory != null && pathExists recordFile then builtins.fromJSON (builtins.readFile recordFile) else { };
  # Without these files an assertion fails, which is to be what is told.
  hasHostFile = secretName: secretsDirectory != null && pathExists (hostFileOf secretName);
  storedFileOf =
    secretName:
    if hasHostFile secretName then
      builtins.path {
        name = "${secretName}.age";
        path = hostFileOf secretName;
      }
    else
      "/";
  recordOf = secretName: head (filter (entry: entry.name == secretName) (record.secrets or [ ]) ++ [ null ]);

  # What there is of a secret for this host; only what is `fresh` can be deployed.
  stateOf =
    secretName: secret:
    let
      entry = recordOf secretName;
    in
    if secret.file != null && !pathExists secret.file then
      "without-file"
    else if secretsDirectory == null then
      "without-directory"
    else if hostKey == null then
      "without-key"
    else if entry == null || !hasHostFile secretName then
      "missing"
    else if record.recipient != hostKey then
      "other-key"
    else if secret.file != null && entry.source != hashFile "sha256" secret.file then
      "stale"
    else if entry.sha256 != hashFile "sha256" (hostFileOf secretName) then
      "changed"
    else
      "fresh";

  rekey = "run `pristine secrets rekey ${name}'";
  problemOfState = secretName: secret: {
    fresh = null;
    without-file = "has no file ${toString secret.file}: ${
      if secret.generate != null then "run `pristine secrets generate ${secretName}'" else "make it with `pristine secrets edit ${secretName}'"
    }";
    without-directory = "cannot be had by a fleet that is given as a value: write it to a file";
    without-key =
      if givenHostKey == null then
        "needs the host's ssh key, which is not enrolled: run `pristine secrets rekey --enroll ${name}', or set ${prefix}.hostKey"
      else
        "needs the host's ssh key, and ${prefix}.hostKey is neither `ssh-ed25519 …' nor `ssh-rsa …'";
    missing = "is not encrypted for this host yet: ${rekey}";
    other-key = "is encrypted for another ssh key than the host's: ${rekey}";
    stale = "has changed since it was encrypted for this host: ${rekey}";
    changed = "has a file ${toString (hostFileOf secretName)} that Pristine did not write: ${rekey}";
  };

  ## What is wrong with a declaration, in words that follow its name

  reserved = [
    "/nix"
    "/usr"
    "/bin"
    "/sbin"
    "/lib"
    "/lib64"
    "/proc"
    "/sys"
    "/dev"
    "/system"
    "/run/secrets"
    "/run/secrets.d"
    "/run/pristine"
  ]
  ++ reservedToo;
  fileProblems =
    itemName: item:
    let
      isDefault = item.path == "${runDirectory}/${itemName}";
      within = filter (directory: item.path == directory || hasPrefix "${directory}/" item.path) reserved;
      when = condition: message: if condition then [ message ] else [ ];
    in
    when (
      match "[A-Za-z0-9][A-Za-z0-9._-]{0,63}" itemName == null
    ) "has a name that is none: letters, digits, dots, dashes and underscores, at most 64"
    ++ when (!users ? ${item.owner}) "is to belong to the user '${item.owner}', who is not declared.${suggest item.owner (attrNames users)}"
    ++ when (!groups ? ${item.group}) "is to have the group '${item.group}', which is not declared.${suggest item.group (attrNames groups)}"
    ++ when (!isDefault && within != [ ]) "cannot be at ${item.path}: ${head within} is not for files of yours"
    ++ when (match ".*//.*|.*/\\.\\.?(/.*)?" item.path != null)
      "is at ${item.path}, which has empty parts or dots: write the plain path"
    ++ when (match pathPattern item.path == null) "cannot be at ${item.path}: ${pathRule}";

  given = secret: filter (key: secret.${key} != null) [ "file" "command" "environment" ];
  secretProblems =
    secretName: secret:
    let
      state = stateOf secretName secret;
      problem = (problemOfState secretName secret).${state};
    in
    fileProblems secretName secret
    ++ (
      if given secret == [ ] then
        [ "comes from nowhere: give it `file', `command' or `environment'" ]
      else if builtins.length (given secret) > 1 then
        [ "comes from ${concatStringsSep " and " (given secret)}; leave one" ]
      else if secret.generate != null && secret.file == null then
        [ "is to be generated, and has no `file' to be kept in" ]
      else
        optional (problem != null) problem
    );

  namedIn = content: map head (filter isList (builtins.split "@pristine-secret:([^@\n]*)@" content));
  templateProblems =
    templateName: template:
    fileProblems templateName template
    ++ map (unknown: "names the secret '${unknown}', which is not declared.${suggest unknown (attrNames secrets)}") (
      filter (named: !secrets ? ${named}) (namedIn template.content)
    );

  # All of both, with what they are called in messages.
  items =
    mapAttrsToList (itemName: item: {
      inherit itemName item;
      title = "${prefix}.secrets.${lib.strings.escapeNixIdentifier itemName}";
      place = placeOf itemName;
    }) secrets
    ++ mapAttrsToList (itemName: item: {
      inherit itemName item;
      title = "${prefix}.secretTemplates.${lib.strings.escapeNixIdentifier itemName}";
      place = templatePlaceOf itemName;
    }) templates;
  twice =
    what: keyOf:
    map (
      same:
      "${lib.concatMapStringsSep " and " (entry: "${entry.title} (${entry.place})") same} ${what} ${keyOf (head same)}; give each another"
    ) (filter (same: builtins.length same > 1) (attrValues (lib.groupBy keyOf items)));

  # A suggestion ends with a mark of its own.
  sentence = problem: if lib.hasSuffix "?" problem then problem else "${lib.removeSuffix "." problem}.";
  messages =
    twice "are both at" (entry: entry.item.path)
    ++ twice "have both the name" (entry: entry.itemName)
    ++ concatLists (
      map (
        entry:
        map (problem: "${entry.title} ${sentence problem} It is defined in ${entry.place}.") (
          if entry.item ? content then
            templateProblems entry.itemName entry.item
          else
            secretProblems entry.itemName entry.item
        )
      ) items
    );

  ## What the host reads

  # As it is declared, whoever reads it.
  declared = itemName: item: {
    name = itemName;
    inherit (item)
      path
      owner
      group
      mode
      restartUnits
      reloadUnits
      ;
  };
  fileData = itemName: item: declared itemName item // {
    uid = (users.${item.owner} or { uid = 0; }).uid;
    gid = (groups.${item.group} or { gid = 0; }).gid;
  };
  content = more // {
    version = 1;
    inherit identities;
    secrets = mapAttrsToList (
      secretName: secret: fileData secretName secret
        // optionalAttrs (hasHostFile secretName) { sha256 = hashFile "sha256" (hostFileOf secretName); }
    ) secrets;
    templates = mapAttrsToList (
      templateName: template: fileData templateName template // { inherit (template) content; }
    ) templates;
  };
  # A version of all of them has a directory of its own.
  manifest = content // { id = builtins.substring 0 32 (hashString "sha256" (toJSON content)); };
  elsewhere = filter (entry: entry.item.path != "${runDirectory}/${entry.itemName}") items;
  isInEtc = path: hasPrefix "/etc/" path;
in
{
  inherit messages manifest;
  # Of the system: the manifest, the files, and links to what is to be found in /etc.
  etc = {
    "pristine/secrets/manifest.json".text = toJSON manifest;
  }
  // lib.mapAttrs' (
    secretName: _: lib.nameValuePair "pristine/secrets/${secretName}.age" { source = storedFileOf secretName; }
  ) secrets
  // builtins.listToAttrs (
    map (
      entry:
      lib.nameValuePair (lib.removePrefix "/etc/" entry.item.path) (linkTo "${runDirectory}/${entry.itemName}")
    ) (filter (entry: isInEtc entry.item.path) elsewhere)
  );
  # Where links to secrets are made on the host, and what they lead to.
  linksOutOfEtc = builtins.listToAttrs (
    map (entry: lib.nameValuePair entry.item.path "${runDirectory}/${entry.itemName}") (
      filter (entry: !isInEtc entry.item.path) elsewhere
    )
  );
  enrolledKey = if secretsDirectory != null && pathExists enrolledFile then builtins.readFile enrolledFile else null;

  data = {
    hostKey = givenHostKey;
    hostKeyPath = head (identities ++ [ null ]);
    secrets = mapAttrsToList (
      secretName: secret:
      declared secretName secret
      // {
        inherit (secret) generate command environment;
        place = placeOf secretName;
        file = if secret.file == null then null else toString secret.file;
        state = stateOf secretName secret;
      }
    ) secrets;
    templates = mapAttrsToList (
      templateName: template: declared templateName template // { place = templatePlaceOf templateName; }
    ) templates;
  };
}
