# Files for systemd-networkd, key by key. For the usual cases `networking` is shorter.
{ config, lib, ... }:
let
  inherit (lib) concatMapStrings mapAttrs' mkIf mkMerge mkOption nameValuePair optionalString types;
  cfg = config.systemd.network;
  inherit (import ./systemd/unit-options.nix { inherit lib; }) unitValue;
  inherit (import ./systemd/unit-text.nix { inherit lib; pkgs = null; }) section;

  keys =
    description:
    mkOption {
      type = types.attrsOf unitValue;
      default = { };
      inherit description;
    };
  listOfKeys =
    description:
    mkOption {
      type = types.listOf (types.attrsOf unitValue);
      default = [ ];
      inherit description;
    };
  strings =
    description:
    mkOption {
      type = types.listOf types.str;
      default = [ ];
      inherit description;
    };
  lines = mkOption {
    type = types.lines;
    default = "";
    description = "Further lines.";
  };
  enable = mkOption {
    type = types.bool;
    default = true;
    description = "Whether the file is used.";
  };

  files =
    options: description:
    mkOption {
      type = types.attrsOf (types.submodule { options = options // { inherit enable; extraConfig = lines; }; });
      default = { };
      inherit description;
    };

  join = parts: lib.concatStringsSep "\n" (builtins.filter (part: part != "") parts);
  render = suffix: text: mapAttrs' (name: file: nameValuePair "systemd/network/${name}.${suffix}" { text = text file; });
  enabled = lib.filterAttrs (_: file: file.enable);

  networkText =
    file:
    join (
      [
        (section "Match" file.matchConfig)
        (section "Link" file.linkConfig)
        (section "Network" (
          file.networkConfig
          // lib.optionalAttrs (file.DHCP != null) { inherit (file) DHCP; }
          // lib.optionalAttrs (file.address != [ ]) { Address = file.address; }
          // lib.optionalAttrs (file.gateway != [ ]) { Gateway = file.gateway; }
          // lib.optionalAttrs (file.dns != [ ]) { DNS = file.dns; }
          // lib.optionalAttrs (file.domains != [ ]) { Domains = toString file.domains; }
          // lib.optionalAttrs (file.vlan != [ ]) { VLAN = file.vlan; }
          // lib.optionalAttrs (file.bridge != [ ]) { Bridge = file.bridge; }
        ))
      ]
      ++ map (section "Address") file.addresses
      ++ map (section "Route") file.routes
      ++ [
        (section "DHCPv4" file.dhcpV4Config)
        (section "DHCPv6" file.dhcpV6Config)
        (section "IPv6AcceptRA" file.ipv6AcceptRAConfig)
        (section "Bridge" file.bridgeConfig)
        file.extraConfig
      ]
    );
  netdevText =
    file:
    join (
      [
        (section "NetDev" file.netdevConfig)
        (section "VLAN" file.vlanConfig)
        (section "Bridge" file.bridgeConfig)
        (section "WireGuard" file.wireguardConfig)
      ]
      ++ map (section "WireGuardPeer") file.wireguardPeers
      ++ [ file.extraConfig ]
    );
in
{
  options.systemd.network = {
    enable = mkOption {
      type = types.bool;
      default = false;
      description = "Whether systemd-networkd runs.";
    };
    networks = files {
      matchConfig = keys "Which interfaces the file is about.";
      networkConfig = keys "Keys of the [Network] section.";
      linkConfig = keys "Keys of the [Link] section.";
      dhcpV4Config = keys "Keys of the [DHCPv4] section.";
      dhcpV6Config = keys "Keys of the [DHCPv6] section.";
      ipv6AcceptRAConfig = keys "Keys of the [IPv6AcceptRA] section.";
      bridgeConfig = keys "Keys of the [Bridge] section.";
      addresses = listOfKeys "[Address] sections.";
      routes = listOfKeys "[Route] sections.";
      address = strings "Addresses with their prefix lengths.";
      gateway = strings "Gateways.";
      dns = strings "Name servers.";
      domains = strings "Domains for looking up names.";
      vlan = strings "VLANs on the interface.";
      bridge = strings "Bridges the interface is a port of.";
      DHCP = mkOption {
        type = types.nullOr types.str;
        default = null;
        description = "Whether to ask for addresses.";
      };
    } "Networks, by file name.";
    netdevs = files {
      netdevConfig = keys "Keys of the [NetDev] section.";
      vlanConfig = keys "Keys of the [VLAN] section.";
      bridgeConfig = keys "Keys of the [Bridge] section.";
      wireguardConfig = keys "Keys of the [WireGuard] section.";
      wireguardPeers = listOfKeys "[WireGuardPeer] sections.";
    } "Virtual network devices, by file name.";
    links = files {
      matchConfig = keys "Which devices the file is about.";
      linkConfig = keys "Keys of the [Link] section.";
    } "Settings of devices, by file name.";
  };

  config = mkMerge [
    {
      environment.etc = mkMerge [
        (render "network" networkText (enabled cfg.networks))
        (render "netdev" netdevText (enabled cfg.netdevs))
        (render "link" (
          file:
          join [
            (section "Match" file.matchConfig)
            (section "Link" file.linkConfig)
            file.extraConfig
          ]
        ) (enabled cfg.links))
      ];
    }
    {
      assertions = lib.concatLists (
        lib.mapAttrsToList (
          name: file:
          map (setting: {
            assertion = !(setting.section ? ${setting.key});
            message = "systemd.network.netdevs.${lib.escapeNixIdentifier name}: ${setting.key} would be in the store, where everybody can read it. Use ${setting.key}File.";
          }) (
            [
              {
                section = file.wireguardConfig;
                key = "PrivateKey";
              }
            ]
            ++ map (section: {
              inherit section;
              key = "PresharedKey";
            }) file.wireguardPeers
          )
        ) (enabled cfg.netdevs)
      );
    }
    (mkIf cfg.enable {
      systemd.services.systemd-networkd = {
        wantedBy = [ "multi-user.target" ];
        reloadTriggers =
          map networkText (builtins.attrValues (enabled cfg.networks))
          ++ map netdevText (builtins.attrValues (enabled cfg.netdevs));
      };
    })
  ];
}
