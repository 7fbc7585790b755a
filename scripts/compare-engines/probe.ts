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
  /** A value that is no derivation: its type. */
  | { readonly kind: "value"; readonly type: string }
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

/** Selects an attribute, for an engine that instantiates or shows its error. */
export function selectExpression(set: PackageSet, path: AttrPath): string {
  return `builtins.foldl' (set: name: set.\${name}) ${rootOf(set)} ${nixList(path.map(nixString))}`;
}

/** Asks about each of `paths`; with `catches` false what `throw` and `assert` raise ends the run, message and all. */
export function probeExpression(
  set: PackageSet,
  paths: readonly AttrPath[],
  options: { readonly recurses: boolean; readonly catches: boolean },
): string {
  const wantsInside = options.recurses
    ? `path == [ ] || (value.recurseForDerivations or value.recurseForRelease or false) == true`
    : "path == [ ]";
  return `let
  root = ${rootOf(set)};
  paths = ${nixList(paths.map((path) => nixList(path.map(nixString))))};
  describe = path:
    let value = builtins.foldl' (set: name: set.\${name}) root path;
    in
      if !builtins.isAttrs value then { kind = "value"; type = builtins.typeOf value; }
      else if (value.type or null) == "derivation"
        then { kind = "derivation"; drvPath = builtins.unsafeDiscardStringContext value.drvPath; }
      else if ${wantsInside} then { kind = "inside"; names = builtins.attrNames value; }
      else { kind = "value"; type = "set"; };
  answer = path:
    let
      described = describe path;
      tried = builtins.tryEval (builtins.deepSeq described described);
    in ${options.catches ? `if tried.success then tried.value else { kind = "caught"; }` : "described"};
in builtins.foldl'
     (index: path: builtins.trace ("${ANSWER_MARK}" + builtins.toJSON { inherit index; answer = answer path; }) (index + 1))
     0 paths`;
}
