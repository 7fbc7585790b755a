# Modules that stand for options of other names: renamed, changed, merged and removed ones.
{ lib }:
let
  inherit (builtins) filter foldl';
  inherit (lib.lists) optional;
  inherit (lib.options) mkOption showOption;
  inherit (lib.moduleErrors) showFiles;
  inherit (lib.modules) mkDefinition mkIf mkMerge mkOverride;
  inherit (lib) types;

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
    doRename
    mkAliasAndWrapDefinitions
    mkAliasAndWrapDefsWithPriority
    mkMergedOptionModule
    ;

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
}
