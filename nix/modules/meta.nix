# meta.json: what tools may know about a system without reading its files.
{
  config,
  lib,
  pkgs,
  name,
  fleet,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (config) networking;
  inherit (networking) firewall;
  persistence = lib.filter (root: root.enable) (lib.attrValues config.persistence);
  homeDirectories =
    root:
    lib.concatLists (
      lib.mapAttrsToList (
        user: wanted:
        map (
          entry: entry // { directory = "${config.users.users.${user}.home}/${entry.directory}"; }
        ) wanted.directories
      ) root.users
    );
in
{
  options.system.meta = mkOption {
    type = types.attrsOf types.anything;
    default = { };
    internal = true;
    description = "The content of meta.json.";
  };

  config.system.meta = {
    version = 1;
    base = "debian";
    host = name;
    fleet = fleet.name;
    inherit (pkgs.pristine) system suite;
    packages = map (package: {
      name = package.pname;
      inherit (package) version;
      path = "${package}";
    }) config.system.packages;
    openPorts = {
      tcp = firewall.allowedTCPPorts;
      udp = firewall.allowedUDPPorts;
    };
    firewall = firewall.enable;
    inherit (networking) primaryAddress;
    sshPort = builtins.head (config.services.openssh.ports ++ [ 22 ]);
    persistence = {
      root = (builtins.head (persistence ++ [ { persistentStoragePath = "/persist"; } ])).persistentStoragePath;
      directories = lib.concatMap (root: root.directories ++ homeDirectories root) persistence;
      files = lib.concatMap (root: root.files) persistence;
    };
  };
}
