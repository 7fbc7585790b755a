# nixpkgs' own lib where a copy is named, else what Pristine has of it, with the little that only NixOS uses.
let
  own = import ../../../nix/lib;
  copy = builtins.getEnv "NIXPKGS_LIB";
in
if copy != "" then
  import copy
else
  own
  // {
    stringAfter = deps: text: { inherit deps text; };
    version = "25.11";
    scrubOptionValue = value: value;
  }
