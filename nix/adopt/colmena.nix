# Colmena: a `hive.nix`, or a flake's `colmenaHive` (v0.5) or `colmena`.
{ lib, report }:
{ input, source }:
let
  inherit (builtins)
    attrNames
    concatMap
    elem
    filter
    isFunction
    isList
    mapAttrs
    typeOf
    ;
  inherit (input) flake where;
  options = import ./colmena-options.nix;

  ## Reading

  schema = "v0.5";
  reserved = [
    "meta"
    "network"
    "defaults"
  ];

  raw =
    if flake == null then
      if isFunction input.value || input.value ? __functor then input.value { } else input.value
    else
      flake.outputs.colmena or (throw "${where} has neither an output colmenaHive nor colmena.");
  hive =
    if !builtins.isAttrs raw then
      throw "${where} is a value of type ${typeOf raw}; a hive is an attribute set with a module for each node."
    else if raw ? __schema then
      throw "${where} has a hive that is evaluated already: it belongs into the output colmenaHive, not colmena."
    else if raw ? meta && raw ? network then
      throw "${where} has both `meta' and `network'; `network' is the older name of `meta', so put everything into `meta'."
    else
      raw;
  givenMeta = hive.meta or hive.network or { };
  meta =
    (lib.evalModules {
      modules = [
        options.meta
        {
          _file = where;
          config = givenMeta;
        }
      ];
    }).config;
  nodeNames = filter (name: !(elem name reserved)) (attrNames hive);

  ## nixpkgs, which may be given in many shapes

  uninitialised =
    what: setting:
    throw "`${setting}' of ${where} is ${what}, which a flake's hive cannot use: give it packages, such as `import nixpkgs { system = \"x86_64-linux\"; }'.";
  packagesOf =
    setting: given:
    if builtins.isPath given || (builtins.isAttrs given && given ? outPath) then
      if flake == null then
        packagesOf setting (import given)
      else
        uninitialised (if given ? outputs then "a flake input" else "a path to nixpkgs") setting
    else if isFunction given then
      if flake == null then given { overlays = [ ]; } else uninitialised "nixpkgs' function" setting
    else if !builtins.isAttrs given then
      throw "`${setting}' of ${where} is a value of type ${typeOf given}; it must be a path to nixpkgs, its function, or packages made by that."
    else if given ? outputs then
      uninitialised "a flake input" setting
    else
      given;
  packages = packagesOf "meta.nixpkgs" (
    if givenMeta.nixpkgs or null != null then
      givenMeta.nixpkgs
    else if flake != null then
      throw "${where} has no `meta.nixpkgs', which a flake's hive needs: add `meta.nixpkgs = import nixpkgs { system = \"x86_64-linux\"; };' to its output colmena."
    else
      import ./searched-nixpkgs.nix {
        inherit where;
        setting = "meta.nixpkgs";
        value = "…";
      }
  );
  packagesFor =
    name:
    if meta.nodeNixpkgs ? ${name} then
      packagesOf "meta.nodeNixpkgs.${name}" meta.nodeNixpkgs.${name}
    else
      packages;

  ## Nodes

  # What the packages were made with goes on to the node's own.
  packagesModule =
    pkgs:
    { config, lib, ... }:
    let
      isTyped = lib.versionAtLeast lib.version "22.11pre";
      ignored = lib.subtractLists (
        [
          "doCheckByDefault"
          "warnings"
          "allowAliases"
        ]
        ++ attrNames config.nixpkgs.config
      ) (attrNames pkgs.config);
    in
    {
      nixpkgs.overlays = lib.mkBefore pkgs.overlays;
      nixpkgs.config = if isTyped then lib.mkBefore pkgs.config else lib.mkOptionDefault pkgs.config;
      warnings = lib.optional (
        !isTyped && ignored != [ ]
      ) "meta.nixpkgs has settings that this NixOS does not take over: ${toString ignored}";
    };

  evalNode =
    { isChecked }:
    name:
    let
      pkgs = packagesFor name;
      modules = if isList hive.${name} then hive.${name} else [ hive.${name} ];
    in
    import (pkgs.path + "/nixos/lib/eval-config.nix") {
      system = pkgs.stdenv.hostPlatform.system;
      specialArgs = {
        inherit name;
        nodes = uncheckedNodes;
      }
      // meta.specialArgs
      // meta.nodeSpecialArgs.${name} or { };
      modules = [
        (packagesModule pkgs)
        options.deployment
        (hive.defaults or { })
      ]
      ++ lib.optional (!isChecked) { _module.check = false; }
      ++ modules;
    };
  # What nodes see of each other.
  uncheckedNodes = lib.genAttrs nodeNames (evalNode {
    isChecked = false;
  });

  # By Colmena itself where its own code is at hand, which alone knows the units that keys bring with them.
  evaluated =
    let
      prepared = flake.outputs.colmenaHive;
      eval = import (source + "/src/nix/hive/eval.nix");
    in
    if flake != null && flake.outputs ? colmenaHive then
      if prepared.__schema or null == schema then
        prepared
      else
        throw "The output colmenaHive of ${where} has the schema ${
          lib.moduleErrors.showValue (prepared.__schema or null)
        }; Pristine knows ${schema}, which colmena.lib.makeHive makes."
    else if source == null then
      {
        nodes = lib.genAttrs nodeNames (evalNode {
          isChecked = true;
        });
        metaConfig = meta;
      }
    else if flake == null then
      eval { rawHive = input.value; }
    else
      eval { rawFlake = flake; };
  isColmenas = flake != null && flake.outputs ? colmenaHive || source != null;

  ## Hosts

  keysOf = deployment: map (key: key.name) (builtins.attrValues deployment.keys);
  # What is in them is looked at when it is uploaded.
  uploadOf = _: key: {
    inherit (key) path group;
    inherit (key) text;
    hasText = key.keyFile == null && key.keyCommand == null;
    file = if key.keyFile == null then null else toString key.keyFile;
    command = key.keyCommand;
    owner = key.user;
    mode = key.permissions;
    when = if key.uploadAt == "pre-activation" then "preActivation" else "postActivation";
  };
  systemOf =
    name: node:
    let
      keys = keysOf node.config.deployment;
    in
    if isColmenas || keys == [ ] then
      node.config.system.build.toplevel
    else
      throw "The host '${name}' of ${where} has deployment.keys (${lib.concatStringsSep ", " keys}), for which Colmena adds units to its system: name Colmena's own source by `source' beside `colmena' in `adopt', or use the flake output colmenaHive, so that the system is the same.";

  targetOf =
    deployment:
    {
      host = deployment.targetHost;
      user = deployment.targetUser;
      port = deployment.targetPort;
      inherit (deployment) sshOptions;
    }
    // lib.optionalAttrs (deployment.privilegeEscalationCommand != defaultEscalation) {
      privilegeEscalation = deployment.privilegeEscalationCommand;
    };
  # Ours asks for a password where this one would have failed.
  defaultEscalation = [
    "sudo"
    "-H"
    "--"
  ];

  notes = name: {
    targetHost = {
      default = name;
      note =
        option: value:
        if value == null then
          report.differs option value "left out, since nothing reaches it by ssh"
        else
          report.same option value "deployment.target.host";
    };
    targetPort = report.becomes null "deployment.target.port";
    targetUser = report.becomes "root" "deployment.target.user";
    sshOptions = report.becomes [ ] "deployment.target.sshOptions";
    privilegeEscalationCommand = report.becomes defaultEscalation "deployment.target.privilegeEscalation";
    tags = report.becomes [ ] "deployment.tags";
    buildOnTarget = report.becomes false "deployment.buildOnTarget";
    allowLocalDeployment = report.changes false "no host deploys to itself; `colmena apply-local' goes on doing it";
    replaceUnknownProfiles = report.changes true "a plan that was approved is refused by a host that has another system since";
  };

  machinesFile = evaluated.metaConfig.machinesFile or null;
  hostOf =
    name: node:
    let
      inherit (node.config) deployment;
      keys = keysOf deployment;
    in
    {
      platform = node.pkgs.stdenv.hostPlatform.system;
      system = systemOf name node;
      configuration = node;
      left = if deployment.targetHost == null then "deployment.targetHost is null: Colmena deploys to it from itself only" else null;
      definitions.deployment = {
        inherit (deployment) tags;
        buildOnTarget = lib.mkIf deployment.buildOnTarget true;
        builders = lib.mkIf (machinesFile != null) "@${toString machinesFile}";
        # As Colmena, unless its --no-substitute is given.
        substituteOnDestination = lib.mkDefault true;
        target = targetOf deployment;
        uploads = mapAttrs uploadOf deployment.keys;
      };
      options =
        map (note: note // { option = "deployment.${note.option}"; }) (report.ofOptions (notes name) deployment)
        ++ lib.optional (keys != [ ]) (
          report.same "deployment.keys" keys "deployment.uploads"
        );
    };

  strangers =
    setting:
    map (
      name:
      report.differs "meta.${setting}.${name}" null "there is no node of that name, so it means nothing to Colmena either"
    ) (filter (name: !(elem name nodeNames)) (attrNames meta.${setting}));
in
{
  tool = "Colmena";
  inherit where;
  options =
    concatMap strangers (lib.optionals (!isColmenas) [
      "nodeNixpkgs"
      "nodeSpecialArgs"
    ])
    ++ map (note: note // { option = "meta.${note.option}"; }) (
      report.ofOptions {
        machinesFile = report.becomes null "deployment.builders";
        allowApplyAll = report.changes true "a deployment shows its plan and asks, whichever hosts it is for";
      } evaluated.metaConfig
    );
  behaviour = [
    "Colmena switches and leaves what fails as it is; here a host that fails, or is not confirmed, returns to the system before."
    "Colmena moves the profile before it switches; here it moves with the confirmation."
  ];
  hosts = mapAttrs hostOf evaluated.nodes;
}
