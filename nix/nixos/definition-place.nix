# Where a member of an option was defined, for people: files are all that NixOS knows of it.
{ lib }:
option: name:
lib.concatMapStringsSep " and " (definition: toString definition.file) (
  builtins.filter (definition: definition.value ? ${name}) option.definitionsWithLocations
)
