# Adoption: the files of other tools become hosts here, with the systems that those tools would build.
#
# Each tool has a function of what was found that answers with its hosts, as data and as definitions of our options.
{ lib }:
let
  inherit (builtins)
    attrNames
    concatMap
    elem
    filter
    head
    isAttrs
    isPath
    isString
    length
    mapAttrs
    pathExists
    typeOf
    ;
  inherit (lib.moduleErrors) placeIn suggest;
  architectures = import ../debian/architectures.nix;
  report = import ./report.nix { inherit lib; };

  # What an entry of `adopt` can name, and who reads it.
  tools = {
    colmena = import ./colmena.nix { inherit lib report; };
    deployRs = import ./deploy-rs.nix { inherit lib report; };
    morph = import ./morph.nix { inherit lib report; };
    nixosConfigurations = import ./nixos-configurations.nix { inherit lib report; };
  };
  kinds = [ "flake" ] ++ attrNames tools;

  ## What an entry names: a file, a flake, or a value

  isFlake = value: isAttrs value && (value._type or null == "flake" || value ? outputs && value ? sourceInfo);

  found =
    where: kind: entry:
    let
      given = entry.${kind};
      place = placeIn where kind entry;
      fromFlake = flake: where: {
        inherit flake where;
        value = null;
        directory = null;
      };
    in
    if isFlake given then
      fromFlake given "the flake ${given.outPath or given.sourceInfo.outPath}"
    else if isPath given || isString given || lib.isStringLike given then
      if !pathExists given then
        throw "${place} adopts ${toString given}, which does not exist."
      else if baseNameOf (toString given) == "flake.nix" then
        fromFlake (builtins.getFlake (toString (dirOf given))) (toString given)
      else if pathExists (toString given + "/flake.nix") then
        fromFlake (builtins.getFlake (toString given)) "${toString given}/flake.nix"
      else
        {
          flake = null;
          where = toString given;
          value = import given;
          directory = dirOf given;
        }
    else
      {
        flake = null;
        where = place;
        value = given;
        directory = null;
      };

  ## Entries

  kindOf =
    where: entry:
    let
      named = filter (kind: entry ? ${kind}) kinds;
      unknown = filter (
        key:
        !(elem key (
          kinds
          ++ [
            "hosts"
            "source"
          ]
        ))
      ) (attrNames entry);
    in
    if !isAttrs entry then
      throw "`adopt' of ${where} has a value of type ${typeOf entry}; each is an attribute set such as { colmena = ./hive.nix; }."
    else if unknown != [ ] then
      throw "${placeIn where (head unknown) entry}: an entry of `adopt' has an attribute '${head unknown}' that means nothing.${suggest (head unknown) kinds} It names one of ${lib.concatStringsSep ", " kinds}, and may have `hosts' and `source'."
    else if length named != 1 then
      throw "An entry of `adopt' of ${where} names ${
        if named == [ ] then "nothing to adopt" else lib.concatStringsSep " and " named
      }; each names one of ${lib.concatStringsSep ", " kinds}."
    else
      head named;

  # What a flake has that describes whole fleets; plain configurations only where nothing else says more.
  kindsOfFlake =
    flake: where:
    let
      has = name: flake.outputs ? ${name};
      fleets = lib.optional (has "colmenaHive" || has "colmena") "colmena" ++ lib.optional (has "deploy") "deployRs";
    in
    if fleets != [ ] then
      fleets
    else if has "nixosConfigurations" then
      [ "nixosConfigurations" ]
    else
      throw "${where} has none of the outputs that can be adopted: colmenaHive, colmena, deploy, nixosConfigurations.";

  # The fleets that an entry names: `{ tool, where, about, hosts }`.
  fleetsOf =
    where: entry:
    let
      kind = kindOf where entry;
      input = found where kind entry;
      source = entry.source or null;
      read = kind: tools.${kind} { inherit input source; };
      fleets =
        if kind != "flake" then
          [ (read kind) ]
        else if input.flake == null then
          throw "${placeIn where kind entry}: `flake' names ${input.where}, which is no flake."
        else
          map read (kindsOfFlake input.flake input.where);
      additions = entry.hosts or { };
      known = concatMap (fleet: attrNames fleet.hosts) fleets;
      unknown = filter (name: !(elem name known)) (attrNames additions);
    in
    if unknown != [ ] then
      throw "${placeIn where (head unknown) additions}: `hosts' adds to '${head unknown}', which is no host of ${input.where}.${suggest (head unknown) known}"
    else
      map (fleet: fleet // { additions = lib.intersectAttrs fleet.hosts additions; }) fleets;

  ## Hosts

  architectureOf =
    fleet: name: platform:
    let
      known = filter (architecture: architectures.${architecture}.system == platform) (attrNames architectures);
    in
    if known == [ ] then
      throw "The host '${name}' of ${fleet.where} is for '${platform}'; there is no host kit for that platform."
    else
      head known;

  modulesOf =
    fleet: name: host:
    [
      {
        _file = fleet.where;
        config = lib.recursiveUpdate host.definitions {
          deployment.system = lib.mkDefault host.system;
          # A node of deploy-rs has only the system.
          deployment.nixosConfiguration = lib.mkIf (host ? configuration) (lib.mkDefault host.configuration);
          system.architecture = architectureOf fleet name host.platform;
          # Nothing of Debian's is part of it, and no lock has to know any.
          environment.systemPackages = lib.mkForce [ ];
          warnings = map (note: "${note.option} of ${fleet.tool} is not served: ${note.here}") (
            filter (note: note.serves == "no") host.options
          );
        };
      }
    ]
    ++ lib.optional (fleet.additions ? ${name}) (
      lib.setDefaultModuleLocation "${fleet.where} (additions to ${name})" fleet.additions.${name}
    );

  recordOf = fleet: name: host: {
    inherit name;
    inherit (fleet) tool;
    file = fleet.where;
    inherit (host) options;
    # Why it is no host of the fleet; null when it is one.
    left = host.left or null;
  };

  /*
    Everything that the entries of a fleet file's `adopt` name. `own` are the hosts that the file declares itself.

    `modules` has the modules of each host, `report` says what was found, and `leftOut` why hosts are none of the fleet's.
  */
  adopt =
    {
      where,
      entries,
      own ? { },
    }:
    let
      fleets =
        if builtins.isList entries then
          concatMap (fleetsOf where) entries
        else
          throw "`adopt' of ${where} is a value of type ${typeOf entries}; it must be a list such as [ { colmena = ./hive.nix; } ].";
      declared = concatMap (
        fleet:
        map (name: {
          inherit name;
          place = fleet.where;
        }) (attrNames fleet.hosts)
      ) fleets
      ++ map (name: {
        inherit name;
        place = placeIn where name own;
      }) (attrNames own);
      twice = filter (same: length same > 1) (builtins.attrValues (lib.groupBy (host: host.name) declared));
      clash = head twice;
      checked =
        value:
        if twice == [ ] then
          value
        else
          throw "The host '${(head clash).name}' is declared twice: by ${
            lib.concatMapStringsSep " and by " (host: host.place) clash
          }. What Pristine adds to an adopted host is said by `hosts' in its entry of `adopt'.";
      # Null where it is not left out; what is wrong with a host is said where that host is looked at.
      whyLeft =
        host:
        let
          left = builtins.tryEval (host.left or null);
        in
        if left.success then left.value else null;
      served = fleet: lib.filterAttrs (_: host: whyLeft host == null) fleet.hosts;
    in
    {
      modules = checked (
        lib.foldl' (modules: fleet: modules // mapAttrs (modulesOf fleet) (served fleet)) { } fleets
      );
      leftOut = lib.foldl' (
        left: fleet: left // lib.filterAttrs (_: why: why != null) (mapAttrs (_: whyLeft) fleet.hosts)
      ) { } fleets;
      report = checked {
        fleets = map (fleet: {
          inherit (fleet) tool options behaviour;
          file = fleet.where;
        }) fleets;
        hosts = concatMap (fleet: lib.mapAttrsToList (recordOf fleet) fleet.hosts) fleets;
      };
    };
in
adopt
