# Where a member of an option was defined, for people.
{ lib }:
let
  inherit (builtins)
    concatStringsSep
    filter
    map
    toString
    unsafeGetAttrPos
    ;
in
option: name:
concatStringsSep " and " (
  map (
    definition:
    let
      pos = unsafeGetAttrPos name definition.value;
    in
    if pos == null then definition.file else "${pos.file}:${toString pos.line}"
  ) (filter (definition: definition.value ? ${name}) option.definitionsWithLocations)
)
