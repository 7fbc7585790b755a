# How to tell whether a host works: what must work before a deployment is confirmed.
{
  config,
  lib,
  options,
  ...
}:
let
  inherit (builtins)
    any
    attrNames
    attrValues
    concatLists
    elem
    filter
    head
    length
    match
    toString
    ;
  inherit (lib)
    concatStringsSep
    filterAttrs
    mapAttrsToList
    mkOption
    optionalAttrs
    optionals
    types
    ;
  inherit (config) deployment;
  checks = deployment.healthChecks;
  kinds = import ./health-checks/kinds.nix { inherit lib; };
  attempts = import ./health-checks/attempts.nix { inherit lib; };
  kindNames = [
    "http"
    "tcp"
    "dns"
    "unit"
    "command"
    "file"
    "disk"
    "memory"
  ];
  # What can be asked of a host from elsewhere.
  deployerKinds = [
    "http"
    "tcp"
    "dns"
    "command"
  ];
  # What the activation of a system may take is 300 seconds; units are to have some of them.
  hostSecondsMax = 240;

  check = types.submodule {
    options = kinds.options // attempts.options // {
      runFrom = mkOption {
        type = types.enum [
          "host"
          "deployer"
        ];
        default = "host";
        description = "Where the check is run: on the host itself as root, or on the machine that deploys, as whoever deploys, once the checks on the host hold. From there only ${concatStringsSep ", " (map (kind: "`${kind}`") deployerKinds)} can be asked, a `command` without a shell.";
      };
      settle = mkOption {
        type = types.ints.unsigned;
        default = 0;
        description = "How many seconds after the activation the first attempt is made; from the deployer, after the checks on the host.";
      };
      every = mkOption {
        type = types.nullOr (types.ints.between 5 86400);
        default = null;
        example = 60;
        description = "How many seconds pass between two runs by the host itself, as the timer `pristine-check-<name>`; null for none but those of deployments. The service of that name fails when the check does.";
      };
    };
  };

  ## Timers

  timed = filterAttrs (name: check: check.every != null && match timedName name != null) checks;
  timedName = "[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}";
  unitOf = name: "pristine-check-${name}";
  kit = import ../nixos/kit-program.nix;
  # Over what the kit allows itself, for starting and writing down.
  graceSeconds = 30;

  given = check: filter (kind: check.${kind} != null) kindNames;
  isOfOneKind = check: length (given check) == 1;

  placeOf = import ./definition-place.nix { inherit lib; } options.deployment.healthChecks;

  dataOf =
    name: check:
    let
      kind = head (given check);
    in
    {
      inherit name kind;
    }
    // attempts.dataOf check
    // optionalAttrs (check.settle != 0) { settleSeconds = check.settle; }
    // optionalAttrs (check.every != null) { everySeconds = check.every; }
    // kinds.dataOf { inherit kind check; };

  # What keeps a check from ever running, or from ever succeeding.
  problemsOf =
    name: check:
    let
      kind = head (given check);
      when = condition: message: if condition then [ message ] else [ ];
      parts = match "https?://([^/?#]*[^/?#0-9:]|\\[[^]]*])?:([0-9]*).*" check.http.url;
      port = if parts == null then "" else builtins.elemAt parts 1;
      absent = "exists = false goes with no other wish";
      # What checks leave of the time for confirming, as the deployer has it.
      confirmReserve = lib.min 10 (deployment.confirmTimeout / 3);
      isRemote = check.runFrom == "deployer";
      firstAnswer = check.settle + check.timeout;
      asked =
        if check.http != null then
          lib.concatStrings (builtins.filter builtins.isString (match "https?://([^]/?#:]*).*" check.http.url))
        else if check.tcp != null then
          check.tcp.host
        else
          "";
    in
    if !isOfOneKind check then
      [
        (
          "must be exactly one of ${concatStringsSep ", " kindNames}; it is "
          + (if given check == [ ] then "none of them" else concatStringsSep " and " (given check))
        )
      ]
    else
      when (check.timeout > deployment.confirmTimeout) "may take ${toString check.timeout} s, longer than the host waits for confirmation (deployment.confirmTimeout = ${toString deployment.confirmTimeout})"
      ++ when (!isRemote && firstAnswer > hostSecondsMax) "would have its first answer after ${toString firstAnswer} s (settle and timeout), and there are ${toString hostSecondsMax} s for it"
      ++ when (check.every != null && match timedName name == null) "is run every ${toString check.every} s by a unit, whose name it cannot be a part of: letters, digits, dots, dashes and underscores, 64 at most"
      ++ optionals isRemote (
        when (!elem kind deployerKinds) "is run from the deployer, where no ${kind} of the host can be looked at: only ${concatStringsSep ", " deployerKinds} can be asked from there"
        ++ when (firstAnswer > deployment.confirmTimeout || check.settle >= deployment.confirmTimeout - confirmReserve) "would have its first answer after ${toString firstAnswer} s (settle and timeout), and the host waits ${toString deployment.confirmTimeout} s for confirmation (deployment.confirmTimeout), which takes time too"
        ++ when (check.every != null) "is run from the deployer, which has no timer for it (every = ${toString check.every})"
        ++ when (asked == "localhost") "is run from the deployer and asks localhost, which is the deployer itself there: name the host as the deployer reaches it"
      )
      ++ optionals (kind == "http") (
        when (port != "" && (builtins.stringLength port > 5 || lib.toIntBase10 port < 1 || lib.toIntBase10 port > 65535)) "asks ${check.http.url}, whose port is not from 1 to 65535"
        ++ concatLists (
          map (header: when (match "[A-Za-z0-9!#$%&'*+.^_`|~-]+" header == null) "names a header `${header}', which cannot be one") (
            attrNames (check.http.headers // check.http.requestHeaders)
          )
        )
        ++ when (check.http.method == "HEAD" && check.http.body != null) "wants a body of a HEAD request, whose answer has none"
      )
      ++ optionals (kind == "command") (
        when (lib.hasInfix "/" (head check.command) && !lib.hasPrefix "/" (head check.command)) "runs `${head check.command}', which is relative to no directory; give the whole path"
        ++ when (head check.command == "") "runs a command without a name"
      )
      ++ optionals (kind == "file" && !check.file.exists) (
        when (any (wish: check.file.${wish} != null) [ "mode" "user" "group" "contains" "maxAge" ]) absent
      )
      ++ optionals (kind == "file") (
        concatLists (
          map
            (
              who:
              let
                wanted = check.file.${who};
                known = attrNames config.users."${who}s";
              in
              # Who there is on a host that is not wholly ours is known there.
              when (wanted != null && config ? users && !elem wanted known) "wants the ${who} `${wanted}', which this host does not have"
            )
            [
              "user"
              "group"
            ]
        )
      )
      ++ optionals (kind == "disk" || kind == "memory") (
        concatLists (
          mapAttrsToList (wish: amount: when ((kinds.amountOf amount).percent or 0 > 100) "wants ${wish} = \"${toString amount}\", more than there is") (
            filterAttrs (wish: amount: amount != null && wish != "mountPoint") check.${kind}
          )
        )
      );

  # `match` refuses what is no regular expression; the error says whose it is.
  checkPatterns =
    name: check:
    let
      wanted =
        if !isOfOneKind check then
          [ ]
        else if check.http != null then
          attrValues check.http.headers ++ [ check.http.body ]
        else if check.file != null then
          [ check.file.contains ]
        else
          [ ];
    in
    value:
    builtins.addErrorContext "while checking the patterns of deployment.healthChecks.${lib.escapeNixIdentifier name}, defined in ${placeOf name}:" (
      builtins.deepSeq (map (text: match "(${text.matches})" "") (filter (text: text ? matches) wanted)) value
    );

  # The checks that are run from one place, as data.
  checksFrom =
    place:
    mapAttrsToList (name: check: checkPatterns name check (dataOf name check)) (
      filterAttrs (_: check: isOfOneKind check && check.runFrom == place) checks
    );
in
{
  options.deployment = {
    healthChecks = mkOption {
      type = types.attrsOf check;
      default = { };
      example = {
        home.http.url = "http://localhost/";
      };
      description = "What must work after a switch, by name. Each check is one of ${
        concatStringsSep ", " (map (kind: "`${kind}`") kindNames)
      }.";
    };
    checkPlaces = mkOption {
      type = types.attrsOf types.str;
      readOnly = true;
      internal = true;
      description = "Where each health check is defined, for people.";
    };
    deployerChecks = mkOption {
      type = types.listOf types.raw;
      readOnly = true;
      internal = true;
      description = "The health checks that the deployer runs, as it reads them. They are no part of the host's system.";
    };
  };

  config = {
    deployment.checkPlaces = lib.mapAttrs (name: _: placeOf name) checks;
    system.meta.healthChecks = checksFrom "host";
    deployment.deployerChecks = checksFrom "deployer";

    systemd.services = lib.mapAttrs' (
      name: check:
      lib.nameValuePair (unitOf name) {
        description = "Health check ${name}";
        unitConfig.ConditionPathExists = kit;
        serviceConfig = {
          Type = "oneshot";
          ExecStart = "${kit} check-run ${name}";
          TimeoutStartSec = (check.retries + 1) * check.timeout + check.retries * check.interval + graceSeconds;
        };
      }
    ) timed;
    systemd.timers = lib.mapAttrs' (
      name: check:
      lib.nameValuePair (unitOf name) {
        description = "Health check ${name} every ${toString check.every} s";
        wantedBy = [ "timers.target" ];
        timerConfig = {
          OnActiveSec = check.every;
          OnUnitActiveSec = check.every;
          AccuracySec = 1;
        };
      }
    ) timed;

    assertions = concatLists (
      mapAttrsToList (
        name: check:
        map (problem: {
          assertion = false;
          message = "deployment.healthChecks.${lib.escapeNixIdentifier name} ${problem}. It is defined in ${placeOf name}.";
        }) (problemsOf name check)
      ) checks
    );
  };
}
