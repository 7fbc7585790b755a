# The whole: packages, /usr, /etc, stage 2 and meta.json as one store path.
{
  config,
  lib,
  pkgs,
  name,
  fleet,
  ...
}:
let
  inherit (lib) concatMapStringsSep filter mkOption types;
  cfg = config.system;

  failed = map (entry: entry.message) (filter (entry: !entry.assertion) config.assertions);

  checked =
    if failed == [ ] then
      lib.foldl' (result: warning: lib.warn "host '${name}': ${warning}" result)
    else
      throw "Host '${name}' cannot be built. Failed assertions:\n${concatMapStringsSep "\n" (message: "- ${message}") failed}";
in
{
  options.system = {
    build = mkOption {
      type = types.submoduleWith {
        modules = [ { freeformType = types.lazyAttrsOf types.unspecified; } ];
      };
      default = { };
      internal = true;
      description = "What is built out of the configuration.";
    };
    packages = mkOption {
      type = types.listOf types.package;
      readOnly = true;
      internal = true;
      description = "All packages on the host: those asked for, and what they depend on.";
    };
    packageNames = mkOption {
      type = types.listOf types.str;
      readOnly = true;
      internal = true;
      description = "The packages that are asked for, by name.";
    };
    stateVersion = mkOption {
      type = types.str;
      default = "1";
      description = "The version of Pristine whose defaults for data on disk this host follows.";
    };
  };

  config.system = {
    packages = pkgs.pristine.closureOf config.environment.systemPackages;

    packageNames = lib.uniqueStrings (map (package: package.pname) config.environment.systemPackages);

    build = {
      usr = pkgs.pristine.makeUsr {
        name = "usr";
        paths = cfg.packages;
      };
      object = lib.mkDefault (pkgs.pristine.makeSystem {
        host = name;
        inherit (cfg) meta packages;
        inherit (cfg.build) etc init usr;
      });
      toplevel = checked cfg.build.object config.warnings;
    };
  };
}
