# Configuration files of the usual kinds, from Nix values.
{ lib }:
let
  inherit (builtins)
    attrNames
    concatStringsSep
    filter
    isAttrs
    isBool
    isFloat
    isInt
    isList
    isPath
    isString
    mapAttrs
    toJSON
    typeOf
    ;
  inherit (lib.attrsets) mapAttrsToList isDerivation;
  inherit (lib.trivial) boolToString isFunction;

  # A value as most configuration files write it.
  mkValueStringDefault =
    { }:
    value:
    if isInt value then
      toString value
    else if isDerivation value then
      toString value
    else if isString value then
      value
    else if value == true then
      "true"
    else if value == false then
      "false"
    else if value == null then
      "null"
    else if isFloat value then
      lib.strings.floatToString value
    else
      throw "generators.mkValueStringDefault: a value of type ${typeOf value} is not supported: ${toPretty { } value}";

  mkKeyValueDefault =
    {
      mkValueString ? mkValueStringDefault { },
    }:
    separator: key: value:
    "${lib.escape [ separator ] key}${separator}${mkValueString value}";

  toKeyValue =
    {
      mkKeyValue ? mkKeyValueDefault { } "=",
      listsAsDuplicateKeys ? false,
      indent ? "",
    }:
    set:
    let
      line = key: value: indent + mkKeyValue key value + "\n";
      lines = if listsAsDuplicateKeys then key: value: map (line key) (if isList value then value else [ value ]) else key: value: [ (line key value) ];
    in
    lib.concatStrings (lib.concatLists (mapAttrsToList lines set));

  toINI =
    {
      mkSectionName ? (name: lib.escape [ "[" "]" ] name),
      mkKeyValue ? mkKeyValueDefault { } "=",
      listsAsDuplicateKeys ? false,
    }:
    sections:
    concatStringsSep "\n" (
      mapAttrsToList (
        name: set: "[${mkSectionName name}]\n" + toKeyValue { inherit mkKeyValue listsAsDuplicateKeys; } set
      ) sections
    );

  toPretty =
    args@{
      multiline ? true,
      allowPrettyValues ? false,
      indent ? "",
    }:
    value:
    let
      inner = "${indent}  ";
      newline = if multiline then "\n${inner}" else " ";
      close = if multiline then "\n${indent}" else " ";
      go = toPretty (args // { indent = inner; });
      quoted = text: "\"${lib.replaceStrings [ "\\" "\"" "\${" ] [ "\\\\" "\\\"" "\\\${" ] text}\"";
    in
    if isInt value then
      toString value
    else if isFloat value then
      "~${toString value}"
    else if isString value then
      if multiline && lib.hasInfix "\n" value then
        "''${newline}${
          concatStringsSep newline (
            lib.splitString "\n" (lib.replaceStrings [ "''" "\${" ] [ "'''" "''\${" ] (lib.removeSuffix "\n" value))
          )
        }${if lib.hasSuffix "\n" value then close else ""}''"
      else
        lib.replaceStrings [ "\n" ] [ "\\n" ] (quoted value)
    else if value == true then
      "true"
    else if value == false then
      "false"
    else if value == null then
      "null"
    else if isPath value then
      toString value
    else if isList value then
      if value == [ ] then "[ ]" else "[${newline}${concatStringsSep newline (map go value)}${close}]"
    else if isAttrs value then
      if allowPrettyValues && value ? __pretty && value ? val then
        value.__pretty value.val
      else if isDerivation value then
        "<derivation ${value.name or "???"}>"
      else if isFunction value then
        "<function>"
      else if value == { } then
        "{ }"
      else
        "{${newline}${
          concatStringsSep newline (
            mapAttrsToList (
              name: inner: "${lib.escapeNixIdentifier name} = ${builtins.addErrorContext "while printing the attribute `${name}'" (go inner)};"
            ) value
          )
        }${close}}"
    else if isFunction value then
      let
        formals = lib.functionArgs value;
        shown = concatStringsSep ", " (mapAttrsToList (name: hasDefault: if hasDefault then "${name}?" else name) formals);
      in
      if formals == { } then "<function>" else "<function, args: {${shown}}>"
    else
      throw "generators.toPretty: a value of type ${typeOf value} is not supported.";

  # Git's configuration format: sections may have a subsection.
  toGitINI =
    set:
    let
      renderKey = key: value: "\t${key} = ${gitValue value}\n";
      gitValue =
        value:
        if isBool value then
          boolToString value
        else if isInt value then
          toString value
        else
          "\"${lib.escape [ "\\" "\"" ] (toString value)}\"";
      section =
        header: values:
        let
          plain = lib.filterAttrs (_: value: !isAttrs value) values;
          subs = lib.filterAttrs (_: value: isAttrs value) values;
        in
        (
          if plain == { } then
            [ ]
          else
            [
              (
                "[${header}]\n"
                + lib.concatStrings (
                  lib.concatLists (mapAttrsToList (key: value: map (renderKey key) (lib.toList value)) plain)
                )
              )
            ]
        )
        ++ lib.concatLists (mapAttrsToList (name: section "${header} \"${lib.escape [ "\\" "\"" ] name}\"") subs);
    in
    concatStringsSep "\n" (lib.concatLists (mapAttrsToList section set));
in
{
  inherit
    mkValueStringDefault
    mkKeyValueDefault
    toKeyValue
    toINI
    toPretty
    toGitINI
    ;

  toINIWithGlobalSection =
    options:
    {
      globalSection,
      sections ? { },
    }:
    (if globalSection == { } then "" else toKeyValue (removeAttrs options [ "mkSectionName" ]) globalSection + "\n")
    + toINI options sections;

  toJSON = { }: toJSON;
  # JSON is YAML.
  toYAML = { }: toJSON;

  mkLuaInline = text: {
    _type = "lua-inline";
    inherit text;
  };

  withRecursion =
    {
      depthLimit,
      throwOnDepthLimit ? true,
    }:
    value:
    let
      go =
        depth: part:
        if depth > depthLimit then
          if throwOnDepthLimit then throw "Exceeded maximum eval-depth limit of ${toString depthLimit}" else "<unevaluated>"
        else if isAttrs part then
          mapAttrs (_: go (depth + 1)) part
        else if isList part then
          map (go (depth + 1)) part
        else
          part;
    in
    go 0 value;

}
