# The firewall: one nftables table, replaced as a whole in one transaction of the kernel.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib)
    concatStrings
    concatStringsSep
    mapAttrsToList
    mkIf
    mkOption
    optionalString
    sort
    types
    unique
    ;
  cfg = config.networking.firewall;

  rangeType = types.submodule {
    options = {
      from = mkOption {
        type = types.port;
        description = "First port.";
      };
      to = mkOption {
        type = types.port;
        description = "Last port.";
      };
    };
  };

  portOptions = {
    allowedTCPPorts = mkOption {
      type = types.listOf types.port;
      default = [ ];
      apply = ports: sort (a: b: a < b) (unique ports);
      description = "TCP ports that may be reached.";
    };
    allowedUDPPorts = mkOption {
      type = types.listOf types.port;
      default = [ ];
      apply = ports: sort (a: b: a < b) (unique ports);
      description = "UDP ports that may be reached.";
    };
    allowedTCPPortRanges = mkOption {
      type = types.listOf rangeType;
      default = [ ];
      description = "Ranges of TCP ports that may be reached.";
    };
    allowedUDPPortRanges = mkOption {
      type = types.listOf rangeType;
      default = [ ];
      description = "Ranges of UDP ports that may be reached.";
    };
  };

  accept =
    condition: protocol: ports: ranges:
    let
      set = map toString ports ++ map (range: "${toString range.from}-${toString range.to}") ranges;
    in
    optionalString (set != [ ]) "    ${condition}${protocol} dport { ${concatStringsSep ", " set} } accept\n";

  rulesFor =
    condition: ports:
    accept condition "tcp" ports.allowedTCPPorts ports.allowedTCPPortRanges
    + accept condition "udp" ports.allowedUDPPorts ports.allowedUDPPortRanges;

  indented = text: concatStrings (map (line: optionalString (line != "") "    ${line}\n") (lib.splitString "\n" text));

  ruleset = ''
    # Made from networking.firewall. The first two lines let the rest replace whatever the table held.
    table inet pristine
    delete table inet pristine
    table inet pristine {
      chain input {
        type filter hook input priority filter; policy drop;
        iifname "lo" accept
        ct state vmap { invalid : drop, established : accept, related : accept }
        icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem, nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert, nd-redirect } accept
        ip6 saddr fe80::/10 udp dport 546 accept
  ''
  + optionalString cfg.allowPing "    icmp type echo-request accept\n    icmpv6 type echo-request accept\n"
  + concatStrings (map (interface: "    iifname \"${interface}\" accept\n") cfg.trustedInterfaces)
  + rulesFor "" cfg
  + concatStrings (mapAttrsToList (interface: rulesFor "iifname \"${interface}\" ") cfg.interfaces)
  + indented cfg.extraInputRules
  + optionalString cfg.logRefusedConnections "    tcp flags & (fin | syn | rst | ack) == syn limit rate 10/minute log prefix \"refused connection: \"\n"
  + optionalString cfg.rejectPackets "    reject\n"
  + "  }\n"
  + "}\n"
  + cfg.extraTables;
in
{
  options.networking.firewall = portOptions // {
    enable = mkOption {
      type = types.bool;
      default = true;
      description = "Whether only the ports named may be reached from other hosts.";
    };
    allowPing = mkOption {
      type = types.bool;
      default = true;
      description = "Whether the host answers pings.";
    };
    trustedInterfaces = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Interfaces on which everything is accepted.";
    };
    interfaces = mkOption {
      type = types.attrsOf (types.submodule { options = portOptions; });
      default = { };
      description = "Ports that may be reached through one interface only.";
    };
    extraInputRules = mkOption {
      type = types.lines;
      default = "";
      example = "ip saddr 192.0.2.0/24 tcp dport 5432 accept";
      description = "Further rules of the input chain, in nftables' language.";
    };
    extraTables = mkOption {
      type = types.lines;
      default = "";
      description = "Further nftables text, after the table made here.";
    };
    rejectPackets = mkOption {
      type = types.bool;
      default = false;
      description = "Whether refused packets are answered, rather than dropped.";
    };
    logRefusedConnections = mkOption {
      type = types.bool;
      default = false;
      description = "Whether refused connections are logged, at most ten a minute.";
    };
  };

  config = mkIf cfg.enable {
    environment.systemPackages = [ pkgs.nftables ];
    environment.etc."nftables.conf".text = ruleset;

    systemd.services.nftables = {
      description = "Firewall";
      wantedBy = [ "sysinit.target" ];
      before = [
        "network-pre.target"
        "shutdown.target"
      ];
      wants = [ "network-pre.target" ];
      conflicts = [ "shutdown.target" ];
      # Stopping opens the host until the start; loading the rules anew replaces them in one transaction.
      reloadIfChanged = true;
      reloadTriggers = [ ruleset ];
      unitConfig.DefaultDependencies = false;
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = "/usr/sbin/nft -f /etc/nftables.conf";
        ExecReload = "/usr/sbin/nft -f /etc/nftables.conf";
        ExecStop = "/usr/sbin/nft destroy table inet pristine";
        ProtectSystem = "full";
        ProtectHome = true;
      };
    };
  };
}
