# Declaring options, and the ways in which several definitions of one option become one value.
{ lib }:
let
  inherit (builtins)
    all
    concatLists
    concatStringsSep
    foldl'
    head
    isAttrs
    isBool
    isFunction
    isInt
    isList
    isString
    length
    tail
    ;
  inherit (lib.moduleErrors) showDefinitions showFiles;

  showOption =
    parts:
    concatStringsSep "." (
      map (part: if part == "*" || builtins.match "<.*>" part != null then part else lib.strings.escapeNixIdentifier part) parts
    );

  mkOption = attributes: attributes // { _type = "option"; };

  mergeUniqueOption =
    {
      message,
      merge ? (_: definitions: (head definitions).value),
    }:
    loc: definitions:
    if length definitions == 1 then
      merge loc definitions
    else
      throw "The option `${showOption loc}' is defined multiple times while it's expected to be unique.\n${message}\nDefinition values:${showDefinitions definitions}\nUse `lib.mkForce value' or `lib.mkDefault value' to change the priority of one of them.";

  mergeOneOption = mergeUniqueOption { message = "One definition must be left."; };

  mergeEqualOption =
    loc: definitions:
    if definitions == [ ] then
      throw "The option `${showOption loc}' has no definition to merge."
    else if tail definitions == [ ] then
      (head definitions).value
    else
      let
        first = (head definitions).value;
      in
      if all (definition: definition.value == first) (tail definitions) then
        first
      else
        throw "The option `${showOption loc}' has conflicting definition values:${showDefinitions definitions}\nUse `lib.mkForce value' or `lib.mkDefault value' to change the priority of one of them.";

  # For options that do not say what they hold.
  mergeDefaultOption =
    loc: definitions:
    let
      values = map (definition: definition.value) definitions;
    in
    if length values == 1 then
      head values
    else if all isFunction values then
      argument: mergeDefaultOption loc (map (definition: definition // { value = definition.value argument; }) definitions)
    else if all isList values then
      concatLists values
    else if all isAttrs values then
      foldl' (left: right: left // right) { } values
    else if all isBool values then
      builtins.any (value: value) values
    else if all isString values then
      concatStringsSep "" values
    else if all isInt values && all (value: value == head values) values then
      head values
    else
      throw "The option `${showOption loc}' has definitions that cannot be merged:${showDefinitions definitions}";

  pathOf =
    default: path:
    if isList path then
      path
    else if isString path then
      [ path ]
    else
      throw "mkPackageOption: ${default} must be a name or a list of names.";

  literalExpression = text: {
    _type = "literalExpression";
    inherit text;
  };

  docList =
    prefix: tree:
    lib.concatMap (
      name:
      let
        node = tree.${name};
        isOption = isAttrs node && node._type or null == "option";
        loc = node.loc or (prefix ++ [ name ]);
        own = {
          inherit loc;
          name = showOption loc;
          description = node.description or null;
          declarations = node.declarations or [ ];
          internal = node.internal or false;
          visible = node.visible or true != false;
          readOnly = node.readOnly or false;
          type = node.type.description or "unspecified";
        }
        // (if node ? default || node ? defaultText then { default = renderDocValue (node.defaultText or node.default); } else { })
        // (if node ? example then { example = renderDocValue node.example; } else { });
        below = node.type.getSubOptions loc;
      in
      if name == "_module" then
        [ ]
      else if isOption then
        [ own ] ++ (if node.visible or true == true && node ? type then docList loc below else [ ])
      else if isAttrs node then
        docList (prefix ++ [ name ]) node
      else
        [ ]
    ) (builtins.attrNames tree);

  renderDocValue = value: if isAttrs value && value ? _type && value ? text then value else literalExpression (lib.moduleErrors.showValue value);
in
{
  inherit
    showOption
    mkOption
    mergeUniqueOption
    mergeOneOption
    mergeEqualOption
    mergeDefaultOption
    ;
  inherit (lib.moduleErrors) showFiles;
  showDefs = showDefinitions;

  isOption = value: isAttrs value && value._type or null == "option";

  mkEnableOption =
    name:
    mkOption {
      type = lib.types.bool;
      default = false;
      example = true;
      description = "Whether to enable ${name}.";
    };

  # mkPackageOption pkgs "nginx" { }: an option for the package that a service runs.
  mkPackageOption =
    pkgs: name:
    {
      nullable ? false,
      default ? name,
      example ? null,
      extraDescription ? "",
      pkgsText ? "pkgs",
    }:
    let
      names = if isList name then name else [ name ];
      defaultPath = pathOf "default" default;
      title = concatStringsSep "." names;
    in
    mkOption (
      {
        type = (if nullable then lib.types.nullOr else (type: type)) lib.types.package;
        description = "The ${title} package to use.${if extraDescription == "" then "" else " ${extraDescription}"}";
      }
      // (
        if default == null then
          (if nullable then { default = null; } else { })
        else
          {
            default = lib.attrByPath defaultPath (throw "${concatStringsSep "." defaultPath} cannot be found in ${pkgsText}.") pkgs;
            defaultText = literalExpression "${pkgsText}.${showOption defaultPath}";
          }
      )
      // (
        if example == null then
          { }
        else
          {
            example =
              if isList example then
                literalExpression "${pkgsText}.${showOption example}"
              else if isString example then
                literalExpression example
              else
                example;
          }
      )
    );

  mkSinkUndeclaredOptions =
    attributes:
    mkOption (
      {
        internal = true;
        visible = false;
        default = false;
        description = "Swallows definitions of options that are not declared.";
        type = lib.types.mkOptionType {
          name = "sink";
          merge = _: _: false;
        };
        apply = _: throw "A sink for undeclared options cannot be read.";
      }
      // attributes
    );

  getValues = map (definition: definition.value);
  getFiles = map (definition: definition.file);

  inherit literalExpression;
  literalMD = text: {
    _type = "literalMD";
    inherit text;
  };

  # Every option of a tree as a list, sub-options of submodules included, for documentation.
  optionAttrSetToDocList = docList [ ];
  unknownModule = "<unknown-file>";

  showOptionWithDefLocs =
    option: "${showOption option.loc}, with values defined in:${lib.concatMapStrings (file: "\n  - ${file}") option.files}";
}
