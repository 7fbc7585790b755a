# The options that are defined by what is tested; every value of them is part of the system.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
  any = option (types.attrsOf types.anything) { };
in
{
  options = {
    assertions = option (types.listOf types.unspecified) [ ];
    warnings = option (types.listOf types.str) [ ];
    nixpkgs = {
      system = option types.str "x86_64-linux";
      overlays = option (types.listOf types.unspecified) [ ];
      config = any;
      pkgs = option types.unspecified null;
    };
    networking.hostName = option types.str "nixos";
    boot.loader = any;
    documentation.nixos.extraModuleSources = option (types.listOf types.unspecified) [ ];
    environment.etc = option (types.attrsOf types.str) { };
    environment.order = option (types.listOf types.str) [ ];
    services = any;
    systemd.paths = any;
    systemd.services = any;
    system = {
      activationScripts = any;
      extraDependencies = option (types.listOf types.unspecified) [ ];
      build.toplevel = mkOption { type = types.unspecified; };
    };
  };

  config = {
    _module.args.pkgs =
      if config.nixpkgs.pkgs != null then
        config.nixpkgs.pkgs
      else
        import ../default.nix { inherit (config.nixpkgs) system overlays config; };
    system.activationScripts.users = "users";
    system.build.toplevel =
      let
        failed = builtins.filter (one: !one.assertion) config.assertions;
      in
      if failed != [ ] then
        throw "Failed assertions: ${lib.concatMapStringsSep ", " (one: one.message) failed}"
      else
        derivation {
          name = "nixos-system-${config.networking.hostName}-25.11";
          inherit (pkgs.stdenv.hostPlatform) system;
          builder = "/bin/sh";
          args = [
            "-c"
            "mkdir -p $out/bin"
          ];
          declared = builtins.toJSON {
            inherit (config.networking) hostName;
            inherit (config.environment) etc order;
            inherit (config) services;
            inherit (config.systemd) paths;
            units = config.systemd.services;
            scripts = config.system.activationScripts;
            inherit (config.system) extraDependencies;
            nixpkgs = config.nixpkgs.config;
            overlays = builtins.length config.nixpkgs.overlays;
            inherit (pkgs) hello;
          };
        };
  };
}
