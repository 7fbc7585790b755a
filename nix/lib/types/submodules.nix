# Modules inside options: submodules, modules that are kept for later, and types as values.
{ lib }:
let
  inherit (builtins) concatStringsSep foldl' head isAttrs isPath length;
  inherit (lib.options) showOption;
  inherit (lib.moduleErrors) showDefinitions;
  inherit (lib.lists) last unique;
  inherit (lib.modules) evalModules mkOptionDefault;
  inherit (lib.types) defaultFunctor mkOptionType phrase;

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
            _file = "nix/lib/lib.types.nix";
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
              _file = "nix/lib/lib.types.nix";
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
in
{
  inherit
    submoduleWith
    deferredModuleWith
    ;

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
}
