# One option: from its declaration and its definitions to its value.
{ lib }:
let
  inherit (builtins) addErrorContext concatMap filter foldl' head isBool length removeAttrs sort tail typeOf;
  inherit (lib.options) showOption;
  inherit (lib.moduleErrors) showDefinitions showFiles;
  inherit (lib.modules) defaultOrder defaultPriority kindOf optionDefaultPriority;
  inherit (lib) types;

  evalOption =
    loc: declaration: definitions:
    let
      type = declaration.type or types.unspecified;
      all =
        if declaration ? default then
          [
            {
              file = head declaration.declarations;
              value = declaration.default;
              priority = optionDefaultPriority;
              isDefault = true;
            }
          ]
          ++ definitions
        else
          definitions;
      merged =
        # Definitions whose condition is false do not count.
        if declaration.readOnly or false && length (concatMap (flattenDefinition loc) all) > 1 then
          throw "The option `${showOption loc}' is read-only, but it is set ${
            if declaration ? default then "though it has a default" else "several times"
          }. Definition values:${showDefinitions definitions}"
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
      # Those that others override, too; the option's own default has no place.
      definitionsWithPriorities = map (definition: {
        inherit (definition) file value;
        pos = definition.pos or null;
        priority = definition.priority or defaultPriority;
        isDefault = definition.isDefault or false;
      }) merged.resolved.flat;
      __toString = _: showOption loc;
    };

  # mkMerge and mkIf are taken apart; what is left carries its priority and its order.
  flattenDefinition =
    loc: definition:
    # By far the most definitions are plain values.
    if definition.value._type or null == null then [ definition ] else flattenWrapped loc definition;

  flattenWrapped =
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
          go (removeAttrs here [ "pos" ] // { inherit (value) file; }) value.value
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
      inherit flat;
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
in
{
  inherit
    evalOption
    flattenDefinition
    mergeDefinitions
    ;
}
