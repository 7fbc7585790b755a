/**
 * The Nix expression that asks an engine about attributes, one after the other.
 *
 * Each answer leaves the engine as a `trace` line before the next question is asked, so that an error that nothing
 * catches costs its own question only: what was answered before it is known, and where to go on is, too.
 */

/** What to evaluate: a file, directory or expression, and what a function there is given. */
export interface PackageSet {
  readonly root: string;
  readonly isExpression: boolean;
  /** Nix expressions by the argument's name. */
  readonly args: ReadonlyMap<string, string>;
}

/** An attribute's names from the root of the set; none is the root itself. */
export type AttrPath = readonly string[];

/** What an engine says about an attribute that it can evaluate, or that `tryEval` catches. */
export type Answer =
  | { readonly kind: "derivation"; readonly drvPath: string }
  /** A set that asks to be looked into. */
  | { readonly kind: "inside"; readonly names: readonly string[] }
  /** A value that is no derivation: its type and, when asked for, a digest of what it is made of. */
  | { readonly kind: "value"; readonly type: string; readonly digest?: string }
  | { readonly kind: "caught" };

export const ANSWER_MARK = "compare-engines:";

/** A string literal of the Nix language. */
export function nixString(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&").replaceAll("${", "\\${").replaceAll("\n", "\\n").replaceAll("\r", "\\r")}"`;
}

function nixList(items: readonly string[]): string {
  return `[ ${items.join(" ")} ]`;
}

/** The root of the set, called with its arguments when it is a function. */
function rootOf(set: PackageSet): string {
  const loaded = set.isExpression ? `(${set.root})` : `(import (/. + ${nixString(set.root)}))`;
  const args = [...set.args].map(([name, expression]) => `${nixString(name)} = ${expression};`).join(" ");
  return `(let
    loaded = ${loaded};
    args = { ${args} };
    formals = builtins.functionArgs loaded;
  in
    if !builtins.isFunction loaded then loaded
    else loaded (if formals == { } then args else builtins.intersectAttrs formals args))`;
}

/** The names of an attribute path as people write it: separated by dots, in quotes where a name has dots. */
export function parseAttrPath(text: string): AttrPath {
  return [...text.matchAll(/"([^"]*)"|[^."]+/g)].map(([whole, quoted]) => quoted ?? whole);
}

/** Selects an attribute, for an engine that instantiates or shows its error. */
export function selectExpression(set: PackageSet, path: AttrPath): string {
  return `builtins.foldl' (set: name: set.\${name}) ${rootOf(set)} ${nixList(path.map(nixString))}`;
}

/** What is asked about each attribute, and how. */
export interface Questions {
  /** Which sets are looked into, beside those asked about by name: none, those that say recurseForDerivations, all. */
  readonly recurses: "no" | "marked" | "all";
  /** The attributes looked into whatever they say; the root is one. */
  readonly roots: readonly AttrPath[];
  /** Compare values that are no derivations down to this depth; 0 compares their types only. */
  readonly valueDepth: number;
}

/** Prints a value as text, functions by their arguments' names, what cannot be evaluated as a mark. */
const SHOW = `show = depth: value:
    let
      type = builtins.typeOf value;
      within = value:
        let tried = builtins.tryEval (show (depth - 1) value);
        in if tried.success then tried.value else "<caught>";
    in
      if type == "string" then builtins.toJSON [ (builtins.unsafeDiscardStringContext value) (builtins.attrNames (builtins.getContext value)) ]
      else if type == "path" then toString value
      else if type == "lambda" then "<lambda \${builtins.toJSON (builtins.functionArgs value)}>"
      else if type == "list" then
        if depth == 0 then "[\${toString (builtins.length value)}]"
        else "[\${builtins.concatStringsSep " " (map within value)}]"
      else if type == "set" then
        if (let tried = builtins.tryEval ((value.type or null) == "derivation"); in tried.success && tried.value)
        then (let tried = builtins.tryEval value.drvPath; in if tried.success then tried.value else "<caught>")
        else if depth == 0 then "{\${toString (builtins.attrNames value)}}"
        else "{\${builtins.concatStringsSep " " (map (name: name + "=" + within value.\${name}) (builtins.attrNames value))}}"
      else builtins.toJSON value;
  digestOf = value: builtins.hashString "sha256" (builtins.unsafeDiscardStringContext (show VALUE_DEPTH value));`;

/** Asks about each of `paths`; with `catches` false what `throw` and `assert` raise ends the run, message and all. */
export function probeExpression(
  set: PackageSet,
  paths: readonly AttrPath[],
  options: Questions & { readonly catches: boolean },
): string {
  const isRoot = `builtins.elem path ${nixList(options.roots.map((path) => nixList(path.map(nixString))))}`;
  const wantsInside = {
    no: isRoot,
    marked: `${isRoot} || (value.recurseForDerivations or value.recurseForRelease or false) == true`,
    all: "true",
  }[options.recurses];
  const digest = options.valueDepth > 0 ? "digest = digestOf value;" : "";
  return `let
  ${SHOW.replace("VALUE_DEPTH", String(options.valueDepth))}
  root = ${rootOf(set)};
  paths = ${nixList(paths.map((path) => nixList(path.map(nixString))))};
  describe = path:
    let value = builtins.foldl' (set: name: set.\${name}) root path;
    in
      if !builtins.isAttrs value then { kind = "value"; type = builtins.typeOf value; ${digest} }
      else if (value.type or null) == "derivation"
        then { kind = "derivation"; drvPath = builtins.unsafeDiscardStringContext value.drvPath; }
      else if ${wantsInside} then { kind = "inside"; names = builtins.attrNames value; }
      else { kind = "value"; type = "set"; ${digest} };
  answer = path:
    let
      described = describe path;
      tried = builtins.tryEval (builtins.deepSeq described described);
    in ${options.catches ? `if tried.success then tried.value else { kind = "caught"; }` : "described"};
in builtins.foldl'
     (index: path: builtins.trace ("${ANSWER_MARK}" + builtins.toJSON { inherit index; answer = answer path; }) (index + 1))
     0 paths`;
}
