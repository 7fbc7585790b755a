# morph: a file with a network, whose checks become ours.
{ lib, report }:
{ input, ... }:
let
  inherit (builtins)
    attrNames
    elem
    filter
    isAttrs
    length
    listToAttrs
    map
    mapAttrs
    typeOf
    ;
  inherit (lib) concatMap imap1 optional;
  inherit (input) where;
  network =
    if input.flake != null then
      throw "${where} is a flake; morph reads networks from files."
    else if !isAttrs input.value || !isAttrs (input.value.network or { }) then
      throw "${where} is a value of type ${typeOf input.value}; a network of morph is an attribute set with `network' and a module for each host."
    else
      input.value;
  settings = network.network or { };
  names = attrNames (
    removeAttrs network [
      "network"
      "defaults"
      "resources"
      "require"
      "_file"
    ]
  );

  ## Evaluation, as morph does it

  packages = settings.pkgs or { };
  nixpkgs =
    if packages ? path then
      packages.path
    else
      import ./searched-nixpkgs.nix {
        inherit where;
        setting = "network.pkgs";
        value = "import … { }";
      };

  evalHost =
    { isChecked }:
    name:
    import (settings.evalConfig or (nixpkgs + "/nixos/lib/eval-config.nix")) {
      specialArgs = settings.specialArgs or { };
      system = null;
      modules = [
        { imports = [ network.${name} ]; }
        (network.defaults or { })
        (
          { lib, ... }:
          {
            imports = [ ./morph-options.nix ];
            documentation.nixos.extraModuleSources = [ ./. ];
            networking.hostName = lib.mkDefault name;
            deployment.targetHost = lib.mkDefault name;
            nixpkgs.pkgs = lib.mkIf (packages != { }) (lib.mkDefault packages);
            _module.args = {
              inherit name;
              nodes = uncheckedHosts;
            };
            _module.check = isChecked;
          }
        )
      ]
      ++ optional (network ? _file) { inherit (network) _file; };
    };
  uncheckedHosts = lib.genAttrs names (evalHost {
    isChecked = false;
  });

  ## Checks

  # morph tries for as long as it takes; here it is what fits into the time for confirming.
  secondsForChecks = 50;
  attempts = check: rec {
    timeout = if check.timeout > 0 then lib.min check.timeout secondsForChecks else secondsForChecks;
    interval = lib.max 1 check.period;
    retries = (secondsForChecks - timeout) / (timeout + interval);
  };
  checksOf =
    address: checks:
    let
      numbered =
        kind: make: given:
        imap1 (index: check: {
          name = "${kind}-${toString index}";
          value = attempts check // make check;
        }) given;
    in
    listToAttrs (
      numbered "cmd" (check: { command = check.cmd; }) (filter (check: check.cmd != null && check.cmd != [ ]) checks.cmd)
      ++ numbered "http" (check: {
        runFrom = "deployer";
        http = {
          url = "${check.scheme}://${if check.host == null then address else check.host}:${toString check.port}${toString check.path}";
          requestHeaders = check.headers;
        };
      }) checks.http
    );
  describe = checks: map (check: check.description) (checks.cmd ++ checks.http);

  ## Secrets

  uploadOf = secret: {
    file = if lib.hasPrefix "/" secret.source || input.directory == null then secret.source else "${toString input.directory}/${secret.source}";
    path = secret.destination;
    owner = secret.owner.user;
    inherit (secret.owner) group;
    mode = secret.permissions;
    when = if secret.uploadAt == "pre-activation" then "preActivation" else "postActivation";
    makeDirectories = secret.mkDirs;
    afterwards = secret.action;
  };

  ## Hosts

  order = settings.ordering.tags or [ ];
  # Hosts of the first tag come first, those of none last.
  waveOf =
    tags:
    lib.foldl' (wave: index: if wave == null && elem (builtins.elemAt order index) tags then index else wave) null (
      lib.range 0 (length order - 1)
    );

  hostOf =
    name: host:
    let
      inherit (host.config) deployment;
      address = if deployment.targetHost == "" then name else deployment.targetHost;
      fromEnvironment = builtins.getEnv "SSH_USER";
      wave = waveOf deployment.tags;
      insecure = kind: filter (check: check.insecureSSL) deployment.${kind}.http;
    in
    {
      platform = host.pkgs.stdenv.hostPlatform.system;
      system = host.config.system.build.toplevel;
      configuration = host;
      left = if deployment.buildOnly then "deployment.buildOnly: it is no host that is deployed to" else null;
      definitions.deployment = {
        inherit (deployment) tags substituteOnDestination;
        target = {
          host = address;
          port = deployment.targetPort;
          user =
            if deployment.targetUser != "" then
              deployment.targetUser
            else if fromEnvironment != "" then
              fromEnvironment
            else
              null;
        };
        healthChecks = checksOf address deployment.healthChecks;
        checksBefore = mapAttrs (_: check: removeAttrs check [ "runFrom" ]) (checksOf address deployment.preDeployChecks);
        uploads = mapAttrs (_: uploadOf) deployment.secrets;
      }
      // lib.optionalAttrs (order != [ ]) { wave = if wave == null then length order else wave; };
      options =
        map (note: note // { option = "deployment.${note.option}"; }) (
          report.ofOptions {
            targetHost = report.becomes name "deployment.target.host";
            targetPort = report.becomes null "deployment.target.port";
            targetUser = report.becomes "" "deployment.target.user";
            tags = report.becomes [ ] "deployment.tags";
            substituteOnDestination = report.becomes false "deployment.substituteOnDestination";
          } deployment
        )
        ++ optional (describe deployment.healthChecks != [ ]) (
          report.differs "deployment.healthChecks" (describe deployment.healthChecks)
            "deployment.healthChecks: commands as root; any answer from 200 to 399 does; a host that fails them returns"
        )
        ++
          concatMap
            (
              kind:
              optional (insecure kind != [ ]) (
                report.unserved "deployment.${kind}.http.*.insecureSSL" (
                  map (check: check.description) (insecure kind)
                ) "the certificate has to be right"
              )
            )
            [
              "healthChecks"
              "preDeployChecks"
            ]
        ++ optional (describe deployment.preDeployChecks != [ ]) (
          report.differs "deployment.preDeployChecks" (describe deployment.preDeployChecks)
            "deployment.checksBefore: commands as the user of ssh; any answer from 200 to 399 does; tried for 50 seconds"
        )
        ++ optional (deployment.secrets != { }) (
          report.differs "deployment.secrets" (attrNames (builtins.deepSeq deployment.secrets deployment.secrets))
            "deployment.uploads: uploaded by every deployment; an action follows a file that has changed"
        );
    };

  known = [
    "pkgs"
    "lib"
    "evalConfig"
    "specialArgs"
    "runCommand"
    "nixConfig"
    "buildShell"
    "ordering"
    "description"
  ];
in
{
  tool = "morph";
  inherit where;
  options =
    map (name: report.differs "network.${name}" null "means nothing to morph either") (
      filter (name: !(elem name known)) (attrNames settings)
    )
    ++ optional (order != [ ]) (report.same "network.ordering.tags" order "deployment.wave")
    ++ optional (settings.nixConfig or { } != { }) (
      report.differs "network.nixConfig" (attrNames settings.nixConfig) "builds are Pristine's own, without settings of Nix's"
    )
    ++ optional (settings ? buildShell) (
      report.differs "network.buildShell" null "builds do without a shell around them"
    );
  behaviour = [
    "morph switches one host after the other and ends with the first that fails; here hosts are deployed at the same time, in waves."
    "morph leaves a host whose checks fail as it is; here it returns to the system before."
  ];
  hosts = mapAttrs hostOf (lib.genAttrs names (evalHost { isChecked = true; }));
}
