/** What is written about the builtins for attribute sets, by name and arguments. */

export const SET_DOCS: Readonly<Record<string, string>> = {
  "attrNames set": "The names of the attributes, in the order of their bytes.",
  "attrValues set": "The values of the attributes, in the order of their names.",
  "catAttrs name list":
    'The values of the attribute `name` in those sets of the list that have it.\n\n```nix\nbuiltins.catAttrs "a" [ { a = 1; } { b = 0; } { a = 2; } ]\n```\n\nis `[ 1 2 ]`.',
  "functionArgs function":
    "A set with the names of the arguments of a function that takes a set; true for those that have a default. Empty for a function that takes anything else.\n\n```nix\nbuiltins.functionArgs ({ x, y ? 1 }: x)\n```\n\nis `{ x = false; y = true; }`.",
  "getAttr name set": "The value of the attribute `name`, like `set.${name}`. It is an error when there is none.",
  "hasAttr name set": "Whether the set has the attribute `name`, like `set ? ${name}`.",
  "intersectAttrs left right": "The attributes of `right` whose names are in `left`, too.",
  "isAttrs value": "Whether the value is an attribute set.",
  "listToAttrs list":
    "A set made of a list of sets `{ name = …; value = …; }`. When a name comes more than once, the first one counts.",
  "mapAttrs f set":
    'Calls `f` with the name and the value of each attribute, when its result is needed, and gives the set of results.\n\n```nix\nbuiltins.mapAttrs (name: value: name + toString value) { a = 1; b = 2; }\n```\n\nis `{ a = "a1"; b = "b2"; }`.',
  "removeAttrs set names":
    "The set without the attributes that a list names. Names that it does not have do not matter.",
  "unsafeGetAttrPos name set":
    "Where the attribute `name` was defined, as `{ column; file; line; }`; null when that is unknown or there is no such attribute. Equal sets may have different positions, which is what is unsafe about it.",
  "zipAttrsWith f list":
    "Joins a list of sets: for each name that occurs, calls `f` with the name and the list of its values.\n\n```nix\nbuiltins.zipAttrsWith (name: values: values) [ { a = 1; } { a = 2; b = 3; } ]\n```\n\nis `{ a = [ 1 2 ]; b = [ 3 ]; }`.",
};
