# The text of unit files.
{ lib, pkgs }:
let
  inherit (lib)
    concatMapStrings
    concatStringsSep
    filterAttrs
    mapAttrsToList
    optionalAttrs
    optionalString
    toList
    ;

  render =
    value:
    if value == true then
      "true"
    else if value == false then
      "false"
    else
      toString value;

  lines =
    values:
    lib.concatStrings (
      mapAttrsToList (key: value: concatMapStrings (item: "${key}=${render item}\n") (toList value)) (
        filterAttrs (_: value: value != null) values
      )
    );

  section = name: values: optionalString (values != { }) "[${name}]\n${lines values}";

  join =
    sections: concatStringsSep "\n" (builtins.filter (text: text != "") sections);

  # Short, and without pulling what it watches into the system.
  triggers =
    values: builtins.substring 0 32 (builtins.hashString "sha256" (concatStringsSep "\n" (map renderTrigger values)));
  # Of a file its content, not where it lies.
  renderTrigger =
    value:
    if builtins.isPath value then
      "${value}"
    else if builtins.isList value then
      concatStringsSep " " (map renderTrigger value)
    else if lib.isStringLike value then
      toString value
    else
      builtins.toJSON value;

  unitSection =
    unit:
    let
      names = key: list: optionalAttrs (list != [ ]) { ${key} = toString list; };
    in
    optionalAttrs (unit.description != "") { Description = unit.description; }
    // names "Documentation" unit.documentation
    // names "Requires" unit.requires
    // names "Wants" unit.wants
    // names "Upholds" unit.upholds
    // names "After" unit.after
    // names "Before" unit.before
    // names "BindsTo" unit.bindsTo
    // names "PartOf" unit.partOf
    // names "Conflicts" unit.conflicts
    // names "Requisite" unit.requisite
    // names "OnFailure" unit.onFailure
    // names "OnSuccess" unit.onSuccess
    // optionalAttrs (unit.restartTriggers != [ ]) { X-Restart-Triggers = triggers unit.restartTriggers; }
    // optionalAttrs (unit.reloadTriggers != [ ]) { X-Reload-Triggers = triggers unit.reloadTriggers; }
    // optionalAttrs (unit.startLimitIntervalSec != null) { StartLimitIntervalSec = unit.startLimitIntervalSec; }
    // optionalAttrs (unit.startLimitBurst != null) { StartLimitBurst = unit.startLimitBurst; }
    // unit.unitConfig;

  # A script of a service as a program in the store.
  script =
    name: text:
    pkgs.pristine.writeScript "unit-script-${
      builtins.replaceStrings [ "@" "\\" ":" ] [ "_" "_" "_" ] name
    }" "#!/bin/bash\nset -e\n${text}\n";

  scriptSection =
    name: service:
    optionalAttrs (service.script != "") {
      ExecStart = "${script "${name}-start" service.script}${optionalString (service.scriptArgs != "") " ${service.scriptArgs}"}";
    }
    // optionalAttrs (service.preStart != "") { ExecStartPre = [ (script "${name}-pre-start" service.preStart) ]; }
    // optionalAttrs (service.postStart != "") { ExecStartPost = [ (script "${name}-post-start" service.postStart) ]; }
    // optionalAttrs (service.reload != "") { ExecReload = script "${name}-reload" service.reload; }
    // optionalAttrs (service.preStop != "") { ExecStop = script "${name}-pre-stop" service.preStop; }
    // optionalAttrs (service.postStop != "") { ExecStopPost = script "${name}-post-stop" service.postStop; };

  # What a service says by scripts and by serviceConfig: both, where a key may stand several times.
  withScripts =
    name: service:
    let
      scripts = scriptSection name service;
      both =
        key: value:
        if service.serviceConfig ? ${key} then
          throw "systemd.services.${name}: ${key} is given both by a script option and by serviceConfig.${key}; remove one of them."
        else
          value;
    in
    service.serviceConfig
    // builtins.mapAttrs (
      key: value:
      if builtins.elem key [ "ExecStartPre" "ExecStartPost" ] && service.serviceConfig ? ${key} then
        value ++ toList service.serviceConfig.${key}
      else
        both key value
    ) scripts;

  environmentLines =
    environment:
    concatStringsSep "" (
      mapAttrsToList (name: value: "Environment=${builtins.toJSON "${name}=${toString value}"}\n") (
        filterAttrs (_: value: value != null) environment
      )
    );

  isComplete =
    service:
    service.script != ""
    || builtins.any (key: service.serviceConfig ? ${key}) [
      "ExecStart"
      "ExecStop"
      "BusName"
    ]
    || service.serviceConfig.SuccessAction or "" != "";
in
{
  inherit isComplete;

  service =
    { globalEnvironment }:
    name: service:
    let
      values = withScripts name service;
      environment = (if isComplete service then globalEnvironment else { }) // service.environment;
      body =
        environmentLines environment
        + (
          if service.reloadIfChanged then
            "X-ReloadIfChanged=true\n"
          else if !service.restartIfChanged then
            "X-RestartIfChanged=false\n"
          else
            ""
        )
        + optionalString (!service.stopIfChanged) "X-StopIfChanged=false\n"
        + optionalString service.notSocketActivated "X-NotSocketActivated=true\n"
        + lines values;
    in
    join [
      (section "Unit" (unitSection service))
      (optionalString (body != "") "[Service]\n${body}")
    ];

  socket =
    unit:
    join [
      (section "Unit" (unitSection unit))
      (section "Socket" (
        optionalAttrs (unit.listenStreams != [ ]) { ListenStream = unit.listenStreams; }
        // optionalAttrs (unit.listenDatagrams != [ ]) { ListenDatagram = unit.listenDatagrams; }
        // unit.socketConfig
      ))
    ];

  timer =
    unit:
    join [
      (section "Unit" (unitSection unit))
      (section "Timer" unit.timerConfig)
    ];

  pathUnit =
    unit:
    join [
      (section "Unit" (unitSection unit))
      (section "Path" unit.pathConfig)
    ];

  mount =
    unit:
    join [
      (section "Unit" (unitSection unit))
      (section "Mount" (
        {
          What = unit.what;
          Where = unit.where;
        }
        // optionalAttrs (unit.type != "") { Type = unit.type; }
        // optionalAttrs (unit.options != "") { Options = unit.options; }
        // unit.mountConfig
      ))
    ];

  automount =
    unit:
    join [
      (section "Unit" (unitSection unit))
      (section "Automount" ({ Where = unit.where; } // unit.automountConfig))
    ];

  slice =
    unit:
    join [
      (section "Unit" (unitSection unit))
      (section "Slice" unit.sliceConfig)
    ];

  target = unit: section "Unit" (unitSection unit);

  inherit lines section;
}
