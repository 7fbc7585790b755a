# Stands where Colmena looks for NixOS's: evaluates a node whose system is made already.
{
  modules,
  specialArgs ? { },
  ...
}:
let
  lib = (import ../../../lib) // {
    # As said in ../../default.nix.
    version = "25.11";
  };
in
lib.evalModules {
  specialArgs = {
    inherit lib;
  }
  // specialArgs;
  modules = [
    {
      # What Colmena defines besides (units for keys, assertions) goes into no system here.
      freeformType = lib.types.lazyAttrsOf lib.types.anything;
      options.system.build.toplevel = lib.mkOption {
        type = lib.types.package;
        description = "The node's system.";
      };
      config._module.args.pkgs = { };
    }
  ]
  ++ modules;
}
