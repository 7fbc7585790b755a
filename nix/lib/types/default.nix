# The types of options: what a definition may be (check), how several definitions become one value (merge), and how the same option
# declared twice gets one type (typeMerge).
{ lib }:
let
  call = file: import file { inherit lib; };
in
call ./base.nix // call ./scalars.nix // call ./containers.nix // call ./submodules.nix // call ./general.nix
