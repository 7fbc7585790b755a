# systemd's units: what is declared becomes unit files, drop-ins, links and masks below /etc/systemd/system.
{
  config,
  lib,
  pkgs,
  utils,
  ...
}:
let
  inherit (lib)
    concatLists
    concatMap
    concatMapAttrs
    filterAttrs
    hasInfix
    listToAttrs
    mapAttrs
    mapAttrs'
    mapAttrsToList
    mkIf
    mkMerge
    mkOption
    nameValuePair
    optional
    optionalAttrs
    types
    ;
  cfg = config.systemd;

  unitOptions = import ./systemd/unit-options.nix { inherit lib; };
  unitText = import ./systemd/unit-text.nix { inherit lib pkgs; };
  shippedTargets = import ./systemd/shipped-targets.nix;

  unitsOf =
    options: description:
    mkOption {
      type = types.attrsOf (types.submodule { inherit options; });
      default = { };
      inherit description;
    };
  listOfUnits =
    options: description:
    mkOption {
      type = types.listOf (types.submodule { inherit options; });
      default = [ ];
      inherit description;
    };

  # A unit's file, given whether it stands alone.
  toUnit = isComplete: text: unit: {
    inherit (unit)
      enable
      aliases
      wantedBy
      requiredBy
      upheldBy
      ;
    overrideStrategy =
      if unit.overrideStrategy != "asDropinIfExists" then
        unit.overrideStrategy
      else if isComplete then
        "asUnit"
      else
        "asDropin";
    inherit text;
  };

  hasAny = keys: values: builtins.any (key: values ? ${key}) keys;

  serviceText = unitText.service { inherit (cfg) globalEnvironment; };
  # A service is another one when the programs it calls are, or what they are made of.
  withPathTriggers =
    service:
    let
      packages = builtins.filter lib.isDerivation service.path;
    in
    if packages == [ ] then
      service
    else
      service // { restartTriggers = service.restartTriggers ++ pkgs.pristine.closureOf packages; };

  generated =
    mapAttrs' (
      name: unit:
      nameValuePair "${name}.service" (toUnit (unitText.isComplete unit && !isInstance "${name}.service") (serviceText name (withPathTriggers unit)) unit)
    ) cfg.services
    // mapAttrs' (
      name: unit:
      nameValuePair "${name}.socket" (
        toUnit (
          unit.listenStreams != [ ]
          || unit.listenDatagrams != [ ]
          || builtins.any (lib.hasPrefix "Listen") (builtins.attrNames unit.socketConfig)
        ) (unitText.socket unit) unit
      )
    ) cfg.sockets
    // mapAttrs' (
      name: unit:
      nameValuePair "${name}.timer" (
        toUnit (builtins.any (lib.hasPrefix "On") (builtins.attrNames unit.timerConfig)) (unitText.timer unit) unit
      )
    ) cfg.timers
    // mapAttrs' (
      name: unit:
      nameValuePair "${name}.path" (
        toUnit (builtins.any (key: lib.hasPrefix "Path" key || key == "DirectoryNotEmpty") (
          builtins.attrNames unit.pathConfig
        )) (unitText.pathUnit unit) unit
      )
    ) cfg.paths
    // mapAttrs' (
      name: unit: nameValuePair "${name}.slice" (toUnit true (unitText.slice unit) unit)
    ) cfg.slices
    // mapAttrs' (
      name: unit:
      nameValuePair "${name}.target" (toUnit (!builtins.elem name shippedTargets) (unitText.target unit) unit)
    ) cfg.targets
    // listToAttrs (
      map (
        unit: nameValuePair "${utils.escapeSystemdPath unit.where}.mount" (toUnit true (unitText.mount unit) unit)
      ) cfg.mounts
    )
    // listToAttrs (
      map (
        unit: nameValuePair "${utils.escapeSystemdPath unit.where}.automount" (toUnit true (unitText.automount unit) unit)
      ) cfg.automounts
    );

  # An instance (`getty@tty1.service`) has its template's file; what is said about it alone adds to that.
  isInstance = name: builtins.match "[^@]+@[^.].*" name != null;
  isDropIn = unit: unit.overrideStrategy == "asDropin";
  isEmpty = unit: unit.text == null || unit.text == "";

  # Where a link to the unit leads.
  fileOf =
    name: unit:
    if unit.enable && !isDropIn unit && !isEmpty unit then
      "../${name}"
    else
      "/usr/lib/systemd/system/${templateOf name}";
  templateOf =
    name:
    let
      parts = builtins.match "([^@]+@)[^.].*([.][a-z]+)" name;
    in
    if parts == null then name else "${builtins.elemAt parts 0}${builtins.elemAt parts 1}";

  entriesOf =
    name: unit:
    let
      linkIn = suffix: target: nameValuePair "systemd/system/${target}.${suffix}/${name}" { link = fileOf name unit; };
    in
    if !unit.enable then
      [ (nameValuePair "systemd/system/${name}" { link = "/dev/null"; }) ]
    else
      [
        (nameValuePair "systemd/system/${if isDropIn unit then "${name}.d/overrides.conf" else name}" {
          # Which files there are must not depend on texts: a unit may name what another file of /etc says.
          enable = !isEmpty unit;
          inherit (unit) text;
        })
      ]
      ++ map (linkIn "wants") unit.wantedBy
      ++ map (linkIn "requires") unit.requiredBy
      ++ map (linkIn "upholds") unit.upheldBy
      ++ map (
        alias: nameValuePair "systemd/system/${alias}" { link = lib.removePrefix "../" (fileOf name unit); }
      ) unit.aliases;

  startedAt = filterAttrs (_: unit: unit.startAt != [ ]) cfg.services;

  # Programs named by store path in units bring their package along through the text's context; `path` says it openly.
  servicePackages = concatMap (service: builtins.filter lib.isDerivation service.path) (
    builtins.attrValues (filterAttrs (_: service: service.enable) cfg.services)
  );
in
{
  imports = [
    ./systemd-tmpfiles.nix
    ./systemd-network.nix
  ];

  options.systemd = {
    services = unitsOf unitOptions.service "Services.";
    sockets = unitsOf unitOptions.socket "Sockets that systemd listens on, to start a service when somebody connects.";
    timers = unitsOf unitOptions.timer "Timers.";
    paths = unitsOf unitOptions.pathUnit "Paths that systemd watches, to start a service when something happens there.";
    targets = unitsOf unitOptions.target "Targets: named states of the host.";
    slices = unitsOf unitOptions.slice "Slices: groups of processes that share limits.";
    mounts = listOfUnits unitOptions.mount "Mounts. A list, because a mount unit is named after its directory.";
    automounts = listOfUnits unitOptions.automount "Mounts made when they are first used.";

    units = mkOption {
      type = types.attrsOf (types.submodule { options = unitOptions.unit; });
      default = { };
      description = "Units by their full name, as text. All other kinds of declaration end up here.";
    };
    packages = mkOption {
      type = types.listOf types.package;
      default = [ ];
      description = "Packages that ship units. On this base every package's units can be used; this puts the packages on the host.";
    };
    maskedUnits = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "systemd-hwdb-update.service" ];
      description = "Units that packages ship and that must not run.";
    };
    globalEnvironment = mkOption {
      type = types.attrsOf (types.nullOr (types.oneOf [ types.str types.path types.package ]));
      default = { };
      example = {
        TZ = "CET";
      };
      description = "Environment variables of all services declared here.";
    };
    defaultUnit = mkOption {
      type = types.str;
      default = "multi-user.target";
      description = "What the host boots into.";
    };
    settings.Manager = mkOption {
      type = types.attrsOf unitOptions.unitValue;
      default = { };
      example = {
        DefaultTimeoutStopSec = "20s";
      };
      description = "Settings of the service manager (system.conf).";
    };
  };

  options.services.journald = {
    storage = mkOption {
      type = types.enum [
        "persistent"
        "volatile"
        "auto"
        "none"
      ];
      default = "auto";
      description = "Where the journal is kept. `auto`: on disk if /var/log/journal exists (declare it as persistent), else in memory.";
    };
    extraConfig = mkOption {
      type = types.lines;
      default = "";
      example = "RuntimeMaxUse=16M";
      description = "Further lines of journald.conf.";
    };
  };

  config = {
    systemd.units = mkMerge [
      generated
      (listToAttrs (map (name: nameValuePair name { enable = false; }) cfg.maskedUnits))
    ];

    systemd.timers = mapAttrs (_: service: {
      wantedBy = [ "timers.target" ];
      timerConfig.OnCalendar = service.startAt;
    }) startedAt;

    environment.systemPackages = servicePackages ++ cfg.packages;

    environment.etc = mkMerge [
      (listToAttrs (concatLists (mapAttrsToList entriesOf cfg.units)))
      {
        "systemd/system/default.target".link =
          if cfg.units ? ${cfg.defaultUnit} then
            lib.removePrefix "../" (fileOf cfg.defaultUnit cfg.units.${cfg.defaultUnit})
          else
            "/usr/lib/systemd/system/${cfg.defaultUnit}";
      }
      (mkIf (cfg.settings.Manager != { }) {
        "systemd/system.conf.d/pristine.conf".text = unitText.section "Manager" cfg.settings.Manager;
      })
      {
        "systemd/journald.conf.d/pristine.conf".text = ''
          [Journal]
          Storage=${config.services.journald.storage}
          ${config.services.journald.extraConfig}'';
      }
    ];

    assertions =
      mapAttrsToList (name: service: {
        assertion = !(service.reloadIfChanged && service.restartIfChanged == false);
        message = "systemd.services.${name}: reloadIfChanged and restartIfChanged = false contradict each other.";
      }) cfg.services
      ++ mapAttrsToList (name: service: {
        assertion =
          service.serviceConfig.Type or "simple" != "simple"
          || builtins.length (builtins.filter (item: item != "") (lib.toList (service.serviceConfig.ExecStart or [ ]))) < 2;
        message = "systemd.services.${name}: several ExecStart lines need serviceConfig.Type = \"oneshot\".";
      }) cfg.services;
  };
}
