# The module system: many modules, each declaring options and giving definitions, become one configuration.
#
# A module is a path, a function or an attribute set. It is loaded (load.nix); declarations and definitions are walked down
# together, name by name (tree.nix); where a declaration is met, the definitions that arrived there become one value
# (definitions.nix), merged by its type (../types).
{ lib }:
let
  call = file: import file { inherit lib; };
in
call ./properties.nix
// call ./load.nix
// call ./tree.nix
// call ./definitions.nix
// call ./evaluate.nix
// call ./renames.nix
