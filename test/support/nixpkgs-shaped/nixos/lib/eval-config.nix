# Shaped like NixOS' evaluation: a module system with options that tools define, and a system made of their values.
{
  system ? null,
  modules ? [ ],
  specialArgs ? { },
}:
let
  lib = import ../../lib.nix;
  evaluated = lib.evalModules {
    modules = [ ../modules.nix { nixpkgs.system = lib.mkIf (system != null) (lib.mkDefault system); } ] ++ modules;
    specialArgs = {
      inherit lib;
      modulesPath = toString ../.;
    }
    // specialArgs;
  };
in
evaluated
// {
  pkgs = evaluated._module.args.pkgs or evaluated.config._module.args.pkgs;
  inherit lib;
}
