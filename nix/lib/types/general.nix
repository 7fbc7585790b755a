# Types of whatever comes, and short names of types that are made elsewhere.
{ lib }:
let
  inherit (builtins) all foldl' head isAttrs isList length typeOf;
  inherit (lib.options) mergeEqualOption mergeOneOption;
  inherit (lib.lists) unique;
  inherit (lib.strings) isStringLike;
  inherit (lib.types) addCheck mkOptionType phrase;

  anything = mkOptionType {
    name = "anything";
    description = "anything";
    descriptionClass = "noun";
    merge =
      loc: definitions:
      let
        kind = value: if isAttrs value && isStringLike value then "stringCoercibleSet" else typeOf value;
        kinds = unique (map (definition: kind definition.value) definitions);
        one = length kinds == 1;
        first = head kinds;
      in
      if one && first == "set" then
        (lib.types.attrsOf anything).merge loc definitions
      else if one && first == "list" then
        if length definitions == 1 then (lib.types.listOf anything).merge loc definitions else mergeEqualOption loc definitions
      else if one && first == "lambda" then
        argument:
        anything.merge (loc ++ [ "<function body>" ]) (
          map (
            definition:
            definition
            // {
              value = definition.value argument;
            }
          ) definitions
        )
      else if one && first == "stringCoercibleSet" then
        mergeOneOption loc definitions
      else
        mergeEqualOption loc definitions;
  };
in
{
  inherit
    anything
    ;

  raw = mkOptionType {
    name = "raw";
    description = "raw value";
    descriptionClass = "noun";
    merge = mergeOneOption;
  };

  unspecified = mkOptionType {
    name = "unspecified";
    description = "unspecified value";
    descriptionClass = "noun";
  };

  attrs = mkOptionType {
    name = "attrs";
    description = "attribute set";
    check = isAttrs;
    merge = _: foldl' (all: definition: all // definition.value) { };
    emptyValue.value = { };
  };

  attrsOf = elemType: lib.types.attrsWith { inherit elemType; };

  # Like attrsOf, but which names exist is known without looking at the values, so values may refer to each other's; a name whose only
  # definition is disabled by mkIf stays there and fails when it is read.
  lazyAttrsOf =
    elemType:
    lib.types.attrsWith {
      inherit elemType;
      lazy = true;
    };

  loaOf = _: throw "types.loaOf is gone: use types.attrsOf.";

  nonEmptyListOf =
    elemType:
    addCheck (lib.types.listOf elemType) (list: list != [ ])
    // {
      description = "non-empty (list of ${phrase elemType})";
      emptyValue = { };
    };

  unique = lib.types.uniqueWith;
  uniq = lib.types.uniqueWith { message = "Only one definition is allowed."; };

  submodule =
    modules:
    lib.types.submoduleWith {
      shorthandOnlyDefinesConfig = true;
      modules = if isList modules then modules else [ modules ];
    };

  deferredModule = lib.types.deferredModuleWith { };
}
