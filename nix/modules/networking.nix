# Names, addresses and routes: files for systemd-networkd, /etc/hosts and /etc/resolv.conf.
{
  config,
  lib,
  pkgs,
  name,
  ...
}:

let
  inherit (lib)
    attrNames
    attrValues
    concatLists
    concatMap
    concatStringsSep
    filter
    filterAttrs
    findFirst
    head
    mapAttrs'
    mapAttrsToList
    mkDefault
    mkEnableOption
    mkIf
    mkMerge
    mkOption
    nameValuePair
    optional
    optionals
    types
    ;
  cfg = config.networking;

  addressType =
    family: maxPrefix:
    types.submodule {
      options = {
        address = mkOption {
          type = types.strMatching (if family == "IPv4" then "[0-9]+[.][0-9]+[.][0-9]+[.][0-9]+" else "[0-9a-fA-F:.]+");
          description = "${family} address, without a prefix length.";
        };
        prefixLength = mkOption {
          type = types.ints.between 0 maxPrefix;
          description = "How many bits of the address name the network.";
        };
      };
    };

  routeType =
    family: maxPrefix:
    types.submodule {
      options = {
        address = mkOption {
          type = types.str;
          description = "${family} network.";
        };
        prefixLength = mkOption {
          type = types.ints.between 0 maxPrefix;
          description = "How many bits of the address name the network.";
        };
        via = mkOption {
          type = types.nullOr types.str;
          default = null;
          description = "The gateway; null for a network that is reached directly.";
        };
      };
    };

  familyOptions = family: maxPrefix: {
    addresses = mkOption {
      type = types.listOf (addressType family maxPrefix);
      default = [ ];
      description = "Fixed ${family} addresses of the interface.";
    };
    routes = mkOption {
      type = types.listOf (routeType family maxPrefix);
      default = [ ];
      description = "Fixed ${family} routes through the interface.";
    };
  };

  interfaceType = types.submodule (
    { name, ... }:
    {
      options = {
        name = mkOption {
          type = types.str;
          default = name;
          description = "The interface's name.";
        };
        ipv4 = familyOptions "IPv4" 32;
        ipv6 = familyOptions "IPv6" 128;
        useDHCP = mkOption {
          type = types.nullOr types.bool;
          default = null;
          description = "Whether to ask for an address; null means only when no address is given and `networking.useDHCP` is on.";
        };
        mtu = mkOption {
          type = types.nullOr types.ints.positive;
          default = null;
          description = "Largest packet; null leaves it to the kernel.";
        };
        macAddress = mkOption {
          type = types.nullOr types.str;
          default = null;
          description = "Hardware address to use instead of the interface's own.";
        };
      };
    }
  );

  gatewayType = types.coercedTo types.str (address: { inherit address; }) (
    types.submodule {
      options = {
        address = mkOption {
          type = types.str;
          description = "The gateway's address.";
        };
        interface = mkOption {
          type = types.nullOr types.str;
          default = null;
          description = "The interface it is reached through; null means the first one with a fixed address.";
        };
      };
    }
  );

  addressesOf = interface: interface.ipv4.addresses ++ interface.ipv6.addresses;
  usesDhcp =
    interface: if interface.useDHCP != null then interface.useDHCP else cfg.useDHCP && addressesOf interface == [ ];

  interfaces = attrValues cfg.interfaces;
  addressed = filter (interface: interface.ipv4.addresses != [ ]) interfaces;
  addressed6 = filter (interface: interface.ipv6.addresses != [ ]) interfaces;

  # Which interface a default gateway belongs to.
  carries =
    gateway: candidates: interface:
    gateway != null
    && (
      if gateway.interface != null then
        gateway.interface == interface.name
      else
        candidates != [ ] && (head candidates).name == interface.name
    );

  networkOf = interface: {
    matchConfig.Name = interface.name;
    linkConfig =
      lib.optionalAttrs (interface.mtu != null) { MTUBytes = interface.mtu; }
      // lib.optionalAttrs (interface.macAddress != null) { MACAddress = interface.macAddress; };
    DHCP = if usesDhcp interface then "yes" else "no";
    address = map (a: "${a.address}/${toString a.prefixLength}") (addressesOf interface);
    gateway =
      optional (carries cfg.defaultGateway addressed interface) cfg.defaultGateway.address
      ++ optional (carries cfg.defaultGateway6 addressed6 interface) cfg.defaultGateway6.address;
    dns = cfg.nameservers;
    domains = cfg.search;
    networkConfig = {
      LinkLocalAddressing = if cfg.enableIPv6 then "ipv6" else "no";
      IPv6AcceptRA = cfg.enableIPv6 && usesDhcp interface;
    };
    routes = map (
      route:
      {
        Destination = "${route.address}/${toString route.prefixLength}";
      }
      // lib.optionalAttrs (route.via != null) { Gateway = route.via; }
    ) (interface.ipv4.routes ++ interface.ipv6.routes);
  };

  hostsFile = concatStringsSep "" (
    mapAttrsToList (address: names: "${address} ${concatStringsSep " " names}\n") (
      filterAttrs (_: names: names != [ ]) cfg.hosts
    )
    ++ [ cfg.extraHosts ]
  );
in
{
  options.networking = {
    hostName = mkOption {
      type = types.strMatching "[a-zA-Z0-9]([a-zA-Z0-9-]{0,62}[a-zA-Z0-9])?|";
      default = name;
      description = "The host's name, without a domain.";
    };
    domain = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "The host's domain.";
    };
    fqdn = mkOption {
      type = types.str;
      readOnly = true;
      description = "The host's full name.";
    };
    hosts = mkOption {
      type = types.attrsOf (types.listOf types.str);
      default = { };
      example = {
        "192.0.2.7" = [ "db.example.org" ];
      };
      description = "Names of addresses, for /etc/hosts.";
    };
    extraHosts = mkOption {
      type = types.lines;
      default = "";
      description = "Further lines of /etc/hosts.";
    };
    nameservers = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Addresses of name servers.";
    };
    search = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Domains in which short names are looked up.";
    };
    useDHCP = mkOption {
      type = types.bool;
      default = true;
      description = "Whether interfaces without a fixed address ask for one.";
    };
    enableIPv6 = mkOption {
      type = types.bool;
      default = true;
      description = "Whether interfaces have IPv6 addresses.";
    };
    interfaces = mkOption {
      type = types.attrsOf interfaceType;
      default = { };
      description = "Network interfaces, by name.";
    };
    defaultGateway = mkOption {
      type = types.nullOr gatewayType;
      default = null;
      example = "192.0.2.1";
      description = "Where packets for other networks go.";
    };
    defaultGateway6 = mkOption {
      type = types.nullOr gatewayType;
      default = null;
      description = "Where IPv6 packets for other networks go.";
    };
    primaryInterface = mkOption {
      type = types.nullOr types.str;
      readOnly = true;
      description = "The first interface with a fixed IPv4 address, by name.";
    };
    primaryAddress = mkOption {
      type = types.nullOr types.str;
      readOnly = true;
      description = "The host's first fixed address, for use by other hosts; null when it has none.";
    };
  };

  config = {
    networking = {
      fqdn = if cfg.domain == null then cfg.hostName else "${cfg.hostName}.${cfg.domain}";
      hosts = {
        "127.0.0.1" = [ "localhost" ];
        "127.0.1.1" = optional (cfg.domain != null) cfg.fqdn ++ optional (cfg.hostName != "") cfg.hostName;
        "::1" = optionals cfg.enableIPv6 [
          "localhost"
          "ip6-localhost"
        ];
      };
      primaryInterface = if addressed == [ ] then null else (head addressed).name;
      primaryAddress =
        if addressed != [ ] then
          (head (head addressed).ipv4.addresses).address
        else if addressed6 != [ ] then
          (head (head addressed6).ipv6.addresses).address
        else
          null;
    };

    assertions = [
      {
        assertion =
          cfg.defaultGateway == null
          || cfg.defaultGateway.interface == null
          || cfg.interfaces ? ${toString cfg.defaultGateway.interface};
        message = "networking.defaultGateway.interface names '${toString cfg.defaultGateway.interface or ""}', which is not in networking.interfaces.";
      }
    ];

    environment.etc = mkMerge [
      {
        hostname.text = "${cfg.hostName}\n";
        hosts.text = hostsFile;
        # systemd brings one that would win over what is said about a container's interface.
        "systemd/network/80-container-host0.network".link = "/dev/null";
      }
      (mkIf (!config.services.resolved.enable) {
        "resolv.conf".text =
          lib.concatMapStrings (server: "nameserver ${server}\n") cfg.nameservers
          + lib.optionalString (cfg.search != [ ]) "search ${concatStringsSep " " cfg.search}\n"
          + "options edns0\n";
      })
    ];

    systemd.network = {
      enable = true;
      networks =
        mapAttrs' (_: interface: nameValuePair "10-${interface.name}" (networkOf interface)) cfg.interfaces
        // lib.optionalAttrs cfg.useDHCP {
          # After every other file, so that what is said about one interface wins.
          "95-dhcp" = {
            matchConfig.Name = "en* eth* host0";
            DHCP = "yes";
            networkConfig.LinkLocalAddressing = if cfg.enableIPv6 then "ipv6" else "no";
          };
        };
    };
    # A restart would drop addresses for a moment; new files are read by a reload.
    systemd.services.systemd-networkd.stopIfChanged = false;
    systemd.services.systemd-networkd-wait-online = {
      wantedBy = [ "network-online.target" ];
      overrideStrategy = "asDropin";
      serviceConfig.ExecStart = [
        ""
        "/usr/lib/systemd/systemd-networkd-wait-online --any --timeout=30"
      ];
    };
  };
}
