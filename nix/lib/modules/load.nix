# Loading modules: what `imports` may hold becomes one flat record per module, each module once.
{ lib }:
let
  inherit (builtins)
    addErrorContext
    attrNames
    concatMap
    elem
    filter
    functionArgs
    genericClosure
    head
    isAttrs
    isList
    isPath
    isString
    length
    mapAttrs
    removeAttrs
    typeOf
    ;
  inherit (lib.lists) imap1 optional reverseList;
  inherit (lib.moduleErrors) suggest;
  inherit (lib.trivial) isFunction;
  inherit (lib.modules) mkMerge;

  unknownFile = "<unknown-file>";

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
in
{
  inherit
    unknownFile
    collect
    ;

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
