# The module system: many modules, each declaring options and giving definitions, become one configuration.
#
# A module is a path, a function or an attribute set. It is loaded (collect), its option declarations and its definitions are
# walked down together, name by name (mergeTree), and where a declaration is met the definitions that arrived there become one
# value (evalOption). Everything is lazy: a value is computed when it is read, so modules may read each other's results.
{ lib }:
let
  inherit (builtins)
    addErrorContext
    attrNames
    attrValues
    concatLists
    concatMap
    elem
    elemAt
    filter
    foldl'
    functionArgs
    genericClosure
    head
    isAttrs
    isBool
    isList
    isPath
    isString
    length
    listToAttrs
    mapAttrs
    partition
    removeAttrs
    seq
    sort
    tail
    typeOf
    unsafeGetAttrPos
    ;
  inherit (lib.attrsets) zipAttrsWith;
  inherit (lib.lists) imap1 last reverseList optional;
  inherit (lib.options) mkOption showOption;
  inherit (lib.trivial) isFunction setFunctionArgs;
  inherit (lib.moduleErrors) showDefinitions showFiles suggest;
  inherit (lib) types;

  unknownFile = "<unknown-file>";
  defaultPriority = 100;
  defaultOrder = 1000;
  optionDefaultPriority = 1500;

  kindOf = value: value._type or null;

  ## Loading

  # What `imports` may hold, given its arguments: one flat record per module. `file` and `key` stand in until the module names its own.
  load =
    args: file: key: module:
    if isAttrs module && !(module ? __functor) then
      (
        if module ? _type then
          if elem module._type [ "if" "override" "merge" "order" ] then
            load args file key { config = module; }
          else
            throw (
              "Expected a module, but found a value of type \"${toString module._type}\", while trying to load a module into ${file}."
              + (
                if module._type == "configuration" then
                  " It is the result of evalModules; import the modules it was made of instead."
                else
                  ""
              )
            )
        else
          normalise file key module
      )
    else if isFunction module then
      normalise file key (applyModule file module args)
    else if isPath module || isString module then
      let
        place = toString module;
      in
      normalise place place (
        let
          content = addErrorContext "while loading the module ${place}:" (import module);
        in
        if isFunction content then applyModule place content args else content
      )
    else if isList module then
      throw "Module imports cannot be lists, but ${file} imports one. Put its elements into `imports' one by one (`++' joins lists)."
    else
      throw "Expected a module (a path, a function or an attribute set), but ${file} has a value of type ${typeOf module}.";

  applyModule =
    file: function: args:
    let
      provided = mapAttrs (
        name: _:
        addErrorContext "while evaluating the module argument `${name}' of ${file}:" (
          args.${name} or (addErrorContext
            "`${name}' is no special argument, so it is looked up in `_module.args', which needs `config': an infinite recursion here means that `${name}' decides which modules are imported (use specialArgs) or which names `config' has"
            (
              let
                dynamic = args.config._module.args;
              in
              dynamic.${name} or (throw (
                "The module ${file} takes an argument `${name}' that nobody gives."
                + suggest name (attrNames (args // dynamic))
                + " Arguments come from `specialArgs' or `_module.args'."
              ))
            )
          )
        )
      ) (functionArgs function);
    in
    function (args // provided);

  longFormKeys = {
    _class = null;
    _file = null;
    key = null;
    disabledModules = null;
    imports = null;
    options = null;
    config = null;
    meta = null;
    freeformType = null;
  };

  normalise =
    file: key: module:
    if !isAttrs module then
      throw (
        "The module ${file} does not look like a module: it evaluates to a value of type ${typeOf module} instead of an attribute set."
        + (if isFunction module then " It takes one argument too many." else "")
      )
    else
      let
        ownFile = toString (module._file or file);
        extra =
          optional (module ? freeformType) { _module.freeformType = module.freeformType; };
        withExtra = extras: config: if extras == [ ] then config else mkMerge ([ config ] ++ extras);
        common = {
          file = ownFile;
          key = toString (module.key or key);
          class = module._class or null;
          disabled = module.disabledModules or [ ];
          imports =
            let
              imports = module.imports or [ ];
            in
            if isList imports then
              imports
            else
              throw "`imports' of the module ${ownFile} is a value of type ${typeOf imports}; it must be a list of modules.";
        };
      in
      if module ? config || module ? options then
        let
          stray = attrNames (removeAttrs module (attrNames longFormKeys));
        in
        if stray != [ ] then
          throw (
            "The module ${ownFile} has the attribute `${head stray}' beside `${
              if module ? config then "config" else "options"
            }'. A module that has `config' or `options' at its top holds its definitions inside `config': move ${
              if length stray == 1 then
                "`${head stray}'"
              else
                "these (${lib.concatMapStringsSep ", " (name: "`${name}'") stray})"
            } there, or remove ${if module ? config then "`config'" else "`options'"} if it was meant for something else."
            + suggest (head stray) (attrNames longFormKeys)
          )
        else
          common
          // {
            options = module.options or { };
            config = withExtra (extra ++ optional (module ? meta) { inherit (module) meta; }) (module.config or { });
          }
      else
        common
        // {
          options = { };
          config = withExtra extra (
            removeAttrs module [
              "_class"
              "_file"
              "key"
              "disabledModules"
              "imports"
              "freeformType"
            ]
          );
        };

  # All modules reachable by `imports`, each once, without the disabled ones, in the order their definitions merge.
  collect =
    {
      modules,
      args,
      class,
      modulesPath,
    }:
    let
      checkClass =
        module:
        if class == null || module.class == null || module.class == class then
          module
        else
          throw "The module ${module.file} is of class \"${module.class}\" and cannot be imported into a configuration of class \"${class}\".";

      items =
        file: key: list:
        imap1 (
          index: module:
          let
            loaded = checkClass (load args file "${key}:anon-${toString index}" module);
          in
          {
            inherit (loaded) key;
            module = loaded;
          }
        ) list;

      start = items unknownFile "" modules;
      closure =
        keep:
        genericClosure {
          startSet = filter keep start;
          operator = item: filter keep (items item.module.file item.module.key item.module.imports);
        };
      all = closure (_: true);
      disabled = concatMap (
        item:
        let
          list = item.module.disabled;
        in
        if isList list then
          map (disabledKey item.module.file) list
        else
          throw "`disabledModules' of the module ${item.module.file} must be a list."
      ) all;
      disabledKey =
        file: value:
        if isAttrs value && value ? key then
          toString value.key
        else if isString value && builtins.substring 0 1 value != "/" then
          "${toString modulesPath}/${value}"
        else if isString value || isPath value then
          toString value
        else if !isAttrs value && !isFunction value then
          toString value
        else
          throw "`disabledModules' of the module ${file} holds a value of type ${typeOf value}; it may hold paths, strings relative to modulesPath, and attribute sets with `key'.";
      kept = if disabled == [ ] then all else closure (item: !elem item.key disabled);
    in
    reverseList (map (item: item.module) kept);

  ## Merging declarations and definitions, name by name

  # A definition that covers several options at once, split into plain attribute sets. Conditions and priorities are handed down to each
  # attribute by `wrap` instead of being looked at, so which names exist never depends on a condition.
  pushDown =
    definition:
    let
      go =
        wrap: value:
        let
          kind = kindOf value;
        in
        if kind == null then
          [
            {
              inherit (definition) file;
              inherit wrap value;
            }
          ]
        else if kind == "merge" then
          concatMap (go wrap) value.contents
        else if kind == "if" then
          go (inner: wrap (mkIf value.condition inner)) value.content
        else if kind == "override" then
          go (inner: wrap (mkOverride value.priority inner)) value.content
        else if kind == "order" then
          go (inner: wrap (mkOrder value.priority inner)) value.content
        else
          [
            {
              inherit (definition) file;
              inherit wrap value;
            }
          ];
    in
    go (value: value) definition.value;

  definitionsByName =
    loc: definitions:
    zipAttrsWith (_: values: values) (
      map (
        { file, wrap, value }:
        if !isAttrs value then
          throw (
            if loc == [ ] then
              "The configuration in ${file} is a value of type ${typeOf value} instead of an attribute set."
            else
              "`${showOption loc}' is a set of options, not an option: it takes an attribute set, but ${file} gives it a value of type ${typeOf value}: ${lib.moduleErrors.showValue value}"
          )
        else
          mapAttrs (name: inner: {
            inherit file;
            value = wrap inner;
            pos = unsafeGetAttrPos name value;
          }) value
      ) (concatMap pushDown definitions)
    );

  mergeTree =
    loc: declarations: definitions:
    let
      declared = zipAttrsWith (_: values: values) (
        map (
          declaration:
          if isAttrs declaration.options then
            mapAttrs (name: options: {
              inherit (declaration) file;
              inherit options;
              pos = unsafeGetAttrPos name declaration.options;
            }) declaration.options
          else
            throw "The option tree `${showOption loc}' in ${declaration.file} is a value of type ${typeOf declaration.options}; option trees are made of attribute sets and mkOption."
        ) declarations
      );
      defined = definitionsByName loc definitions;
      nodes = mapAttrs (name: list: mergeNode (loc ++ [ name ]) list (defined.${name} or [ ])) declared;
    in
    {
      options = mapAttrs (_: node: node.options) nodes;
      config = mapAttrs (_: node: node.config) nodes;
      # Definitions without a declaration: for the freeform type, or an error.
      unmatched =
        map (name: {
          inherit loc name;
          definitions = defined.${name};
          siblings = attrNames declared;
        }) (attrNames (removeAttrs defined (attrNames declared)))
        ++ concatMap (node: node.unmatched) (attrValues nodes);
    };

  isOption = value: isAttrs value && value._type or null == "option";

  mergeNode =
    loc: declarations: definitions:
    let
      split = partition (declaration: isOption declaration.options) declarations;
      asOption = declared: {
        options = declared;
        config = declared.value;
        unmatched = [ ];
      };
      notSubmodule = filter (declaration: !(acceptsSubOptions declaration.options)) split.right;
      acceptsSubOptions = option: (option.type or types.unspecified).name or null == "submodule";
    in
    if split.right == [ ] then
      let
        bad = filter (declaration: !isAttrs declaration.options) declarations;
      in
      if bad != [ ] then
        throw "The option `${showOption loc}' is declared in ${(head bad).file} by a value of type ${typeOf (head bad).options}; declare options with mkOption."
      else if (head declarations).options ? _type then
        throw "The option `${showOption loc}' is declared in ${(head declarations).file} by a value of type \"${toString (head declarations).options._type}\"; declare options with mkOption."
      else
        mergeTree loc declarations definitions
    else if split.wrong == [ ] then
      asOption (evalOption loc (mergeDeclarations loc declarations) definitions)
    else if notSubmodule == [ ] then
      # Options declared below an option whose type is a submodule become part of that submodule.
      asOption (
        evalOption loc (mergeDeclarations loc (
          map (
            declaration:
            if isOption declaration.options then
              declaration
            else
              declaration
              // {
                options = mkOption {
                  type = types.submoduleWith {
                    modules = [
                      {
                        _file = declaration.file;
                        inherit (declaration) options;
                      }
                    ];
                    shorthandOnlyDefinesConfig = null;
                  };
                };
              }
          ) declarations
        )) definitions
      )
    else
      throw "The option `${showOption loc}' in ${(head notSubmodule).file} would be a parent of options declared in ${
        showFiles (map (declaration: declaration.file) split.wrong)
      }, but its type `${
        (head notSubmodule).options.type.description or "unspecified value"
      }' has no options inside. Give it a submodule type, or rename one of them.";

  # The same option declared more than once: everything it says may be said only once, except the type, which is merged where it can be.
  mergeDeclarations =
    loc: declarations:
    if tail declarations == [ ] then
      let
        only = head declarations;
      in
      removeAttrs only.options [ "_type" ]
      // {
        inherit loc;
        declarations = [ (declarationFile only) ];
        declarationPositions = [ (declarationPosition only) ];
      }
    else
      foldl' (
        merged: declaration:
        let
          new = declaration.options;
          both = name: merged ? ${name} && new ? ${name};
          clash = filter both [
            "default"
            "defaultText"
            "example"
            "description"
            "apply"
          ];
          mergedType = merged.type.typeMerge new.type.functor;
        in
        if clash != [ ] || (both "type" && mergedType == null) then
          throw "The option `${showOption loc}' in ${declarationFile declaration} is already declared in ${showFiles merged.declarations}${
            if clash != [ ] then
              ": both give its ${head clash}."
            else
              ": the types `${merged.type.description}' and `${new.type.description}' cannot be merged."
          }"
        else
          merged
          // removeAttrs new [ "_type" ]
          // {
            declarations = merged.declarations ++ [ (declarationFile declaration) ];
            declarationPositions = merged.declarationPositions ++ [ (declarationPosition declaration) ];
          }
          // (if both "type" then { type = mergedType; } else { })
      ) {
        inherit loc;
        declarations = [ ];
        declarationPositions = [ ];
      } declarations;

  # Modules inside types are written in a file that loading them does not know; the position of the attribute does.
  declarationFile =
    declaration:
    if declaration.file == unknownFile && declaration.pos or null != null then
      declaration.pos.file
    else
      declaration.file;

  declarationPosition =
    declaration:
    if declaration.pos or null != null then
      { inherit (declaration.pos) file line column; }
    else
      {
        inherit (declaration) file;
        line = null;
        column = null;
      };

  evalOption =
    loc: declaration: definitions:
    let
      type = declaration.type or types.unspecified;
      all =
        if declaration ? default then
          [
            {
              file = head declaration.declarations;
              value = mkOptionDefault declaration.default;
              isDefault = true;
            }
          ]
          ++ definitions
        else
          definitions;
      merged =
        if declaration.readOnly or false && length all > 1 then
          let
            # Only what is really set counts: conditions that are false, and the declaration's own default, do not.
            given = resolveDefinitions loc definitions;
          in
          if length (concatMap (flattenDefinition loc) all) > 1 then
            throw "The option `${showOption loc}' is read-only, but it is set ${
              if length given.values > 1 then "multiple times" else "though it has a default"
            }. Definitions:${showDefinitions definitions}"
          else
            mergeDefinitions loc type all
        else
          mergeDefinitions loc type all;
      value =
        if declaration ? apply then
          declaration.apply merged.mergedValue
        else
          merged.mergedValue;
      warned =
        if type.deprecationMessage or null != null then
          lib.trivial.warn "The type `types.${type.name}' of the option `${showOption loc}' declared in ${showFiles declaration.declarations} is deprecated: ${type.deprecationMessage}" value
        else
          value;
    in
    declaration
    // {
      _type = "option";
      inherit type;
      value = addErrorContext "while evaluating the option `${showOption loc}':" warned;
      inherit (merged.resolved) highestPrio;
      isDefined = merged.isDefined;
      definitions = map (definition: definition.value) merged.resolved.values;
      definitionsWithLocations = map (definition: {
        inherit (definition) file value;
      }) merged.resolved.values;
      files = map (definition: definition.file) merged.resolved.values;
      __toString = _: showOption loc;
    };

  ## Definitions of one option

  # mkMerge and mkIf are taken apart; what is left carries its priority and its order.
  flattenDefinition =
    loc: definition:
    let
      go =
        here: value:
        let
          kind = kindOf value;
        in
        if kind == null then
          [ (here // { inherit value; }) ]
        else if kind == "merge" then
          concatMap (go here) value.contents
        else if kind == "if" then
          if !isBool value.condition then
            throw "The condition of mkIf for the option `${showOption loc}' in ${here.file} is a value of type ${typeOf value.condition} instead of a Boolean."
          else if value.condition then
            go here value.content
          else
            [ ]
        else if kind == "override" then
          go (here // { inherit (value) priority; }) value.content
        else if kind == "order" then
          go (here // { order = value.priority; }) value.content
        else if kind == "definition" then
          go (here // { inherit (value) file; }) value.value
        else
          [ (here // { inherit value; }) ];
    in
    go definition definition.value;

  resolveDefinitions =
    loc: definitions:
    let
      flat = concatMap (
        definition:
        addErrorContext "while evaluating definitions from `${definition.file}':" (flattenDefinition loc definition)
      ) definitions;
      highestPrio = foldl' (
        least: definition:
        let
          priority = definition.priority or defaultPriority;
        in
        if priority < least then priority else least
      ) 9999 flat;
      winners = filter (definition: definition.priority or defaultPriority == highestPrio) flat;
      ordered =
        if builtins.any (definition: definition ? order) winners then
          sort (a: b: a.order or defaultOrder < b.order or defaultOrder) winners
        else
          winners;
    in
    {
      highestPrio = if flat == [ ] then defaultPriority else highestPrio;
      values =
        if flat != [ ] && tail flat == [ ] then
          flat
        else
          ordered;
    };

  # One value of `type` out of all its definitions. Used for options, and by the types for what is inside lists and sets.
  mergeDefinitions =
    loc: type: definitions:
    let
      resolved = resolveDefinitions loc definitions;
      isDefined = resolved.values != [ ];
      wrong = filter (definition: !type.check definition.value) resolved.values;
      mergedValue =
        if !isDefined then
          if type.emptyValue ? value then
            type.emptyValue.value
          else
            throw "The option `${showOption loc}' was accessed but has no value defined. Try setting the option."
        else if wrong == [ ] then
          type.merge loc resolved.values
        else
          throw "A definition for option `${showOption loc}' is not of type `${type.description}'. Definition values:${showDefinitions wrong}";
    in
    {
      inherit resolved isDefined mergedValue;
      defsFinal = resolved.values;
      optionalValue = if isDefined then { value = mergedValue; } else { };
    };

  ## Properties

  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };

  mkMerge = contents: {
    _type = "merge";
    inherit contents;
  };

  mkOverride = priority: content: {
    _type = "override";
    inherit priority content;
  };

  mkOrder = priority: content: {
    _type = "order";
    inherit priority content;
  };

  mkDefinition = definition: definition // { _type = "definition"; };

  mkOptionDefault = mkOverride optionDefaultPriority;

  ## Whole configurations

  evalModules =
    evalArgs@{
      modules,
      specialArgs ? { },
      prefix ? [ ],
      class ? null,
    }:
    let
      internalModule = {
        _file = "nix/lib/modules.nix";
        key = "nix/lib/modules.nix#internal";
        options._module = {
          args = mkOption {
            type = types.lazyAttrsOf types.raw;
            internal = prefix != [ ];
            description = "Additional arguments passed to each module beside `lib', `config' and `options'. Not usable in `imports'; see specialArgs.";
          };
          check = mkOption {
            type = types.bool;
            internal = true;
            default = true;
            description = "Whether definitions of options that nobody declares are errors.";
          };
          freeformType = mkOption {
            type = types.nullOr types.optionType;
            internal = true;
            default = null;
            description = "If set, the type by which all definitions without a declaration are merged.";
          };
          specialArgs = mkOption {
            readOnly = true;
            internal = true;
            description = "The special arguments this configuration was evaluated with.";
          };
        };
        config._module.args = {
          inherit extendModules;
          moduleType = type;
        };
        config._module.specialArgs = specialArgs;
      };

      loaded = collect {
        inherit class;
        modules = modules ++ [ internalModule ];
        modulesPath = specialArgs.modulesPath or "";
        args = {
          inherit lib config specialArgs;
          inherit (tree) options;
          _class = class;
          _prefix = prefix;
        }
        // specialArgs;
      };

      tree = mergeTree prefix (map (module: { inherit (module) file options; }) loaded) (
        map (module: {
          inherit (module) file;
          value = module.config;
        }) loaded
      );

      freeformType = tree.config._module.freeformType;
      freeform =
        let
          definitions = concatMap (
            entry:
            map (
              definition:
              definition
              // {
                value = lib.setAttrByPath (lib.drop (length prefix) entry.loc ++ [ entry.name ]) definition.value;
              }
            ) entry.definitions
          ) tree.unmatched;
        in
        if definitions == [ ] then { } else (mergeDefinitions prefix freeformType definitions).mergedValue;

      # Given to modules. Its names are known without looking at any value, unless there is a freeform type.
      config =
        if freeformType == null || tree.unmatched == [ ] then
          tree.config
        else
          mergeConfig freeform tree.options tree.config;

      # Declared options lie over freeform values; below an option nothing of the freeform value is taken.
      mergeConfig =
        free: options: declared:
        free
        // mapAttrs (
          name: value:
          if free ? ${name} && !isOption options.${name} then
            mergeConfig free.${name} options.${name} value
          else
            value
        ) declared;

      checkUnmatched =
        if config._module.check && freeformType == null && tree.unmatched != [ ] then
          throw (lib.moduleErrors.unknownOption prefix (head tree.unmatched))
        else
          null;
      checked = seq checkUnmatched;

      extendModules =
        {
          modules ? [ ],
          specialArgs ? { },
          prefix ? evalArgs.prefix or [ ],
        }:
        evalModules (
          evalArgs
          // {
            modules = evalArgs.modules ++ modules;
            specialArgs = evalArgs.specialArgs or { } // specialArgs;
            inherit prefix;
          }
        );

      type = types.submoduleWith {
        inherit modules specialArgs class;
      };
    in
    {
      _type = "configuration";
      options = checked tree.options;
      config = checked (removeAttrs config [ "_module" ]);
      _module = checked config._module;
      inherit extendModules type class;
    };

  ## Modules that stand for other options

  # `mkRenamedOptionModule [ "old" "path" ] [ "new" "path" ]`: reads and definitions of the old name go to the new one, with a warning.
  doRename =
    {
      from,
      to,
      visible,
      warn,
      use,
      withPriority ? true,
      condition ? true,
    }:
    { config, options, ... }:
    let
      fromOption = lib.getAttrFromPath from options;
    in
    {
      options = lib.setAttrByPath from (
        mkOption {
          inherit visible;
          description = "Alias of `${showOption to}'.";
          apply =
            _:
            use (
              lib.attrByPath to (throw "The renamed option `${showOption from}' cannot find its new name `${showOption to}'.") config
            );
          # What the target takes is checked there.
          type = types.mkOptionType {
            name = "alias";
            description = "value of `${showOption to}'";
            merge = _: _: null;
            emptyValue.value = null;
          };
        }
      );
      config = mkIf condition (mkMerge [
        (lib.optionalAttrs (options ? warnings) {
          warnings = optional (warn && fromOption.isDefined)
            "The option `${showOption from}' defined in ${showFiles fromOption.files} has been renamed to `${showOption to}'.";
        })
        (
          if withPriority then
            mkAliasAndWrapDefsWithPriority (lib.setAttrByPath to) fromOption
          else
            mkAliasAndWrapDefinitions (lib.setAttrByPath to) fromOption
        )
      ]);
    };

  mkAliasAndWrapDefinitions =
    wrap: option: mkAliasIfDef option (wrap (mkMerge (map mkDefinition option.definitionsWithLocations)));

  mkAliasAndWrapDefsWithPriority =
    wrap: option:
    mkAliasIfDef option (
      wrap (mkOverride option.highestPrio (mkMerge (map mkDefinition option.definitionsWithLocations)))
    );

  mkAliasIfDef = option: mkIf (option.isDefined);
  mkMergedOptionModule =
    from: to: mergeFn:
    { config, options, ... }:
    let
      isSet = path: (lib.attrByPath path { } options).isDefined or false;
    in
    {
      options = foldl' lib.recursiveUpdate { } (
        map (
          path:
          lib.setAttrByPath path (mkOption {
            visible = false;
            type = types.raw;
            description = "Replaced by `${showOption to}'.";
            default = "_mkMergedOptionModule";
          })
        ) from
      );
      config =
        let
          given = filter (path: lib.getAttrFromPath path config != "_mkMergedOptionModule") from;
        in
        mkMerge [
          (lib.optionalAttrs (options ? warnings) {
            warnings = map (
              path:
              "The option `${showOption path}' defined in ${showFiles (lib.getAttrFromPath path options).files} has been changed to `${showOption to}' that has a different type. Please read `${showOption to}' documentation and update your configuration accordingly."
            ) given;
          })
          (mkIf (given != [ ]) (lib.setAttrByPath to (mergeFn config)))
        ];
    };
in
{
  inherit
    evalModules
    evalOption
    mkMergedOptionModule
    mkIf
    mkMerge
    mkOverride
    mkOrder
    mkOptionDefault
    mkDefinition
    mergeDefinitions
    mkAliasAndWrapDefinitions
    mkAliasAndWrapDefsWithPriority
    doRename
    ;

  mkDefault = mkOverride 1000;
  mkImageMediaOverride = mkOverride 60;
  mkForce = mkOverride 50;
  mkVMOverride = mkOverride 10;
  inherit defaultPriority;
  defaultOrderPriority = defaultOrder;

  mkBefore = mkOrder 500;
  mkAfter = mkOrder 1500;

  # mkAssert assertion message content: the content, once the assertion holds.
  mkAssert = assertion: message: content: mkIf (if assertion then true else throw "\nFailed assertion: ${message}") content;

  mkAliasDefinitions = mkAliasAndWrapDefinitions (value: value);

  mkRenamedOptionModule =
    from: to:
    doRename {
      inherit from to;
      visible = false;
      warn = true;
      use = lib.trivial.warn "The option `${showOption from}' is read by its old name; it has been renamed to `${showOption to}'.";
    };

  mkRenamedOptionModuleWith =
    { from, to, sinceRelease }:
    doRename {
      inherit from to;
      visible = false;
      warn = true;
      use = lib.trivial.warn "The option `${showOption from}' is read by its old name; it has been renamed to `${showOption to}' (since ${toString sinceRelease}).";
    };

  mkAliasOptionModule =
    from: to:
    doRename {
      inherit from to;
      visible = true;
      warn = false;
      use = value: value;
    };

  mkChangedOptionModule =
    from: to: changeFn:
    mkMergedOptionModule [ from ] to changeFn;

  mkRemovedOptionModule =
    path: replacement:
    { options, ... }:
    let
      option = lib.getAttrFromPath path options;
    in
    {
      options = lib.setAttrByPath path (mkOption {
        visible = false;
        type = types.raw;
        description = "Removed.";
        apply = _: throw "The option `${showOption path}' can no longer be used since it has been removed. ${replacement}";
      });
      config.assertions = [
        {
          assertion = !option.isDefined;
          message = "The option definition `${showOption path}' in ${showFiles option.files} no longer has any effect; please remove it. ${replacement}";
        }
      ];
    };

  importApply = path: staticArgs: {
    _file = path;
    imports = [ (import path staticArgs) ];
  };

  importJSON = path: {
    _file = path;
    config = lib.trivial.importJSON path;
  };

  importTOML = path: {
    _file = path;
    config = lib.trivial.importTOML path;
  };

  setDefaultModuleLocation = file: module: {
    _file = file;
    imports = [ module ];
  };
}
