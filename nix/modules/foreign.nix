# Hosts that somebody has installed (deployment.base = "foreign"): services from the store, users and files in /etc, beside what
# is there. Whatever else is declared is an error, as it would change nothing.
{
  config,
  lib,
  options,
  pkgs,
  name,
  fleet,
  ...
}:
let
  inherit (builtins) attrNames concatMap filter hasAttr;
  inherit (lib) mapAttrsToList mkDefault mkForce mkIf mkOption types;

  # What means something here; whatever is below it does, too.
  meaningful = [
    "assertions"
    "deployment"
    "environment.etc"
    "system.architecture"
    "systemd.paths"
    "systemd.services"
    "systemd.sockets"
    "systemd.timers"
    "users.defaultUserShell"
    "users.groups"
    "users.users"
    "warnings"
  ];
  own = toString ../.;

  # Options with definitions of the user's that nothing comes of.
  meaningless =
    path: set:
    concatMap (
      key:
      let
        value = set.${key};
        at = path ++ [ key ];
        shown = lib.concatStringsSep "." at;
        places = map (definition: definition.file) (value.definitionsWithLocations or [ ]);
        given = filter (place: !isOwnFile place) places;
      in
      if key == "_module" || lib.elem shown meaningful then
        [ ]
      else if value._type or null != "option" then
        meaningless at value
      else
        map (place: "`${shown}' means nothing on a host of the base \"foreign\", whose own packages and settings stay as they are. It is defined in ${toString place}.") given
    ) (filter (key: lib.isAttrs set.${key}) (attrNames set));

  uploadPlace = import ./definition-place.nix { inherit lib; } options.deployment.uploads;
  isUploadable =
    path:
    builtins.match "(/[a-zA-Z0-9_.@+-]+)+" path != null
    && builtins.match ".*/\\.\\.?(/.*)?" path == null
    && !lib.any (directory: lib.hasPrefix "${directory}/" "${path}/") (
      [
        "/bin"
        "/boot"
        "/dev"
        "/lib"
        "/lib64"
        "/nix"
        "/proc"
        "/run/pristine"
        "/run/secrets"
        "/run/systemd"
        "/sbin"
        "/sys"
        "/usr"
      ]
      ++ map (way: "/etc/${way}") waysIn
    );

  etcPlace = import ./definition-place.nix { inherit lib; } options.environment.etc;
  placeOfUnit =
    kind: unit: import ./definition-place.nix { inherit lib; } options.systemd.${kind} unit;

  waysIn = import ./foreign-ways-in.nix;
  isOwnFile = place: lib.hasPrefix "${own}/" (toString place);
  # Whether a unit has a file depends on its text, in which the root of a service's files is named: it is not asked for.
  declared = lib.filterAttrs (
    key: entry: !lib.hasPrefix "systemd/system/" key && !lib.hasPrefix "pristine/authorized-keys/" key && entry.enable
  ) config.environment.etc;
  # Services are to start anew when their secrets change, not when others' do.
  targets = filter (target: !lib.hasPrefix "pristine/secrets/" target) (mapAttrsToList (_: entry: entry.target) declared);

  # What services see of the host's own /etc.
  hostFiles = [
    "group"
    "hosts"
    "localtime"
    "machine-id"
    "nsswitch.conf"
    "passwd"
    "resolv.conf"
  ];

  unitKinds = [
    "paths"
    "services"
    "sockets"
    "timers"
  ];
  unitsDeclared = concatMap (
    kind:
    map (unit: {
      inherit kind unit;
      value = config.systemd.${kind}.${unit};
    }) (attrNames config.systemd.${kind})
  ) unitKinds;
  isOurs = target: lib.any ({ kind, unit, ... }: "${unit}.${lib.removeSuffix "s" kind}" == target) unitsDeclared;
  problemsOfUnit =
    { kind, unit, value }:
    let
      when = condition: text: lib.optional condition "systemd.${kind}.${unit} ${text}. It is defined in ${placeOfUnit kind unit}.";
      foreignTargets = filter (target: !lib.hasSuffix ".target" target && !isOurs target) value.wantedBy;
      required = filter (target: !isOurs target) (value.requiredBy ++ value.upheldBy);
    in
    when (!value.enable) "masks a unit, and the host's own units stay as they are"
    ++ when (
      kind == "services" && value.enable && config.systemd.units ? "${unit}.service"
      && config.systemd.units."${unit}.service".overrideStrategy != "asUnit"
    ) "is no complete service (ExecStart, or a script): it would change one of the host's, which stay as they are"
    ++ when (foreignTargets != [ ]) "is wanted by ${lib.concatStringsSep ", " foreignTargets}, which is neither a target nor declared here"
    ++ when (required != [ ]) "is required by ${lib.concatStringsSep ", " required} of the host's own: use wantedBy";
in
{
  options.systemd.services = mkOption {
    type = types.attrsOf (
      types.submodule (
        { name, config, ... }:
        {
          options.runsFromStore = mkOption {
            type = types.bool;
            default = !lib.hasPrefix "pristine-" name;
            description = "On a host of the base `foreign`: whether the service sees the files of its packages (`path`) and of nothing else, in place of the host's own.";
          };
          config = mkIf config.runsFromStore {
            serviceConfig = {
              # As a package, and not as a string: which files units make depends on which keys there are here.
              RootDirectory = mkDefault (pkgs.pristine.makeRoot {
                inherit name hostFiles;
                declared = targets;
                paths = pkgs.pristine.closureOf (filter lib.isDerivation config.path ++ [ pkgs.bash ]);
              });
              MountAPIVFS = mkDefault true;
              PrivateTmp = mkDefault true;
              TemporaryFileSystem = [ "/var" ];
              BindReadOnlyPaths = [
                "/nix/store"
                "-/run/pristine/foreign"
                # Also where there are none: with the first one, services that do not use it stay as they are.
                "-/run/pristine/foreign/secrets:/run/secrets"
              ]
              ++ map (path: "-/etc/${path}") hostFiles;
            };
          };
        }
      )
    );
  };

  options.system.meta = mkOption {
    type = types.attrsOf types.anything;
    default = { };
    internal = true;
    description = "The content of meta.json.";
  };

  config = {
    assertions = [
      {
        assertion = !config.deployment.buildOnTarget;
        message = "deployment.buildOnTarget is set, and hosts of the base \"foreign\" build nothing.";
      }
    ]
    ++ mapAttrsToList (key: upload: {
      assertion = isUploadable upload.path;
      message = "deployment.uploads.${lib.escapeNixIdentifier key} cannot be at ${upload.path}: on hosts of the base \"foreign\" uploads are not part of what the host is run by, and their paths have letters, digits and . _ @ + - in them. It is defined in ${uploadPlace key}.";
    }) config.deployment.uploads
    ++ map (message: {
        assertion = false;
        inherit message;
      }) (meaningless [ ] options ++ concatMap problemsOfUnit unitsDeclared)
      ++ mapAttrsToList (key: entry: {
        assertion = !lib.any (way: entry.target == way || lib.hasPrefix "${way}/" entry.target) waysIn;
        message = "environment.etc.${lib.escapeNixIdentifier key} would be a file of what decides who comes into the host, becomes root or what programs start with. It is defined in ${etcPlace key}.";
      }) declared
      ++ mapAttrsToList (key: entry: {
        assertion = builtins.match "[a-zA-Z0-9_.@+-]+(/[a-zA-Z0-9_.@+-]+)*" entry.target != null;
        message = "environment.etc.${lib.escapeNixIdentifier key} has a name with other characters than letters, digits and . _ @ + - in it. It is defined in ${etcPlace key}.";
      }) declared
      ++ mapAttrsToList (key: entry: {
        assertion = lib.elem entry.mode [ "symlink" "direct-symlink" "0444" "0644" "444" "644" "0555" "0755" "555" "755" ] && entry.user == "root" && entry.group == "root" && entry.uid == null && entry.gid == null;
        message = "environment.etc.${lib.escapeNixIdentifier key} has a mode or an owner that a file in the store cannot have, which hosts of the base \"foreign\" do not make copies for. It is defined in ${etcPlace key}.";
      }) declared;

    # The host has its own.
    environment.etc."systemd/system/default.target".enable = mkForce false;
    environment.etc."systemd/journald.conf.d/pristine.conf".enable = mkForce false;

    # The store's engine is started through what it is made of, and scripts of services by bash.
    environment.systemPackages = [
      pkgs.bash
      pkgs.nix-bin
    ];

    systemd.units."pristine-boot.service" = {
      text = builtins.readFile ../debian/foreign/pristine-boot.service;
      wantedBy = [ "sysinit.target" ];
    };

    system.meta = removeAttrs (import ../debian/foreign/empty-meta.nix) [ "users" "groups" ] // {
      version = 1;
      base = "foreign";
      host = name;
      fleet = fleet.name;
      inherit (pkgs.pristine) system suite;
      packages = map (package: {
        name = package.pname;
        inherit (package) version;
        path = "${package}";
      }) config.system.packages;
      sshPort = if config.deployment.target.port == null then 22 else config.deployment.target.port;
    };

    system.build.object = pkgs.pristine.makeSystem {
      host = name;
      inherit (config.system) meta;
      inherit (config.system.build) etc;
      engine = pkgs.pristine.foreignEngine;
    };
  };
}
