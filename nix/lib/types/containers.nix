# Types of values that have parts, and types made of other types.
{ lib }:
let
  inherit (builtins)
    all
    concatLists
    concatStringsSep
    elemAt
    filter
    foldl'
    head
    isAttrs
    isList
    length
    mapAttrs
    unsafeGetAttrPos
    ;
  inherit (lib.options) mergeOneOption mergeUniqueOption showOption;
  inherit (lib.moduleErrors) showDefinitions;
  inherit (lib.attrsets) filterAttrs zipAttrsWith;
  inherit (lib.lists) imap1;
  inherit (lib.modules) mergeDefinitions;
  inherit (lib.types) defaultFunctor elementFunctor mkOptionType phrase;

  listOf =
    elemType:
    mkOptionType {
      name = "listOf";
      description = "list of ${phrase elemType}";
      descriptionClass = "composite";
      check = isList;
      merge =
        loc: definitions:
        let
          several = length definitions > 1;
        in
        concatLists (
          imap1 (
            index: definition:
            concatLists (
              imap1 (
                position: value:
                let
                  merged = mergeDefinitions (
                    loc
                    ++ [
                      (
                        if several then
                          "[definition ${toString index}-entry ${toString position}]"
                        else
                          "[definition 1-entry ${toString position}]"
                      )
                    ]
                  ) elemType [
                    {
                      inherit (definition) file;
                      inherit value;
                      pos = definition.pos or null;
                    }
                  ];
                in
                if merged.isDefined then [ merged.mergedValue ] else [ ]
              ) definition.value
            )
          ) definitions
        );
      emptyValue.value = [ ];
      getSubOptions = prefix: elemType.getSubOptions (prefix ++ [ "*" ]);
      getSubModules = elemType.getSubModules;
      substSubModules = modules: listOf (elemType.substSubModules modules);
      functor = elementFunctor "listOf" elemType listOf;
      nestedTypes = { inherit elemType; };
    };

  attrsWith =
    {
      elemType,
      lazy ? false,
      placeholder ? "name",
    }:
    let
      rebuild =
        elemType:
        attrsWith {
          inherit elemType lazy placeholder;
        };
    in
    mkOptionType {
      name = if lazy then "lazyAttrsOf" else "attrsOf";
      description = "${if lazy then "lazy attribute set" else "attribute set"} of ${phrase elemType}";
      descriptionClass = "composite";
      check = isAttrs;
      merge =
        loc: definitions:
        let
          merged = zipAttrsWith (name: values: mergeDefinitions (loc ++ [ name ]) elemType values) (
            map (
              definition:
              mapAttrs (
                name: value: {
                inherit (definition) file;
                inherit value;
                pos = unsafeGetAttrPos name definition.value;
              }
              ) definition.value
            ) definitions
          );
        in
        if lazy then
          mapAttrs (
            _: entry: if entry.isDefined then entry.mergedValue else elemType.emptyValue.value or entry.mergedValue
          ) merged
        else
          mapAttrs (_: entry: entry.mergedValue) (filterAttrs (_: entry: entry.isDefined) merged);
      emptyValue.value = { };
      getSubOptions = prefix: elemType.getSubOptions (prefix ++ [ "<${placeholder}>" ]);
      getSubModules = elemType.getSubModules;
      substSubModules = modules: rebuild (elemType.substSubModules modules);
      functor = defaultFunctor "attrsWith" // {
        type = payload: attrsWith payload;
        payload = {
          inherit elemType lazy placeholder;
        };
        binOp =
          left: right:
          let
            joined = left.elemType.typeMerge right.elemType.functor;
            placeholder = if left.placeholder == "name" then right.placeholder else left.placeholder;
          in
          if
            joined == null
            || left.lazy != right.lazy
            || (right.placeholder != "name" && placeholder != right.placeholder)
          then
            null
          else
            {
              elemType = joined;
              inherit (left) lazy;
              inherit placeholder;
            };
      };
      nestedTypes = { inherit elemType; };
    };

  nullOr =
    elemType:
    mkOptionType {
      name = "nullOr";
      description = "null or ${phrase elemType}";
      descriptionClass = "conjunction";
      check = value: value == null || elemType.check value;
      merge =
        loc: definitions:
        let
          nullCount = length (filter (definition: definition.value == null) definitions);
        in
        if nullCount == length definitions then
          null
        else if nullCount != 0 then
          throw "The option `${showOption loc}' is defined both null and not null:${showDefinitions definitions}"
        else
          elemType.merge loc definitions;
      emptyValue.value = null;
      getSubOptions = elemType.getSubOptions;
      getSubModules = elemType.getSubModules;
      substSubModules = modules: nullOr (elemType.substSubModules modules);
      functor = elementFunctor "nullOr" elemType nullOr;
      nestedTypes = { inherit elemType; };
    };

  uniqueWith =
    { message }:
    type:
    mkOptionType {
      name = "unique";
      description = type.description;
      descriptionClass = type.descriptionClass;
      check = type.check;
      merge = mergeUniqueOption {
        inherit message;
        inherit (type) merge;
      };
      emptyValue = type.emptyValue;
      getSubOptions = type.getSubOptions;
      getSubModules = type.getSubModules;
      substSubModules = modules: uniqueWith { inherit message; } (type.substSubModules modules);
      functor = elementFunctor "unique" type (uniqueWith { inherit message; });
      nestedTypes.elemType = type;
    };

  functionTo =
    elemType:
    mkOptionType {
      name = "functionTo";
      description = "function that evaluates to a(n) ${phrase elemType}";
      descriptionClass = "composite";
      check = lib.trivial.isFunction;
      merge =
        loc: definitions:
        let
          # The merged function asks for what any of the merged ones asks for.
          formals = zipAttrsWith (_: all (optional: optional)) (
            map (definition: lib.trivial.functionArgs definition.value) definitions
          );
        in
        lib.trivial.setFunctionArgs (
          argument:
          (mergeDefinitions (loc ++ [ "<function body>" ]) elemType (
            map (definition: {
              inherit (definition) file;
              value = definition.value argument;
            }) definitions
          )).mergedValue
        ) formals;
      getSubOptions = prefix: elemType.getSubOptions (prefix ++ [ "<function body>" ]);
      getSubModules = elemType.getSubModules;
      substSubModules = modules: functionTo (elemType.substSubModules modules);
      functor = elementFunctor "functionTo" elemType functionTo;
      nestedTypes = { inherit elemType; };
    };

  either =
    left: right:
    mkOptionType {
      name = "either";
      description = "${if left.descriptionClass == "conjunction" then left.description else phrase left} or ${
        if right.descriptionClass == "conjunction" then right.description else phrase right
      }";
      descriptionClass = "conjunction";
      check = value: left.check value || right.check value;
      merge =
        loc: definitions:
        let
          fits = type: all (definition: type.check definition.value) definitions;
        in
        if fits left then
          left.merge loc definitions
        else if fits right then
          right.merge loc definitions
        else
          mergeOneOption loc definitions;
      functor = defaultFunctor "either" // {
        type = payload: either (elemAt payload.elemType 0) (elemAt payload.elemType 1);
        payload.elemType = [
          left
          right
        ];
        binOp =
          a: b:
          let
            first = (elemAt a.elemType 0).typeMerge (elemAt b.elemType 0).functor;
            second = (elemAt a.elemType 1).typeMerge (elemAt b.elemType 1).functor;
          in
          if first == null || second == null then
            null
          else
            {
              elemType = [
                first
                second
              ];
            };
      };
      getSubOptions =
        prefix:
        let
          own = left.getSubOptions prefix;
        in
        if own == { } then right.getSubOptions prefix else own;
      nestedTypes = {
        inherit left right;
      };
    };

  oneOf =
    list:
    if list == [ ] then
      throw "lib.types.oneOf needs a non-empty list of lib.types."
    else
      foldl' either (head list) (builtins.tail list);

  coercedTo =
    from: convert: to:
    mkOptionType {
      name = "coercedTo";
      description = "${phrase to} or ${phrase from} convertible to it";
      check = value: (from.check value && to.check (convert value)) || to.check value;
      merge =
        loc: definitions:
        to.merge loc (
          map (
            definition:
            definition // { value = if from.check definition.value then convert definition.value else definition.value; }
          ) definitions
        );
      emptyValue = to.emptyValue;
      getSubOptions = to.getSubOptions;
      getSubModules = to.getSubModules;
      substSubModules = modules: coercedTo from convert (to.substSubModules modules);
      # A conversion is a function, and functions cannot be compared: never the same type.
      typeMerge = _: null;
      functor = defaultFunctor "coercedTo" // {
        wrapped = to;
      };
      nestedTypes = {
        coercedType = from;
        finalType = to;
      };
    };

  attrTag =
    tags:
    let
      choices = concatStringsSep ", " (builtins.attrNames tags);
      checked = mapAttrs (
        name: option:
        if option._type or null == "option" then
          option
        else
          throw "In attrTag, each tag value must be an option, but tag ${name} ${
            if option._type or null == "option-type" then "was a bare type, not wrapped in mkOption" else "was not"
          }."
      ) tags;
    in
    mkOptionType {
      name = "attrTag";
      description = "attribute-tagged union with choices: ${choices}";
      descriptionClass = "noun";
      check = value: isAttrs value && builtins.attrNames value != [ ] && length (builtins.attrNames value) == 1 && checked ? ${head (builtins.attrNames value)};
      merge =
        loc: definitions:
        let
          tag = head (builtins.attrNames (head definitions).value);
          option = lib.modules.evalOption (loc ++ [ tag ]) (
            checked.${tag}
            // {
              declarations = checked.${tag}.declarations or [ "<unknown-file>" ];
            }
          ) (
            map (definition: {
              inherit (definition) file;
              value = definition.value.${tag};
            }) definitions
          );
        in
        if all (definition: definition.value ? ${tag}) definitions then
          { ${tag} = option.value; }
        else
          throw "The option `${showOption loc}' is defined with different tags (choices: ${choices}):${showDefinitions definitions}";
      getSubOptions = prefix: mapAttrs (name: option: option // { loc = prefix ++ [ name ]; }) checked;
      functor = defaultFunctor "attrTag" // {
        type = payload: attrTag payload.tags;
        payload = { inherit tags; };
        binOp =
          left: right:
          if builtins.intersectAttrs left.tags right.tags == { } then
            { tags = left.tags // right.tags; }
          else
            null;
      };
      nestedTypes = mapAttrs (_: option: option.type) checked;
    };
in
{
  inherit
    listOf
    attrsWith
    nullOr
    functionTo
    either
    oneOf
    coercedTo
    attrTag
    uniqueWith
    ;
}
