# What is known of an option of a host, or which options lie below a path: for `pristine option`.
{
  lib,
  # Of an evaluated host.
  options,
  path,
}:
let
  inherit (builtins)
    attrNames
    concatMap
    elemAt
    filter
    head
    isAttrs
    length
    map
    match
    tail
    ;
  inherit (lib) isOption showOption;
  inherit (lib.modules) evalOption flattenDefinition;

  isPlaceholder = name: name == "*" || match "<.*>" name != null;

  # The node at a path below a node: an option, or a set of them.
  walk =
    loc: node: rest:
    if rest == [ ] then
      if isOption node then found loc node else { set = { inherit loc; options = node; }; }
    else
      let
        name = head rest;
        here = loc ++ [ name ];
        unknown = names: {
          unknown = {
            inherit loc name;
            near = lib.moduleErrors.near name names;
          };
        };
      in
      if isOption node then
        below loc node name (next: walk here next (tail rest)) unknown
      else if node ? ${name} then
        walk here node.${name} (tail rest)
      else
        unknown (filter (other: other != "_module") (attrNames node));

  found = loc: option: {
    inherit option loc;
  };

  # Options have others inside when their type says so; there these are evaluated as the type would.
  below =
    loc: option: name: go: unknown:
    let
      type = plainType option.type;
      sub = type.getSubOptions loc;
      definitions = map (definition: removeAttrs definition (if definition.pos == null then [ "pos" ] else [ ])) (
        filter (definition: definition.priority == option.highestPrio) option.definitionsWithPriorities
      );
    in
    if type.name == "submodule" then
      descend (if isPlaceholderLoc loc then sub else submoduleOptions type loc definitions) loc name go unknown
    else if isPlaceholder name then
      go (
        evalOption (loc ++ [ name ]) {
          inherit (option) declarations declarationPositions description;
          loc = loc ++ [ name ];
          type = type.nestedTypes.elemType or lib.types.unspecified;
        } [ ]
      )
    else if builtins.elem type.name [ "attrsOf" "lazyAttrsOf" ] then
      let
        inner = concatMap (
          definition:
          if isAttrs definition.value && definition.value ? ${name} then
            flattenDefinition (loc ++ [ name ]) {
              inherit (definition) file;
              value = definition.value.${name};
              pos = builtins.unsafeGetAttrPos name definition.value;
            }
          else
            [ ]
        ) definitions;
      in
      if inner == [ ] then
        unknown (concatMap (definition: if isAttrs definition.value then attrNames definition.value else [ ]) definitions)
      else
        go (
          evalOption (loc ++ [ name ]) {
            inherit (option) declarations declarationPositions;
            description = option.description or "";
            loc = loc ++ [ name ];
            type = type.nestedTypes.elemType;
          } inner
        )
    else
      unknown [ ];

  isPlaceholderLoc = loc: builtins.any isPlaceholder loc;

  descend =
    tree: loc: name: go: unknown:
    if tree ? ${name} then go tree.${name} else unknown (filter (other: other != "_module") (attrNames tree));

  # What may also be null, or be given in another form, is looked into as what it holds.
  plainType =
    type:
    if type.name == "nullOr" || type.name == "uniq" || type.name == "unique" then plainType type.nestedTypes.elemType else type;

  submoduleOptions =
    type: loc: definitions:
    let
      inherit (type.functor) payload;
      asModule =
        { file, value, ... }:
        if isAttrs value && payload.shorthandOnlyDefinesConfig == true then
          {
            _file = file;
            config = value;
          }
        else
          {
            _file = file;
            imports = [ value ];
          };
    in
    (lib.evalModules {
      inherit (payload) specialArgs;
      prefix = loc;
      modules =
        payload.modules
        ++ [
          {
            _file = "nix/lib/lib.types.nix";
            _module.args.name = elemAt loc (length loc - 1);
          }
        ]
        ++ map asModule definitions;
    }).options;

  result = walk [ ] options path;

  listed =
    prefix: tree:
    map (option: {
      inherit (option) name type;
      description = textOf option.description;
    }) (filter (option: option.visible && !option.internal) (lib.optionAttrSetToDocList (lib.setAttrByPath prefix tree)));

  # Options of the host that end as the unknown path does.
  endingAlike =
    let
      wanted = lib.last path;
      all = lib.optionAttrSetToDocList options;
    in
    lib.take 5 (
      map (option: option.name) (
        filter (option: lib.last option.loc == wanted && lib.all (name: builtins.elem name option.loc) path) all
      )
    );

  textOf =
    value:
    if value == null then
      ""
    else if isAttrs value && value ? text then
      value.text
    else
      toString value;

  describe =
    option:
    let
      shownAs = name: if option ? ${name} && isAttrs option.${name} && option.${name} ? text then textOf option.${name} else null;
    in
    {
      name = showOption option.loc;
      type = option.type.description or "unspecified";
      description = textOf (option.description or null);
      readOnly = option.readOnly or false;
      hasValue = !(isPlaceholderLoc option.loc);
      hasDefault = option ? default;
      defaultText = shownAs "defaultText";
      hasExample = option ? example;
      exampleText = shownAs "example";
      declarations = map (
        index:
        let
          pos = elemAt option.declarationPositions index;
        in
        {
          file = toString (elemAt option.declarations index);
          line = pos.line or null;
          column = pos.column or null;
        }
      ) (builtins.genList (index: index) (length option.declarations));
    };

  given = option: filter (definition: !definition.isDefault) option.definitionsWithPriorities;
in
if result ? unknown then
  {
    facts.unknown = {
      name = showOption (result.unknown.loc ++ [ result.unknown.name ]);
      near = map (name: showOption (result.unknown.loc ++ [ name ])) result.unknown.near;
      alike = endingAlike;
    };
  }
else if result ? set then
  { facts.below = listed result.set.loc result.set.options; }
else
  {
    facts.option = describe result.option;
    definitions = map (definition: {
      file = toString definition.file;
      place = definition.pos;
      inherit (definition) priority;
      isUsed = definition.priority == result.option.highestPrio;
    }) (given result.option);
    # Each in a list of its own, where an error is printed in its place.
    values = {
      value = [ result.option.value ];
      default = [ (result.option.default or null) ];
      example = [ (result.option.example or null) ];
      definitions = map (definition: [ definition.value ]) (given result.option);
    };
  }
