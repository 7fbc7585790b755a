/** What is written about the builtins for derivations, store paths and string contexts, by name and arguments. */

export const STORE_DOCS: Readonly<Record<string, string>> = {
  "addDrvOutputDependencies string":
    "A string that refers to one derivation, made to depend on everything the derivation does, its outputs included.",
  "appendContext string context":
    "The string with what `context` names added to its context, in the form of `builtins.getContext`.",
  "derivation attributes":
    "A description of a build: `name`, `system` and `builder` are needed; `args`, `outputs`, `outputHash` and others mean something, and all attributes become variables of the builder. The result has `drvPath`, `outPath` and a set for each output, computed when they are needed.",
  "derivationStrict attributes":
    "What `derivation` calls: makes the store derivation at once, and gives the paths of it and its outputs as strings.",
  "getContext string":
    "What a string depends on: a set by store paths of `{ path = true; }` for the path itself, `{ allOutputs = true; }` for a derivation with its closure, and `{ outputs = [ … ]; }` for outputs of one.",
  "hasContext string": "Whether the string depends on anything in the store.",
  "outputOf derivation output":
    'The path of an output of a derivation that is named by a string, or what stands for that path until it is known. The derivation may itself be an output: `builtins.outputOf drv.outPath "out"`. What depends on such an output cannot be built here yet. Needs the experimental feature `dynamic-derivations`.',
  "placeholder output":
    "A string that stands for an output's path in a derivation's attributes; the builder sees the path.",
  "storePath path":
    "A string for a path that is in the store already, with the path as its context. Pure evaluation does not allow it.",
  "toFile name contents":
    "Writes a text to the store and gives its path. The text may depend on store paths, but not on outputs of derivations.",
  "unsafeDiscardOutputDependency string":
    "The string with each dependency on a whole derivation reduced to one on the derivation's own file.",
  "unsafeDiscardStringContext string": "The string without its context: nothing will be built or copied for it.",
};
