# The options of units, with NixOS's names.
{ lib }:
let
  inherit (lib) mkOption types;

  atom = types.oneOf [
    types.bool
    types.int
    types.float
    types.str
    types.path
    types.package
  ];

  # What a unit file's key may be given: one value, or a list for a key that may stand several times. Lists given in several places are
  # joined; single values must agree.
  unitValue = types.mkOptionType {
    name = "unitValue";
    description = "systemd option: a string, number, Boolean, path, package, or a list of these";
    descriptionClass = "noun";
    check = value: value == null || atom.check value || (builtins.isList value && builtins.all atom.check value);
    merge =
      loc: definitions:
      if builtins.any (definition: builtins.isList definition.value) definitions then
        lib.concatMap (definition: lib.toList definition.value) definitions
      else
        lib.options.mergeEqualOption loc definitions;
  };

  section =
    description: example:
    mkOption {
      type = types.attrsOf unitValue;
      default = { };
      inherit description example;
    };

  unitNames =
    description:
    mkOption {
      type = types.listOf unitName;
      default = [ ];
      inherit description;
    };

  unitName = types.strMatching "[a-zA-Z0-9@%:_.\\-]+[.](service|socket|device|mount|automount|swap|target|path|timer|scope|slice)";

  enable = mkOption {
    type = types.bool;
    default = true;
    description = "Whether the unit may be used. If not, it is masked: a link to /dev/null.";
  };

  overrideStrategy = mkOption {
    type = types.enum [
      "asDropinIfExists"
      "asDropin"
      "asUnit"
    ];
    default = "asDropinIfExists";
    description = "Whether this is a unit of its own (`asUnit`), or adds to one that a package ships (`asDropin`). By default it is a unit of its own if it says by itself what to run.";
  };

  install = {
    requiredBy = unitNames "Units that require this unit: it is started with them, and their start fails if its does.";
    wantedBy = unitNames "Units that want this unit: it is started with them.";
    upheldBy = unitNames "Units that keep this unit running as long as they run.";
    aliases = unitNames "Further names of the unit.";
  };

  common = install // {
    inherit enable overrideStrategy;
    description = mkOption {
      type = types.singleLineStr;
      default = "";
      description = "What the unit is, for people.";
    };
    documentation = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Where the unit is documented, as URIs.";
    };
    requires = unitNames "Units to start with this one; when one of them stops, so does this.";
    wants = unitNames "Units to start with this one, if they can be.";
    upholds = unitNames "Units to keep running while this one runs.";
    after = unitNames "Units that are started before this one, when both are.";
    before = unitNames "Units that are started after this one, when both are.";
    bindsTo = unitNames "Units without which this one cannot be: when one of them goes, this is stopped.";
    partOf = unitNames "Units whose stop or restart also stops or restarts this one.";
    conflicts = unitNames "Units that cannot run together with this one.";
    requisite = unitNames "Units that must run already.";
    onFailure = unitNames "Units to start when this one fails.";
    onSuccess = unitNames "Units to start when this one ends well.";
    unitConfig = section "Keys of the [Unit] section." { RequiresMountsFor = "/data"; };
    restartTriggers = mkOption {
      type = types.listOf types.unspecified;
      default = [ ];
      description = "Values, and files by their content; when one of them changes, a switch restarts the unit.";
    };
    reloadTriggers = mkOption {
      type = types.listOf types.unspecified;
      default = [ ];
      description = "Values, and files by their content; when one of them changes, a switch reloads the unit.";
    };
    startLimitBurst = mkOption {
      type = types.nullOr types.int;
      default = null;
      description = "How often the unit may be started within startLimitIntervalSec.";
    };
    startLimitIntervalSec = mkOption {
      type = types.nullOr types.int;
      default = null;
      description = "The interval, in seconds, in which starts are counted.";
    };
  };

  startAt = mkOption {
    type = types.coercedTo types.str lib.singleton (types.listOf types.str);
    default = [ ];
    example = "Sun 14:00:00";
    description = "When to start the unit, as calendar events; makes a timer of its name.";
  };

  shell =
    description:
    mkOption {
      type = types.lines;
      default = "";
      inherit description;
    };

  service = common // {
    environment = mkOption {
      type = types.attrsOf (types.nullOr (types.oneOf [ types.int types.str types.path types.package ]));
      default = { };
      example = {
        LANG = "C.UTF-8";
      };
      description = "Environment variables of the service's processes.";
    };
    path = mkOption {
      type = types.listOf (types.oneOf [ types.package types.str ]);
      default = [ ];
      description = "Packages whose programs the service calls. They are put on the host; the service is restarted when they change.";
    };
    serviceConfig = section "Keys of the [Service] section." { RestartSec = 5; };
    script = shell "Shell commands that are the service's main process.";
    scriptArgs = mkOption {
      type = types.str;
      default = "";
      example = "%i";
      description = "Arguments of the main process script.";
    };
    preStart = shell "Shell commands run before the main process starts.";
    postStart = shell "Shell commands run after the main process has started.";
    reload = shell "Shell commands run to reload the service.";
    preStop = shell "Shell commands run to stop the service.";
    postStop = shell "Shell commands run after the service has stopped.";
    restartIfChanged = mkOption {
      type = types.bool;
      default = true;
      description = "Whether a switch restarts the service when it has changed.";
    };
    reloadIfChanged = mkOption {
      type = types.bool;
      default = false;
      description = "Whether a switch reloads the service, instead of restarting it, when it has changed.";
    };
    stopIfChanged = mkOption {
      type = types.bool;
      default = true;
      description = "Whether a changed service is stopped by its old definition before the switch and started by the new one after it (or, if not, restarted in one go after it).";
    };
    notSocketActivated = mkOption {
      type = types.bool;
      default = false;
      description = "Whether a switch treats the service as if it had no socket.";
    };
    inherit startAt;
  };

  socket = common // {
    listenStreams = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [
        "0.0.0.0:993"
        "/run/my-socket"
      ];
      description = "Addresses of stream sockets to listen on.";
    };
    listenDatagrams = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Addresses of datagram sockets to listen on.";
    };
    socketConfig = section "Keys of the [Socket] section." { ListenStream = "/run/my-socket"; };
  };

  timer = common // {
    timerConfig = section "Keys of the [Timer] section." { OnCalendar = "daily"; };
  };

  pathUnit = common // {
    pathConfig = section "Keys of the [Path] section." { PathExists = "/some/path"; };
  };

  mount = common // {
    what = mkOption {
      type = types.str;
      example = "/dev/disk/by-label/data";
      description = "The device, file or other resource to mount.";
    };
    where = mkOption {
      type = types.str;
      example = "/data";
      description = "The directory to mount it at.";
    };
    type = mkOption {
      type = types.str;
      default = "";
      example = "ext4";
      description = "The file system's type.";
    };
    options = mkOption {
      type = types.commas;
      default = "";
      example = "noatime";
      description = "Mount options.";
    };
    mountConfig = section "Keys of the [Mount] section." { DirectoryMode = "0775"; };
  };

  automount = common // {
    where = mkOption {
      type = types.str;
      example = "/data";
      description = "The directory that is mounted when it is looked at.";
    };
    automountConfig = section "Keys of the [Automount] section." { TimeoutIdleSec = 60; };
  };

  slice = common // {
    sliceConfig = section "Keys of the [Slice] section." { MemoryMax = "2G"; };
  };

  target = common;
in
{
  inherit
    unitValue
    service
    socket
    timer
    pathUnit
    mount
    automount
    slice
    target
    ;

  # A unit as text; what all others become.
  unit = install // {
    inherit enable overrideStrategy;
    text = mkOption {
      type = types.nullOr types.lines;
      default = null;
      description = "The unit file.";
    };
  };
}
