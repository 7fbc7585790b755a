# Pristine's Nix code. `(import ./nix { }).evalFleet ./fleet.nix` evaluates a fleet, in any Nix.
{ }:
let
  lib = import ./lib;
  fleet = import ./fleet.nix { inherit lib; };
in
{
  inherit lib;
  # Of an evaluated fleet: its systems, `nixosConfigurations` and a hive.
  exportOf = import ./export { inherit lib; };
  inherit (fleet)
    evalFleet
    evalHost
    lockNames
    bootstrap
    kit
    ;
}
