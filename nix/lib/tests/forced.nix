# Every name of the library stands for a value.
let
  lib = import ../.;
  broken =
    prefix: set:
    builtins.concatMap (
      name:
      let
        tried = builtins.tryEval (builtins.seq set.${name} true);
      in
      if tried.success then [ ] else [ "${prefix}${name}" ]
    ) (builtins.attrNames set);
in
builtins.concatMap (name: broken "lib.${name}." lib.${name}) [
  "trivial"
  "lists"
  "attrsets"
  "strings"
  "versions"
  "meta"
  "options"
  "modules"
  "types"
  "generators"
  "debug"
  "fixedPoints"
  "sources"
  "moduleErrors"
]
++ broken "lib." lib
