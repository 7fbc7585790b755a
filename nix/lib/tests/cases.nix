# The cases against the values recorded beside them.
let
  lib = import ../.;
  check =
    name:
    let
      expected = builtins.fromJSON (builtins.readFile (./. + "/${name}.json"));
      # Through JSON, as the expectations are.
      actual = builtins.fromJSON (builtins.toJSON (import (./. + "/${name}.nix") { inherit lib; }));
      compare =
        path: want: have:
        if builtins.isAttrs want && builtins.isAttrs have then
          builtins.concatMap (
            key:
            compare "${path}.${key}" (want.${key} or "<missing>") (have.${key} or "<missing>")
          ) (builtins.attrNames (want // have))
        else if want == have then
          [ ]
        else
          [ "${path}: expected ${builtins.toJSON want}, got ${builtins.toJSON have}" ];
    in
    compare name expected actual;
in
check "function-cases" ++ check "module-cases"
