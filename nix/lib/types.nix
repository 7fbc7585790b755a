# The types of options: what a definition may be (check), how several definitions become one value (merge), and how the same option
# declared twice gets one type (typeMerge).
{ lib }:
let
  inherit (builtins)
    all
    concatLists
    concatMap
    concatStringsSep
    elem
    elemAt
    filter
    foldl'
    head
    isAttrs
    isBool
    isFloat
    isFunction
    isInt
    isList
    isPath
    isString
    length
    listToAttrs
    mapAttrs
    match
    stringLength
    substring
    typeOf
    unsafeGetAttrPos
    ;
  inherit (lib.attrsets) filterAttrs isDerivation zipAttrsWith;
  inherit (lib.lists) imap1 last unique;
  inherit (lib.modules) evalModules mergeDefinitions mkOptionDefault;
  inherit (lib.options)
    mergeDefaultOption
    mergeEqualOption
    mergeOneOption
    mergeUniqueOption
    showOption
    ;
  inherit (lib.moduleErrors) showDefinitions showFiles showValue;
  inherit (lib.strings) isConvertibleWithToString isStringLike isStorePath;

  # Two types of one family are one type if their parameters can be joined.
  defaultTypeMerge =
    functor: other:
    let
      wrapped = functor.wrapped.typeMerge (other.wrapped.functor);
      joined = functor.binOp functor.payload other.payload;
    in
    if functor.name != other.name then
      null
    else if functor.wrapped or null != null && other.wrapped or null != null then
      (if wrapped == null then null else functor.type wrapped)
    else if functor.payload or null != null then
      if other.payload or null == null || joined == null then null else functor.type joined
    else if other.payload or null != null then
      null
    else
      functor.type;

  defaultFunctor = name: {
    inherit name;
    type = types.${name} or null;
    wrapped = null;
    payload = null;
    binOp = _: _: null;
  };

  # A family whose only parameter is the type of what is inside.
  elementFunctor = name: elemType: build: {
    inherit name;
    type = payload: build payload.elemType;
    wrapped = null;
    payload = { inherit elemType; };
    binOp =
      left: right:
      let
        joined = left.elemType.typeMerge right.elemType.functor;
      in
      if joined == null then null else { elemType = joined; };
  };

  mkOptionType =
    {
      name,
      description ? name,
      descriptionClass ? null,
      deprecationMessage ? null,
      check ? (_: true),
      merge ? mergeDefaultOption,
      emptyValue ? { },
      getSubOptions ? (_: { }),
      getSubModules ? null,
      substSubModules ? (_: null),
      typeMerge ? null,
      functor ? null,
      nestedTypes ? { },
    }:
    let
      self = {
        _type = "option-type";
        inherit
          name
          description
          descriptionClass
          deprecationMessage
          check
          merge
          emptyValue
          getSubOptions
          getSubModules
          substSubModules
          nestedTypes
          ;
        functor = if functor != null then functor else defaultFunctor name // (if types ? ${name} then { } else { type = self; });
        typeMerge = if typeMerge != null then typeMerge else defaultTypeMerge self.functor;
      };
    in
    self;

  # Descriptions are put together as phrases: nouns stand bare, conjunctions and the rest get parentheses.
  phrase =
    type:
    if
      elem (type.descriptionClass or null) [
        "noun"
        "nonRestrictiveClause"
        "composite"
      ]
    then
      type.description
    else
      "(${type.description})";

  scalar =
    {
      name,
      description,
      check,
      merge ? mergeEqualOption,
      descriptionClass ? "noun",
    }:
    mkOptionType {
      inherit
        name
        description
        descriptionClass
        check
        merge
        ;
    };

  ## Numbers

  between =
    least: most:
    if least > most then
      throw "ints.between: the lowest value must be less than or equal to the highest (${toString least} > ${toString most})."
    else
      addCheck types.int (value: value >= least && value <= most)
      // {
        name = "intBetween";
        description = "integer between ${toString least} and ${toString most} (both inclusive)";
      };

  namedRange =
    name: bits: least: most:
    between least most
    // {
      inherit name;
      description = "${toString bits} bit ${
        if least < 0 then "signed" else "unsigned"
      } integer; between ${toString least} and ${toString most} (both inclusive)";
    };

  unsignedOf = bits: namedRange "unsignedInt${toString bits}" bits 0 (powerOfTwo bits - 1);
  signedOf = bits: namedRange "signedInt${toString bits}" bits (0 - powerOfTwo (bits - 1)) (powerOfTwo (bits - 1) - 1);
  powerOfTwo = exponent: if exponent == 0 then 1 else 2 * powerOfTwo (exponent - 1);

  ints = {
    inherit between;
    unsigned = addCheck types.int (value: value >= 0) // {
      name = "unsignedInt";
      description = "unsigned integer, meaning >=0";
      descriptionClass = "nonRestrictiveClause";
    };
    positive = addCheck types.int (value: value > 0) // {
      name = "positiveInt";
      description = "positive integer, meaning >0";
      descriptionClass = "nonRestrictiveClause";
    };
    u8 = unsignedOf 8;
    u16 = unsignedOf 16;
    u32 = unsignedOf 32;
    s8 = signedOf 8;
    s16 = signedOf 16;
    s32 = signedOf 32;
  };

  numbers = {
    between =
      least: most:
      if least > most then
        throw "numbers.between: the lowest value must be less than or equal to the highest."
      else
        addCheck types.number (value: value >= least && value <= most)
        // {
          name = "numberBetween";
          description = "integer or floating point number between ${toString least} and ${toString most} (both inclusive)";
        };
    nonnegative = addCheck types.number (value: value >= 0) // {
      name = "numberNonnegative";
      description = "nonnegative integer or floating point number, meaning >=0";
      descriptionClass = "nonRestrictiveClause";
    };
    positive = addCheck types.number (value: value > 0) // {
      name = "numberPositive";
      description = "positive integer or floating point number, meaning >0";
      descriptionClass = "nonRestrictiveClause";
    };
  };

  ## Text

  separatedString =
    separator:
    mkOptionType {
      name = "separatedString";
      description =
        if separator == "" then "Concatenated string" else "strings concatenated with ${builtins.toJSON separator}";
      descriptionClass = "noun";
      check = isString;
      merge = _: definitions: concatStringsSep separator (map (definition: definition.value) definitions);
      functor = defaultFunctor "separatedString" // {
        type = payload: separatedString payload.separator;
        payload = {
          inherit separator;
        };
        binOp = left: right: if left.separator == right.separator then left else null;
      };
    };

  strMatching =
    pattern:
    mkOptionType {
      name = "strMatching ${lib.strings.escapeNixString pattern}";
      description = "string matching the pattern ${pattern}";
      descriptionClass = "noun";
      check = value: types.str.check value && match pattern value != null;
      merge = mergeEqualOption;
      functor = defaultFunctor "strMatching" // {
        type = payload: strMatching payload.pattern;
        payload = {
          inherit pattern;
        };
        binOp = left: right: if left == right then left else null;
      };
    };

  enum =
    values:
    mkOptionType {
      name = "enum";
      description =
        if values == [ ] then
          "impossible (empty enum)"
        else if length values == 1 then
          "value ${showValue (head values)} (singular enum)"
        else
          "one of ${lib.concatMapStringsSep ", " showValue values}";
      descriptionClass = if length values < 2 then "noun" else "conjunction";
      check = value: elem value values;
      merge = mergeEqualOption;
      functor = defaultFunctor "enum" // {
        type = payload: enum payload.values;
        payload = {
          inherit values;
        };
        binOp = left: right: { values = unique (left.values ++ right.values); };
      };
    };

  ## Containers

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
                  ) elemType [ (definition // { inherit value; }) ];
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
                name: value:
                definition
                // {
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

  unique' =
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
      substSubModules = modules: unique' { inherit message; } (type.substSubModules modules);
      functor = elementFunctor "unique" type (unique' { inherit message; });
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
            map (definition: definition // { value = definition.value argument; }) definitions
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
      throw "types.oneOf needs a non-empty list of types."
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

  addCheck = type: check: type // { check = value: type.check value && check value; };

  ## Modules inside modules

  submoduleWith =
    args@{
      modules,
      specialArgs ? { },
      shorthandOnlyDefinesConfig ? false,
      description ? null,
      class ? null,
    }:
    let
      base = evalModules {
        inherit class specialArgs;
        modules = [
          {
            _file = "nix/lib/types.nix";
            _module.args.name = mkOptionDefault "‹name›";
          }
        ]
        ++ modules;
      };
      asModule =
        definition:
        if isAttrs definition.value && shorthandOnlyDefinesConfig == true then
          {
            _file = definition.file;
            config = definition.value;
          }
        else
          {
            _file = definition.file;
            imports = [ definition.value ];
          };
      freeformType = base._module.freeformType;
    in
    mkOptionType {
      name = "submodule";
      description =
        if description != null then
          description
        else if freeformType != null then
          "open submodule of ${phrase freeformType}"
        else
          "submodule";
      check = value: isAttrs value || lib.trivial.isFunction value || isPath value;
      merge =
        loc: definitions:
        (base.extendModules {
          modules = [
            {
              _file = "nix/lib/types.nix";
              _module.args.name = last loc;
            }
          ]
          ++ map asModule definitions;
          prefix = loc;
        }).config;
      # Nothing defined is a submodule with all its defaults.
      emptyValue.value = base.config;
      getSubOptions =
        prefix:
        let
          docs = base.extendModules { inherit prefix; };
        in
        docs.options
        // (
          if freeformType == null then { } else { _freeformOptions = freeformType.getSubOptions prefix; }
        );
      getSubModules = modules;
      substSubModules = modules: submoduleWith (args // { inherit modules; });
      functor = defaultFunctor "submodule" // {
        type = submoduleWith;
        payload = {
          inherit modules class specialArgs shorthandOnlyDefinesConfig description;
        };
        binOp =
          left: right:
          let
            shared = builtins.attrNames (builtins.intersectAttrs left.specialArgs right.specialArgs);
            pick =
              what: a: b:
              if a == null then
                b
              else if b == null || a == b then
                a
              else
                throw "A submodule option is declared twice with different ${what}.";
          in
          {
            modules = left.modules ++ right.modules;
            class = pick "class" left.class right.class;
            specialArgs =
              if shared == [ ] then
                left.specialArgs // right.specialArgs
              else
                throw "A submodule option is declared twice, both with the specialArgs ${concatStringsSep ", " shared}.";
            shorthandOnlyDefinesConfig =
              pick "shorthandOnlyDefinesConfig" left.shorthandOnlyDefinesConfig right.shorthandOnlyDefinesConfig;
            description = pick "description" left.description right.description;
          };
      };
      nestedTypes = if freeformType == null then { } else { inherit freeformType; };
    };

  deferredModuleWith =
    args@{
      staticModules ? [ ],
    }:
    mkOptionType {
      name = "deferredModule";
      description = "module";
      descriptionClass = "noun";
      check = value: isAttrs value || lib.trivial.isFunction value || isPath value;
      merge = loc: definitions: {
        imports =
          staticModules
          ++ map (
            definition:
            lib.modules.setDefaultModuleLocation "${definition.file}, via option ${showOption loc}" definition.value
          ) definitions;
      };
      getSubOptions = prefix: (submoduleWith { modules = staticModules; }).getSubOptions prefix;
      getSubModules = staticModules;
      substSubModules = modules: deferredModuleWith (args // { staticModules = modules; });
      functor = defaultFunctor "deferredModuleWith" // {
        type = deferredModuleWith;
        payload = { inherit staticModules; };
        binOp = left: right: { staticModules = unique (left.staticModules ++ right.staticModules); };
      };
    };

  ## Whatever comes

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
        (types.attrsOf anything).merge loc definitions
      else if one && first == "list" then
        if length definitions == 1 then (listOf anything).merge loc definitions else mergeEqualOption loc definitions
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

  placed =
    definition:
    let
      type = definition.value;
      modules = type.getSubModules;
    in
    if modules == null then
      type
    else
      type.substSubModules (map (lib.modules.setDefaultModuleLocation definition.file) modules);

  pathWith =
    {
      inStore ? null,
      absolute ? null,
    }:
    if inStore != null && inStore && absolute != null && !absolute then
      throw "In pathWith, inStore means the path must be absolute"
    else
      mkOptionType {
        name = "path";
        description = "${if absolute == null then "" else if absolute then "absolute " else "relative "}path${
          if inStore == null then "" else if inStore then " in the Nix store" else " not in the Nix store"
        }";
        descriptionClass = "noun";
        check =
          value:
          let
            text = toString value;
            isInStore =
              isPath value || match "(/nix/store|${lib.strings.escapeRegex builtins.storeDir})/[^.].*" text != null;
          in
          isStringLike value
          && (absolute == null || (substring 0 1 text == "/") == absolute)
          && (inStore == null || isInStore == inStore);
        merge = mergeEqualOption;
        functor = defaultFunctor "path" // {
          type = pathWith;
          payload = {
            inherit inStore absolute;
          };
          binOp = left: right: if left == right then left else null;
        };
      };

  # One of several named alternatives, each with its own type: { left = 1; } or { right = "x"; }.
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
          ) (map (definition: definition // { value = definition.value.${tag}; }) definitions);
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

  types = {
    inherit
      mkOptionType
      pathWith
      attrTag
      ints
      numbers
      separatedString
      strMatching
      enum
      listOf
      attrsWith
      nullOr
      functionTo
      either
      oneOf
      coercedTo
      addCheck
      submoduleWith
      deferredModuleWith
      anything
      defaultTypeMerge
      defaultFunctor
      ;

    isOptionType = value: isAttrs value && value._type or null == "option-type";
    isType = kind: value: value._type or null == kind;

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

    bool = scalar {
      name = "bool";
      description = "boolean";
      check = isBool;
    };

    # One `true` is enough.
    boolByOr = scalar {
      name = "boolByOr";
      description = "boolean (merged using or)";
      check = isBool;
      merge = _: builtins.any (definition: definition.value);
    };

    int = scalar {
      name = "int";
      description = "signed integer";
      check = isInt;
    };

    float = scalar {
      name = "float";
      description = "floating point number";
      check = isFloat;
    };

    number = either types.int types.float;

    port = ints.u16;

    str = scalar {
      name = "str";
      description = "string";
      check = isString;
    };

    nonEmptyStr = scalar {
      name = "nonEmptyStr";
      description = "non-empty string";
      check = value: isString value && match "[ \t\n]*" value == null;
    };

    # A line end at the end is forgiven, and taken away.
    singleLineStr = mkOptionType {
      name = "singleLineStr";
      description = "(optionally newline-terminated) single-line string";
      descriptionClass = "noun";
      check = value: isString value && match "[^\n\r]*\n?" value != null;
      merge = loc: definitions: lib.removeSuffix "\n" (mergeEqualOption loc definitions);
    };

    passwdEntry =
      entryType:
      addCheck entryType (value: !(lib.hasInfix ":" value || lib.hasInfix "\n" value))
      // {
        name = "passwdEntry ${entryType.name}";
        description = "${phrase entryType}, not containing newlines or colons";
        descriptionClass = "nonRestrictiveClause";
      };

    lines = separatedString "\n";
    commas = separatedString ",";
    envVar = separatedString ":";

    path = pathWith { absolute = true; };
    pathInStore = pathWith { inStore = true; };
    externalPath = pathWith {
      absolute = true;
      inStore = false;
    };

    package = mkOptionType {
      name = "package";
      description = "package";
      descriptionClass = "noun";
      check = value: isDerivation value || isStorePath value;
      merge =
        loc: definitions:
        let
          value = mergeOneOption loc definitions;
        in
        if isPath value || (isString value && !builtins.hasContext value) then
          lib.attrsets.toDerivation value
        else
          value;
    };

    pkgs = addCheck types.raw (value: isAttrs value && value ? pristine) // {
      name = "pkgs";
      description = "package set";
    };

    attrs = mkOptionType {
      name = "attrs";
      description = "attribute set";
      check = isAttrs;
      merge = _: foldl' (all: definition: all // definition.value) { };
      emptyValue.value = { };
    };

    attrsOf = elemType: attrsWith { inherit elemType; };

    # Like attrsOf, but which names exist is known without looking at the values, so values may refer to each other's; a name whose only
    # definition is disabled by mkIf stays there and fails when it is read.
    lazyAttrsOf =
      elemType:
      attrsWith {
        inherit elemType;
        lazy = true;
      };

    loaOf = _: throw "types.loaOf is gone: use types.attrsOf.";

    nonEmptyListOf =
      elemType:
      addCheck (listOf elemType) (list: list != [ ])
      // {
        description = "non-empty (list of ${phrase elemType})";
        emptyValue = { };
      };

    unique = unique';
    uniq = unique' { message = "Only one definition is allowed."; };

    submodule =
      modules:
      submoduleWith {
        shorthandOnlyDefinesConfig = true;
        modules = if isList modules then modules else [ modules ];
      };

    deferredModule = deferredModuleWith { };

    optionType = mkOptionType {
      name = "optionType";
      description = "optionType";
      descriptionClass = "noun";
      check = value: value._type or null == "option-type";
      merge =
        loc: definitions:
        if length definitions == 1 then
          (head definitions).value
        else
          # Several types are one if they can be merged; modules inside are told which file they come from.
          foldl' (
            merged: definition:
            let
              joined = merged.typeMerge (placed definition).functor;
            in
            if joined == null then
              throw "The option `${showOption loc}' has types that cannot be merged:${showDefinitions definitions}"
            else
              joined
          ) (placed (head definitions)) (builtins.tail definitions);
    };
  };
in
types
