# What a definition can be wrapped in: a condition, a priority, a place in the order, a merge of several.
{ lib }:
let

  defaultPriority = 100;
  defaultOrder = 1000;
  optionDefaultPriority = 1500;

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
in
{
  inherit
    defaultPriority
    defaultOrder
    optionDefaultPriority
    mkIf
    mkMerge
    mkOverride
    mkOrder
    mkDefinition
    mkOptionDefault
    ;

  kindOf = value: value._type or null;

  mkDefault = mkOverride 1000;
  mkImageMediaOverride = mkOverride 60;
  mkForce = mkOverride 50;
  mkVMOverride = mkOverride 10;

  mkBefore = mkOrder 500;
  mkAfter = mkOrder 1500;

  # mkAssert assertion message content: the content, once the assertion holds.
  mkAssert = assertion: message: content: mkIf (if assertion then true else throw "\nFailed assertion: ${message}") content;
}
