# deploy-rs: a flake's output `deploy`, whose nodes have profiles: the one of the system becomes the host's, and the others
# `deployment.profiles`.
{ lib, report }:
{ input, ... }:
let
  inherit (builtins)
    appendContext
    attrNames
    concatLists
    concatStringsSep
    elem
    filter
    getContext
    head
    isAttrs
    isBool
    isInt
    isList
    isString
    length
    mapAttrs
    match
    split
    storeDir
    toJSON
    typeOf
    unsafeDiscardStringContext
    ;
  inherit (input) where;
  deploy =
    if input.flake == null then
      input.value
    else
      input.flake.outputs.deploy or (throw "${where} has no output deploy.");

  ## Settings

  seconds = value: isInt value && value >= 0 && value < 65536;
  # With the defaults of deploy-rs, which may be given for all nodes, for a node, and for a profile.
  generic = {
    sshUser = {
      default = null;
      is = isString;
    };
    user = {
      default = null;
      is = isString;
    };
    sshOpts = {
      default = [ ];
      is = value: isList value && lib.all isString value;
    };
    fastConnection = {
      default = false;
      is = isBool;
    };
    autoRollback = {
      default = true;
      is = isBool;
    };
    magicRollback = {
      default = true;
      is = isBool;
    };
    confirmTimeout = {
      default = 30;
      is = seconds;
    };
    activationTimeout = {
      default = 240;
      is = seconds;
    };
    tempPath = {
      default = "/tmp";
      is = lib.isStringLike;
    };
    sudo = {
      default = "sudo -u";
      is = isString;
    };
    interactiveSudo = {
      default = false;
      is = isBool;
    };
    remoteBuild = {
      default = false;
      is = isBool;
    };
  };

  placeOf = lib.moduleErrors.placeIn where;

  # A level's settings, whose types are deploy-rs's.
  checked =
    at: given:
    if !isAttrs given then
      throw "`${at}' of ${where} is a value of type ${typeOf given}; it must be an attribute set."
    else
      mapAttrs (
        name: value:
        if !(generic ? ${name}) || value == null && generic.${name}.default == null || generic.${name}.is value then
          value
        else
          throw "`${at}.${name}' is ${lib.moduleErrors.showValue value}, which deploy-rs does not take. It is defined in ${placeOf name given}."
      ) given;
  # Ignored by deploy-rs, too.
  strangers =
    at: known: given:
    map (
      name: report.differs "${at}.${name}" null "means nothing to deploy-rs either (${placeOf name given})"
    ) (filter (name: !(generic ? ${name}) && !(elem name known)) (attrNames given));

  # The one of a profile counts before that of its node, and that before all nodes'; options for ssh add up.
  settingsOf =
    levels:
    mapAttrs (
      name: setting:
      let
        given = filter (value: value != null) (map (level: level.${name} or null) levels);
      in
      if name == "sshOpts" then
        concatLists given
      else if given == [ ] then
        setting.default
      else
        head given
    ) generic;

  ## Profiles

  systemProfile = "/nix/var/nix/profiles/system";
  profilesOf =
    name: node:
    checkedOrder name node (mapAttrs (
      profileName: profile:
      let
        settings = settingsOf [
          (checked "deploy.nodes.${name}.profiles.${profileName}" profile)
          (checked "deploy.nodes.${name}" node)
          (checked "deploy" deploy)
        ];
        user = if settings.user == null then settings.sshUser else settings.user;
      in
      {
        inherit settings user;
        path =
          profile.path
            or (throw "`deploy.nodes.${name}.profiles.${profileName}' of ${where} has no `path', which deploy-rs needs.");
        isSystem =
          if profile.profilePath or null != null then
            profile.profilePath == systemProfile
          else
            profileName == "system" && user == "root";
      }
    ) (node.profiles or (throw "`deploy.nodes.${name}' of ${where} has no `profiles', which deploy-rs needs.")));
  # Of the first ones; others follow them.
  checkedOrder =
    name: node: profiles:
    let
      order = node.profilesOrder or [ ];
      at = "`deploy.nodes.${name}.profilesOrder'";
      unknown = filter (profile: !(profiles ? ${profile})) order;
    in
    if !isList order || !lib.all isString order then
      throw "${at} is ${lib.moduleErrors.showValue order}, which deploy-rs does not take. It is defined in ${placeOf "profilesOrder" node}."
    else if unknown != [ ] then
      throw "${at} has '${head unknown}', which is no profile of the node.${lib.moduleErrors.suggest (head unknown) (attrNames profiles)} It is defined in ${placeOf "profilesOrder" node}."
    else
      profiles;

  /*
    The NixOS system in what deploy-rs activates: a tree `activatable-NAME` of links to it, with scripts beside. It is the
    derivation of that name among those that the tree is made of; null when there is none.
  */
  toplevelOf =
    path:
    let
      name = lib.removePrefix "activatable-" (path.name or "");
      # Whole, with all that the derivation refers to.
      text = toJSON path.drvAttrs;
      drvPaths = filter (drv: match "[0-9a-z]{32}-${lib.escapeRegex name}\\.drv" (baseNameOf drv) != null) (
        attrNames (getContext text)
      );
      drvPath = head drvPaths;
      found = filter isList (
        split "(${storeDir}/[0-9a-z]{32}-${lib.escapeRegex name})[^0-9a-zA-Z+._?=-]" (unsafeDiscardStringContext text)
      );
    in
    if !lib.hasPrefix "nixos-system-" name || !(path ? drvAttrs) then
      null
    else if path.name == name then
      path
    else if length drvPaths != 1 || found == [ ] then
      null
    else
      {
        type = "derivation";
        inherit name drvPath;
        inherit (path) system;
        outputName = "out";
        outPath = appendContext (head (head found)) { ${drvPath}.outputs = [ "out" ]; };
      };

  ## Hosts

  # Why a profile beside the system's is not served; null when it is.
  whyUnserved =
    profile:
    if profile.user == null then
      "it has neither `user' nor `sshUser', which deploy-rs needs"
    else if !(profile.path ? drvPath) then
      "its path is no derivation"
    else
      null;
  # What a profile beside the system's sets for itself, and has as the system's here.
  ownSettings =
    name: given: system:
    map (option: report.differs "${name}.${option}" given.${option} "as for the system") (
      filter (option: option != "user" && given.${option} or null != null && given.${option} != system.${option}) (
        attrNames generic
      )
    );

  hostOf =
    name: node:
    let
      profiles = profilesOf name node;
      systems = filter (profile: profiles.${profile}.isSystem) (attrNames profiles);
      systemName = head systems;
      profile = profiles.${systemName};
      inherit (profile) settings;
      toplevel = toplevelOf profile.path;
      others = filter (other: other != systemName) (attrNames profiles);
      order = node.profilesOrder or [ ];
      placeInOrder = lib.listToAttrs (lib.imap0 (index: profile: lib.nameValuePair profile index) order);
      further = filter (other: whyUnserved profiles.${other} == null) others;
      confirmTimeout = lib.max 5 (lib.min 3600 settings.confirmTimeout);
      left =
        if systems == [ ] && profiles ? system && profiles.system.user == null then
          "its profile system has neither `user' nor `sshUser', which deploy-rs needs"
        else if systems == [ ] then
          "none of its profiles (${concatStringsSep ", " (attrNames profiles)}) is root's NixOS system"
        else if toplevel == null then
          "its profile ${systemName} is no NixOS system that activate.nixos has made activatable"
        else
          null;
    in
    {
      inherit left;
      platform = profile.path.system;
      system = toplevel;
      definitions.deployment = {
        profiles = lib.genAttrs further (other: {
          inherit (profiles.${other}) path user;
          link = node.profiles.${other}.profilePath or null;
          order = placeInOrder.${other} or (length order);
        });
        target = {
          host = node.hostname or (throw "`deploy.nodes.${name}' of ${where} has no `hostname', which deploy-rs needs.");
          user = settings.sshUser;
          port = null;
          sshOptions = settings.sshOpts;
          privilegeEscalation =
            if settings.sudo == generic.sudo.default then
              "sudo"
            else
              filter (word: word != "") (lib.splitString " " settings.sudo) ++ [ "root" ];
        };
        buildOnTarget = lib.mkIf settings.remoteBuild true;
        # What deploy-rs does unless it is told that the connection is fast.
        substituteOnDestination = if settings.fastConnection then false else lib.mkDefault true;
        confirmTimeout =
          if settings.confirmTimeout == generic.confirmTimeout.default then
            lib.mkDefault confirmTimeout
          else
            confirmTimeout;
      };
      options =
        lib.optionals (systems != [ ]) (
          report.ofOptions (mapAttrs (option: note: { inherit (generic.${option}) default; inherit note; }) notes) settings
        )
        ++ lib.concatMap (
          other:
          let
            option = "profiles.${other}";
            value = profiles.${other}.path.name or null;
            why = whyUnserved profiles.${other};
          in
          if systems == [ ] then
            [ (report.unserved option value "the node is left out; `deploy .#NODE.${other}' goes on with this one") ]
          else if why != null then
            [ (report.unserved option value why) ]
          else
            [ (report.same option value "deployment.profiles.${other}") ] ++ ownSettings option node.profiles.${other} settings
        ) (if systems == [ ] then attrNames profiles else others)
        ++ lib.optional (systems != [ ] && others != [ ] && order != [ ]) (
          if head order == systemName then
            report.same "profilesOrder" order "deployment.profiles.<name>.order"
          else
            report.differs "profilesOrder" order "the system comes first, and then the others in this order"
        )
        ++ strangers "deploy.nodes.${name}" [ "hostname" "profiles" "profilesOrder" ] node
        ++ concatLists (
          lib.mapAttrsToList (
            profileName:
            strangers "deploy.nodes.${name}.profiles.${profileName}" [ "path" "profilePath" ]
          ) node.profiles
        );
    };

  notes = {
    sshUser = option: value: report.same option value "deployment.target.user";
    user = option: value: report.same option value "root's system";
    sshOpts = option: value: report.same option value "deployment.target.sshOptions";
    sudo = option: value: report.same option value "deployment.target.privilegeEscalation";
    interactiveSudo = option: value: report.same option value "asked for once, where sudo wants a password";
    confirmTimeout =
      option: value:
      if value < 5 || value > 3600 then
        report.differs option value "deployment.confirmTimeout, which is from 5 to 3600"
      else
        report.same option value "deployment.confirmTimeout";
    fastConnection = option: value: report.same option value "no deployment.substituteOnDestination";
    autoRollback = option: value: report.differs option value "a host that fails returns all the same";
    magicRollback = option: value: report.differs option value "a host that is not confirmed returns all the same";
    activationTimeout = option: value: report.differs option value "an activation has 300 seconds";
    tempPath = option: value: report.differs option value "nothing of a deployment lies there";
    remoteBuild = option: value: report.same option value "deployment.buildOnTarget";
  };
in
if !isAttrs deploy || !isAttrs (deploy.nodes or null) then
  throw "${where} has no `deploy.nodes': deploy-rs deploys an attribute set with `nodes'."
else
  {
    tool = "deploy-rs";
    inherit where;
    options = strangers "deploy" [ "nodes" ] deploy;
    behaviour = [
      "The system in the profile is deployed, by its own switch-to-configuration; the script that deploy-rs puts around it (deploy-rs-activate) is not run, nor are its checks of the flake. The scripts of other profiles are, when these have changed."
      "A host that fails returns alone; deploy-rs takes others back with it (--rollback-succeeded)."
      "deploy-rs cannot return to a generation that it has not made itself: once it is used again, its first deployment has no way back."
    ];
    hosts = mapAttrs hostOf deploy.nodes;
  }
