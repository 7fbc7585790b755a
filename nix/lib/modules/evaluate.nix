# Whole configurations: modules in, options and their values out. Everything is lazy, so modules may read each other's results.
{ lib }:
let
  inherit (builtins)
    all
    concatMap
    filter
    head
    isAttrs
    length
    mapAttrs
    removeAttrs
    seq
    ;
  inherit (lib.options) isOption mkOption;
  inherit (lib.moduleErrors) unknownOption;
  inherit (lib.modules) collect kindOf mergeDefinitions mergeTree;
  inherit (lib) types;

  evalModules =
    evalArgs@{
      modules,
      specialArgs ? { },
      prefix ? [ ],
      class ? null,
    }:
    let
      # The options below `_module`, and what every configuration defines there.
      internalModule = {
        file = "nix/lib/modules/evaluate.nix";
        options._module = {
          args = mkOption {
            type = argsType;
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
        config._module = {
          args = ownArgs;
          inherit specialArgs;
        };
      };
      argsType = types.lazyAttrsOf types.raw;
      ownArgs = {
        inherit extendModules;
        moduleType = type;
      };

      loaded = collect {
        inherit class modules;
        modulesPath = specialArgs.modulesPath or "";
        args = {
          inherit lib config specialArgs;
          inherit (tree) options;
          _class = class;
          _prefix = prefix;
        }
        // specialArgs;
      };

      ownTree = mergeTree prefix (map (module: { inherit (module) file options; }) loaded) (
        map (module: {
          inherit (module) file;
          value = module.config;
        }) loaded
      );

      # What is declared and defined below `_module`, by the modules and by every configuration itself.
      moduleDeclarations = ownTree.declared._module or [ ];
      moduleDefinitions = ownTree.defined._module or [ ];
      moduleTree = mergeTree prefix (
        [ { inherit (internalModule) file options; } ]
        ++ map (declaration: {
          inherit (declaration) file;
          options._module = declaration.options;
        }) moduleDeclarations
      ) (
        [
          {
            inherit (internalModule) file;
            value = internalModule.config;
          }
        ]
        ++ map (definition: {
          inherit (definition) file;
          value._module = definition.value;
        }) moduleDefinitions
      );

      # Most configurations are submodules, which define nothing there but arguments: their values need no options.
      definesArgsOnly =
        moduleDeclarations == [ ]
        && all (
          { value, ... }: kindOf value == null && isAttrs value && removeAttrs value [ "args" ] == { }
        ) moduleDefinitions;
      plainModuleConfig = {
        args =
          (mergeDefinitions (prefix ++ [ "_module" "args" ]) argsType (
            [
              {
                inherit (internalModule) file;
                value = ownArgs;
              }
            ]
            ++ map (definition: {
              inherit (definition) file;
              value = definition.value.args;
            }) (filter ({ value, ... }: value ? args) moduleDefinitions)
          )).mergedValue;
        check = true;
        freeformType = null;
        inherit specialArgs;
      };

      tree = {
        options = ownTree.options // {
          inherit (moduleTree.options) _module;
        };
        config = ownTree.config // {
          _module = if definesArgsOnly then plainModuleConfig else moduleTree.config._module;
        };
        unmatched =
          if moduleDeclarations == [ ] && moduleDefinitions == [ ] then
            ownTree.unmatched
          else
            filter ({ loc, name, ... }: !isBelowModule (loc ++ [ name ])) ownTree.unmatched
            ++ (if definesArgsOnly then [ ] else moduleTree.unmatched);
      };
      isBelowModule = loc: lib.take (length prefix + 1) loc == prefix ++ [ "_module" ];

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
          throw (unknownOption prefix (head tree.unmatched))
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
in
{
  inherit
    evalModules
    ;
}
