/** The builtin scope: every name that no expression has to bind. */

import { NIX_VERSION } from "../nix-version.ts";
import { Attrs, attrsOf, attrsOfEntries } from "../eval/attrs.ts";
import { expectPlainText } from "../eval/expect.ts";
import { Program } from "../eval/program.ts";
import type { EvalState } from "../eval/state.ts";
import { NativeCode, Thunk } from "../eval/thunk.ts";
import { PrimOp, type Slot } from "../eval/value.ts";
import type { BuiltinBody, Builtins } from "./builtin.ts";
import { requireFeature } from "./features.ts";
import { contextBuiltins } from "./contexts.ts";
import { controlBuiltins } from "./control.ts";
import { dataBuiltins } from "./data.ts";
import { derivationBuiltins } from "./derivations.ts";
import { fetchClosureBuiltins } from "./fetch-closure.ts";
import { fetchFileBuiltins } from "./fetch-file.ts";
import { fetchTreeBuiltins } from "./fetch-tree.ts";
import { fileBuiltins } from "./files.ts";
import { flakeReferenceBuiltins } from "./flake-references.ts";
import { flakeBuiltins } from "./get-flake.ts";
import { hashBuiltins } from "./hashes.ts";
import { importBuiltins } from "./imports.ts";
import { DERIVATION_FILE, INTERNAL_FILES } from "./internal-files.ts";
import { listBuiltins } from "./lists.ts";
import type { LookupElement } from "./lookup-path.ts";
import { numberBuiltins } from "./numbers.ts";
import { outputOfBuiltins } from "./output-of.ts";
import { setBuiltins } from "./sets.ts";
import { textBuiltins } from "./text.ts";

const LANGUAGE_VERSION = 6;

/** Names that are in scope as they are; all others are in scope with `__` before them. */
const PLAIN_NAMES = new Set([
  "abort",
  "baseNameOf",
  "break",
  "builtins",
  "derivation",
  "derivationStrict",
  "dirOf",
  "false",
  "fetchGit",
  "fetchMercurial",
  "fetchTarball",
  "fetchTree",
  "fromTOML",
  "import",
  "isNull",
  "map",
  "null",
  "placeholder",
  "removeAttrs",
  "scopedImport",
  "throw",
  "toString",
  "true",
]);

const UNTRACED = new Set(["addErrorContext"]);

/** Builtins that are part of one of Nix's experimental features, any of those named. */
const EXPERIMENTAL: ReadonlyMap<string, readonly string[]> = new Map([
  ["fetchTree", ["fetch-tree", "flakes"]],
  ["fetchClosure", ["fetch-closure"]],
  ["outputOf", ["dynamic-derivations"]],
]);

const environmentBuiltins: Builtins = {
  getEnv: [
    1,
    (state, [name]) => {
      const frame = "while evaluating the first argument passed to builtins.getEnv";
      const variable = expectPlainText(name!, undefined, frame);
      return state.settings.pure || state.settings.restricted ? "" : (state.host.environment(variable) ?? "");
    },
  ],
};

/** There without the feature, too, but to no avail. */
const FLAKE_FUNCTIONS = new Set(["getFlake", "parseFlakeRef", "flakeRefToString"]);

function withFeature(feature: string, body: BuiltinBody): BuiltinBody {
  return (state, args) => {
    requireFeature(state, feature);
    return body(state, args);
  };
}

/** Fills in the builtin scope of an evaluation; answers what runs programs in it. */
export function openScope(state: EvalState, searchPath: readonly LookupElement[]): Program {
  const program = new Program(state, INTERNAL_FILES);
  state.program = program;
  const entries: [string, Slot][] = [];
  const functions: Builtins = {
    ...controlBuiltins,
    ...setBuiltins,
    ...listBuiltins,
    ...numberBuiltins,
    ...textBuiltins,
    ...hashBuiltins,
    ...fileBuiltins,
    ...contextBuiltins,
    ...dataBuiltins,
    ...derivationBuiltins,
    ...outputOfBuiltins,
    ...environmentBuiltins,
    ...flakeReferenceBuiltins,
    ...importBuiltins(),
    ...fetchTreeBuiltins,
    ...fetchFileBuiltins,
    ...fetchClosureBuiltins,
    ...flakeBuiltins(program),
  };
  for (const [name, [arity, body]] of Object.entries(functions)) {
    if (EXPERIMENTAL.get(name)?.some((feature) => state.settings.features.has(feature)) === false) continue;
    const run = FLAKE_FUNCTIONS.has(name) ? withFeature("flakes", body) : body;
    entries.push([name, new PrimOp(name, arity, run, { isTraced: !UNTRACED.has(name) })]);
  }
  const { settings } = state;
  entries.push(
    ["true", true],
    ["false", false],
    ["null", null],
    ["nixVersion", NIX_VERSION],
    ["langVersion", LANGUAGE_VERSION],
    ["storeDir", settings.storeDir],
    ["nixPath", searchPath.map(({ prefix, path }) => attrsOf({ path, prefix }))],
    ["derivation", new Thunk(new NativeCode(() => program.importFile(DERIVATION_FILE)), [])],
  );
  if (!settings.pure) {
    entries.push(
      ["currentSystem", settings.system],
      ["currentTime", new Thunk(new NativeCode(() => state.host.currentTime()), [])],
    );
  }
  let builtins: Attrs | undefined;
  entries.push(["builtins", new Thunk(new NativeCode(() => builtins!), [])]);
  builtins = attrsOfEntries(entries);
  builtins.keys.forEach((name, index) => {
    state.globals.set(PLAIN_NAMES.has(name) ? name : `__${name}`, builtins.values[index]!);
  });
  state.globals.set("builtins", builtins);
  return program;
}
