# Where a member of an option was defined, for people.
{ lib }:
option: name:
lib.concatMapStringsSep " and " (definition: lib.moduleErrors.placeIn definition.file name definition.value) (
  builtins.filter (definition: definition.value ? ${name}) option.definitionsWithLocations
)
