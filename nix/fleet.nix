# Fleets: a file that declares hosts becomes their configurations, systems and the inventory for the deployer.
{ lib }:
let
  inherit (builtins)
    attrNames
    attrValues
    concatMap
    elem
    filter
    head
    isAttrs
    isFunction
    length
    map
    mapAttrs
    match
    pathExists
    typeOf
    unsafeDiscardStringContext
    ;
  inherit (lib) concatMapStringsSep groupBy optionalAttrs optionalString;
  inherit (lib.moduleErrors) suggest;

  makePackages = import ./debian;
  moduleList = import ./modules/module-list.nix;
  foreignList = import ./modules/foreign-list.nix;
  adopt = import ./adopt { inherit lib; };
  architectures = import ./debian/architectures.nix;

  # What a NixOS system is made of is not ours to change: what has to be in it, its own configuration declares.
  requireNothingInside =
    name: config: system:
    let
      inherit (config) deployment;
      inside =
        what: option:
        throw "The host '${name}' has deployment.${what}, and it has a NixOS system (deployment.system), of which that has to be a part. Declare it in its NixOS configuration, as pristine.${option}, by the module that `pristine nixos-module' writes.";
      brought = map (one: one.name) (config.system.meta.healthChecks ++ config.system.meta.hooks or [ ]);
    in
    if deployment.sshMeshProblems != [ ] then
      throw "The NixOS system of host '${name}' cannot be deployed.${
        lib.concatMapStrings (problem: "\n- ${problem}") deployment.sshMeshProblems
      }"
    else if deployment.secrets != { } || deployment.secretTemplates != { } then
      inside "secrets" "secrets"
    else if deployment.restrictedUser.name != null then
      inside "restrictedUser" "restrictedUser"
    else if deployment.target.privilegeEscalation == "restricted" && brought != [ ] then
      throw "The host '${name}' is deployed to by a restricted user, who may run nothing on it that is not part of its system, as are ${lib.concatStringsSep ", " brought} on a host of NixOS. Let the deployer run these: runFrom = \"deployer\" in deployment.healthChecks, on = \"deployer\" in deployment.hooks."
    else
      system;

  # One host out of its modules. `hosts` are all of the fleet, so that they see each other.
  evalHost =
    {
      name,
      modules,
      packagesFor,
      meta,
      hosts ? { },
      fleetDirectory ? null,
    }:
    let
      whole = builtins.addErrorContext "while evaluating the host '${name}':" (evalModules moduleList);
      # Asked of all modules, as what a foreign host declares has a meaning for any.
      evaluated =
        if whole.config.deployment.base == "foreign" then
          builtins.addErrorContext "while evaluating the host '${name}', of the base \"foreign\", which has few of the options (docs/manual/foreign-hosts.md):" (evalModules foreignList)
        else
          whole;
      evalModules =
        list:
        lib.evalModules {
          class = "pristine";
          specialArgs = {
            inherit name hosts fleetDirectory;
            fleet = meta;
            utils = import ./modules/systemd/escape.nix { inherit lib; };
            modulesPath = toString ./modules;
          };
          modules =
            list
            ++ [
              {
                _file = toString ./fleet.nix;
                options.system.architecture = lib.mkOption {
                  type = lib.types.enum (attrNames architectures);
                  default = meta.architecture or "amd64";
                  description = "The host's architecture, as Debian names it.";
                };
                config._module.args.pkgs = packagesFor evaluated.config.system.architecture;
              }
            ]
            ++ modules;
        };
    in
    {
      inherit name;
      inherit (evaluated) config options;
      system = builtins.addErrorContext "while evaluating the host '${name}':" (
        if evaluated.config.deployment.isNixos then
          requireNothingInside name evaluated.config evaluated.config.deployment.system
        else
          evaluated.config.system.build.toplevel
      );
    };

  ## Reading a fleet file

  describe = fleet: if lib.isStringLike fleet then "the fleet file ${toString fleet}" else "the fleet";

  checkKeys =
    what: allowed: set:
    let
      unknown = filter (key: !(builtins.elem key allowed)) (attrNames set);
    in
    if unknown == [ ] then
      set
    else
      throw "${what} has an attribute '${head unknown}' that means nothing.${suggest (head unknown) allowed} It may have: ${lib.concatStringsSep ", " allowed}.";

  readFleet =
    fleet:
    let
      where = describe fleet;
      value = if isAttrs fleet && !lib.isStringLike fleet then fleet else adoptedFile fleet (import fleet);
      result = if isFunction value then value { inherit lib; } else value;
      checked = checkKeys where [
        "meta"
        "defaults"
        "tags"
        "adopt"
        "hosts"
      ] result;
      meta = checked.meta or { };
      tags = checked.tags or { };
      own =
        checked.hosts
          or (if checked ? adopt then { } else throw "${where} declares no hosts: add `hosts.NAME = { … };'");
      adopted = adopt {
        inherit where own;
        entries = checked.adopt or [ ];
      };
      hosts = own // adopted.modules;
      badNames = filter (name: match "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?" name == null) (attrNames hosts);
    in
    if !isAttrs result then
      throw "${where} is a value of type ${typeOf result}; a fleet is an attribute set with `meta', `defaults', `tags' and `hosts'."
    else if !isAttrs meta then
      throw "`meta' of ${where} is a value of type ${typeOf meta}; it must be an attribute set such as { name = \"shop\"; }."
    else if !isAttrs own then
      throw "`hosts' of ${where} is a value of type ${typeOf own}; it must be an attribute set with a module for each host."
    else if !isAttrs tags then
      throw "`tags' of ${where} is a value of type ${typeOf tags}; it must be an attribute set with a module for each tag."
    else if badNames != [ ] then
      throw "${where} declares a host '${head badNames}', which cannot be a host's name: only lower-case letters, digits and dashes, beginning and ending with a letter or digit, at most 63."
    else
      {
        meta = checkMeta where meta;
        defaults = checked.defaults or { };
        inherit tags own adopted;
      };

  # Files of other tools that stand for a whole fleet.
  adoptedFile =
    file: value:
    let
      fleets = {
        "hive.nix" = {
          meta.name = "hive";
          adopt = [ { colmena = file; } ];
        };
        "flake.nix" = {
          meta.name = "flake";
          adopt = [ { flake = file; } ];
        };
      };
    in
    fleets.${baseNameOf (toString file)} or value;

  checkMeta =
    where: given:
    let
      meta = checkKeys "`meta' of ${where}" [
        "name"
        "base"
        "description"
        "architecture"
        "buildOn"
        "builders"
        "rollout"
        "hooks"
        "secrets"
      ] given;
      rollout = checkRollout "`meta.rollout' of ${where}" (meta.rollout or { });
      secrets = checkSecrets "`meta.secrets' of ${where}" (meta.secrets or { });
      buildOn = checkBuildOn "`meta.buildOn' of ${where}" (meta.buildOn or { });
      name = meta.name or (throw "${where} has no name: add `meta.name = \"…\";'");
    in
    if !builtins.isString name || match "[a-z0-9][a-z0-9-]{0,31}" name == null then
      throw "`meta.name' of ${where} must be a short word of lower-case letters, digits and dashes."
    else if meta.base or "debian" != "debian" then
      throw "`meta.base' of ${where} is ${lib.moduleErrors.showValue meta.base}; the only base there is so far is \"debian\"."
    else if !builtins.isString (meta.builders or "") then
      throw "`meta.builders' of ${where} is a value of type ${typeOf meta.builders}; it must be a string such as \"ssh://nix@big x86_64-linux\", or \"@/etc/nix/machines\"."
    else if !builtins.elem (meta.architecture or "amd64") (attrNames architectures) then
      throw "`meta.architecture' of ${where} is ${lib.moduleErrors.showValue meta.architecture}; known are ${lib.concatStringsSep ", " (attrNames architectures)}."
    else
      builtins.deepSeq [ rollout secrets buildOn ] (
        meta
        // {
          base = "debian";
          inherit rollout secrets buildOn;
        }
      );

  # Which host builds for those of a platform; whether there is such a host is for the hosts that it builds.
  checkBuildOn =
    where: given:
    if !isAttrs given then
      throw "${where} is a value of type ${typeOf given}; it must be an attribute set such as { x86_64-linux = \"builder1\"; }."
    else
      mapAttrs (
        platform: host:
        if builtins.isString host then
          host
        else
          throw "`${platform}' in ${where} is ${lib.moduleErrors.showValue host}; it must be the name of a host."
      ) (checkKeys where (map (architecture: architecture.system) (attrValues architectures)) given);

  # For whom the files in the repository are encrypted.
  checkSecrets =
    where: given:
    let
      recipients = given.recipients or [ ];
    in
    if !isAttrs given then
      throw "${where} is a value of type ${typeOf given}; it must be an attribute set such as { recipients = [ \"age1…\" ]; }."
    else if !(builtins.isList recipients && lib.all builtins.isString recipients) then
      throw "`recipients' in ${where} must be a list of keys: age1…, ssh-ed25519 … or ssh-rsa …"
    else
      { inherit recipients; } // checkKeys where [ "recipients" ] given;

  # Hooks of the fleet as a whole, as data; only the deployer has any.
  fleetHooks =
    where: given:
    let
      kind = import ./modules/hooks/kind.nix { inherit lib; };
      evaluated = lib.evalModules {
        modules = [
          {
            options.hooks = lib.mkOption {
              type = lib.types.attrsOf (
                lib.types.submodule {
                  options = kind.optionsFor {
                    moments = kind.fleetMomentNames;
                    sides = [ "deployer" ];
                  };
                }
              );
            };
          }
          {
            _file = where;
            hooks = given;
          }
        ];
      };
      place = import ./modules/definition-place.nix { inherit lib; } evaluated.options.hooks;
      checked =
        name: hook:
        let
          problems = kind.problemsOf (hook // { inherit name; });
        in
        if problems == [ ] then
          kind.dataOf name (hook // { place = place name; })
        else
          throw "meta.hooks.${lib.escapeNixIdentifier name} ${head problems}. It is defined in ${place name}.";
    in
    lib.mapAttrsToList checked evaluated.config.hooks;

  # How deployments go through the fleet; what is absent has the deployer's default.
  checkRollout =
    where: given:
    let
      isCount = value: builtins.isInt value && value >= 0;
      isPatterns = value: builtins.isString value || builtins.isList value && lib.all builtins.isString value;
      kinds = {
        waves = {
          isRight = value: builtins.isList value && lib.all isPatterns value;
          wanted = "a list of patterns, or of lists of patterns, such as [ \"@canary\" [ \"web*\" \"@db\" ] ]";
        };
        canaries = {
          isRight = isCount;
          wanted = "the number of hosts that go ahead";
        };
        pause = {
          isRight = isCount;
          wanted = "a number of seconds";
        };
        maxFailures = {
          isRight = isCount;
          wanted = "the number of hosts that may fail";
        };
        parallel = {
          isRight = value: builtins.isInt value && value >= 1;
          wanted = "the number of hosts at a time";
        };
        pendingFor = {
          isRight = isCount;
          wanted = "a number of seconds";
        };
        onFailure = {
          isRight = value: builtins.elem value failurePolicies;
          wanted = "one of ${concatMapStringsSep ", " lib.moduleErrors.showValue failurePolicies}";
        };
      };
      failurePolicies = [
        "continue"
        "halt"
        "rollBackWave"
      ];
    in
    if !isAttrs given then
      throw "${where} is a value of type ${typeOf given}; it must be an attribute set such as { waves = [ \"@canary\" ]; }."
    else
      mapAttrs (
        name: value:
        if kinds.${name}.isRight value then
          value
        else
          throw "`${name}' in ${where} is ${lib.moduleErrors.showValue value}; it must be ${kinds.${name}.wanted}."
      ) (checkKeys where (attrNames kinds) given);

  ## Whole fleets

  evalWith =
    {
      fleet,
      packagesFor,
    }:
    let
      read = readFleet fleet;
      inherit (read) meta;

      hosts = mapAttrs (
        name: modules:
        let
          evalWithTags =
            tags:
            evalHost {
              inherit
                name
                hosts
                meta
                packagesFor
                fleetDirectory
                ;
              modules = [
                (lib.setDefaultModuleLocation "${toString fleetFile} (defaults)" read.defaults)
              ]
              ++ map (tag: lib.setDefaultModuleLocation "${toString fleetFile} (tag ${tag})" read.tags.${tag}) tags
              ++ modules;
            };
          untagged = evalWithTags [ ];
          # Tags decide about modules, so they are asked of the host without those.
          inherit (untagged.config.deployment) tags;
          tagged = evalWithTags (filter (tag: read.tags ? ${tag}) tags);
        in
        if read.tags == { } then
          untagged
        else if tagged.config.deployment.tags == tags then
          tagged
        else
          throw "The host '${name}' would have the tags ${lib.concatStringsSep ", " tagged.config.deployment.tags} by the modules of its tags ${lib.concatStringsSep ", " tags}: a module below `tags' cannot change deployment.tags."
      ) (mapAttrs ownModules read.own // read.adopted.modules);
      ownModules = name: module: [
        (lib.setDefaultModuleLocation "${toString fleetFile} (host ${name})" module)
      ];

      isValue = isAttrs fleet && !lib.isStringLike fleet;
      fleetFile = if isValue then "<fleet>" else fleet;
      # Where `pristine secrets rekey` and `pristine mesh collect` write.
      fleetDirectory = if isValue then null else dirOf fleet;

      # What is wrong with a host's inventory says whose it is, wherever it is looked at.
      inventoryOf = mapAttrs (
        name: host:
        mapAttrs (_: value: builtins.addErrorContext "while evaluating the host '${name}':" (builtins.deepSeq value value)) (
          inventoryEntry host
        )
      ) hosts;
    in
    {
      # Of `inventoryOf' each host is looked at by itself: what is wrong between hosts is not looked for.
      inherit meta hosts inventoryOf;
      adopted = read.adopted.report;
      inventory = {
        inherit (meta) name rollout secrets;
        inherit (read.adopted) leftOut;
        hooks = fleetHooks "`meta' of ${describe fleet}" (meta.hooks or { });
        hosts = builtins.seq (checkAddresses hosts) (builtins.seq (checkTags fleet read.tags hosts) inventoryOf);
      };
      # The hosts but those that cannot be evaluated; which tags these have, nobody knows.
      hostsWithout =
        names: builtins.seq (checkAddresses (removeAttrs hosts names)) (removeAttrs inventoryOf names);
    };

  inventoryEntry =
    host:
    let
      inherit (host) config;
      inherit (config) deployment;
      networking = config.networking or { };
      meta = config.system.meta;
    in
    {
      drvPath = unsafeDiscardStringContext host.system.drvPath;
      # Not `outPath`: toJSON renders a set with that as the path alone.
      outputPath = unsafeDiscardStringContext host.system.outPath;
      inherit (meta) system;
      base = if deployment.isNixos then "nixos" else deployment.base;
      deployment = {
        inherit (deployment)
          tags
          wave
          confirmTimeout
          keepGenerations
          preflight
          signingKeyFile
          buildMemoryMiB
          buildOn
          builders
          substituteOnDestination
          deployerChecks
          checkPlaces
          ;
        inherit (meta) healthChecks;
        # A host that is named to build for its platform builds its own as well.
        buildOnTarget = deployment.buildOnTarget || deployment.buildOn == host.name;
        hooks = deployment.hookData;
        checksBefore = deployment.checksBeforeData or [ ];
        uploads = deployment.uploadData or [ ];
        target = {
          inherit (deployment.target)
            host
            user
            port
            privilegeEscalation
            sshOptions
            ;
          hosts = addressesOf deployment.target;
        };
      };
      secrets = deployment.secretData or { hostKey = null; hostKeyPath = null; secrets = [ ]; templates = [ ]; };
      sshMesh = deployment.sshMeshData.users or [ ];
      sshMeshHost = deployment.sshMeshData.host or null;
      networking = {
        hostName = networking.hostName or host.name;
        primaryAddress = networking.primaryAddress or null;
        interface = networking.primaryInterface or null;
      };
      meta = meta // {
        packages = map (package: removeAttrs package [ "path" ]) meta.packages;
      };
      profiles = deployment.profileData;
      inherit (config) warnings;
    };

  # A module for a tag that no host has would be for nobody.
  checkTags =
    fleet: tags: hosts:
    let
      known = lib.unique (concatMap (host: host.config.deployment.tags) (attrValues hosts));
      unknown = filter (tag: !(builtins.elem tag known)) (attrNames tags);
      tag = head unknown;
    in
    if unknown == [ ] then
      null
    else
      throw "`tags.${tag}' is for a tag that no host has.${suggest tag known} It is defined in ${lib.moduleErrors.placeIn (describe fleet) tag tags}. ${
        if known == [ ] then "No host has a tag (deployment.tags)." else "Hosts have the tags ${lib.concatStringsSep ", " known}."
      }";

  # All that a host is reached by, in the order in which it is tried.
  addressesOf = target: lib.unique ([ target.host ] ++ target.hosts);

  checkAddresses =
    hosts:
    let
      checkUnique =
        where: addressesOfHost:
        let
          addressed = concatMap (
            host:
            map (address: {
              inherit address;
              inherit (host) name;
            }) (builtins.addErrorContext "while evaluating the host '${host.name}':" (addressesOfHost host))
          ) (attrValues hosts);
          shared = filter (same: length same > 1) (attrValues (groupBy (entry: entry.address) addressed));
        in
        if shared == [ ] then
          null
        else
          throw "The hosts ${
            concatMapStringsSep " and " (entry: "'${entry.name}'") (head shared)
          } have the same address ${(head (head shared)).address} (${where}).";
      # On different ports of one address there are different machines.
      targetsOf =
        host:
        let
          inherit (host.config.deployment) target;
        in
        map (address: "${address}${optionalString (!elem target.port [ null 22 ]) " on port ${toString target.port}"}") (
          addressesOf target
        );
      primaryOf =
        host:
        let
          address = host.config.networking.primaryAddress or null;
        in
        if address == null then [ ] else [ address ];
    in
    builtins.seq (checkUnique "networking.interfaces.<name>.ipv4.addresses" primaryOf) (
      checkUnique "deployment.target or networking.interfaces" (host: lib.unique (targetsOf host ++ primaryOf host))
    );

  ## Locks

  lockOf =
    fleet:
    if isAttrs fleet && !lib.isStringLike fleet then
      throw "A fleet that is given as a value has no lock file beside it; write it to a file, and give evalFleet its path."
    else
      dirOf fleet + "/pristine.lock";

  packagesFromLock =
    lock:
    let
      content =
        if pathExists lock then
          builtins.fromJSON (builtins.readFile lock)
        else
          throw "There is no lock file ${toString lock}; run `pristine lock', which chooses the versions of all packages the fleet names.";
      checked =
        if content.version or null == 1 then
          content
        else
          throw "The lock file ${toString lock} has version ${toString (content.version or "none")}, which this Pristine does not know; run `pristine lock'.";
      sets = mapAttrs (
        architecture: _:
        makePackages {
          lock = checked;
          lockDir = dirOf lock;
          inherit architecture;
        }
      ) architectures;
    in
    architecture: sets.${architecture};

  packagesFromIndex =
    index:
    let
      table = if isAttrs index then index else builtins.fromJSON (builtins.readFile index);
      sets = mapAttrs (
        architecture: _:
        makePackages {
          stub = table.${architecture} or (throw "The package index has no packages for the architecture '${architecture}'.");
          inherit architecture;
        }
      ) architectures;
    in
    architecture: sets.${architecture};
in
rec {
  inherit evalHost packagesFromLock;
  evalFleetWith = evalWith;

  evalFleet =
    fleet:
    evalWith {
      inherit fleet;
      packagesFor = packagesFromLock (lockOf fleet);
    };

  # The generic host that others are deployed over.
  bootstrapWith =
    {
      packagesFor,
      architecture ? "amd64",
    }:
    evalHost {
      name = "bootstrap";
      meta = {
        name = "bootstrap";
        base = "debian";
        inherit architecture;
      };
      modules = [ ./bootstrap.nix ];
      inherit packagesFor;
    };

  bootstrap =
    {
      lock,
      architecture ? "amd64",
    }:
    bootstrapWith {
      packagesFor = packagesFromLock lock;
      inherit architecture;
    };

  # Which packages a lock must have, by architecture, when only the names and versions of all that exist are known.
  lockNames =
    { fleet, index }:
    let
      packagesFor = packagesFromIndex index;
      evaluated = evalWith { inherit fleet packagesFor; };
      used = groupBy (host: host.config.system.architecture) (attrValues evaluated.hosts);
    in
    mapAttrs (
      architecture: hosts:
      lib.uniqueStrings (
        (packagesFor architecture).pristine.toolNames
        ++ concatMap (host: host.config.system.packageNames) (
          hosts ++ [ (bootstrapWith { inherit packagesFor architecture; }) ]
        )
      )
    ) used;

  # The program that hosts run, for one platform.
  kit =
    {
      lock,
      kitJs,
      system ? "x86_64-linux",
    }:
    let
      architecture = head (
        filter (name: architectures.${name}.system == system) (attrNames architectures)
        ++ [ (throw "There is no host kit for the platform '${system}'.") ]
      );
    in
    (packagesFromLock lock architecture).pristine.makeKit { inherit kitJs; };
}
