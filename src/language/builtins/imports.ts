/** `import` and `scopedImport`. */

import { invariant } from "../../base/errors.ts";
import { splitStorePath, StorePath } from "../../format/store-path.ts";
import { attrsOfEntries } from "../eval/attrs.ts";
import { call } from "../eval/call.ts";
import { asking, coerceToReadablePath } from "../eval/coerce.ts";
import { expectAttrs } from "../eval/expect.ts";
import type { Program } from "../eval/program.ts";
import type { EvalState } from "../eval/state.ts";
import { ContextString, type Slot, type Value } from "../eval/value.ts";
import type { Builtins } from "./builtin.ts";
import { outputElement } from "../eval/context-element.ts";
import { outputText } from "./derivations.ts";
import { IMPORTED_DERIVATION_FILE } from "./internal-files.ts";

/** What imports files for the state that calls, which need not be the one that the builtin was taken from. */
function programOf(state: EvalState): Program {
  invariant(state.program !== undefined, "files are imported before the builtin scope is there");
  return state.program;
}

export function importBuiltins(): Builtins {
  return {
    import: [
      1,
      (state, [path]) => {
        const program = programOf(state);
        const readable = coerceToReadablePath(state, path!);
        return importDerivation(program, readable) ?? program.importFile(readable);
      },
    ],
    scopedImport: [
      2,
      (state, [scope, path]) => {
        const program = programOf(state);
        const readable = coerceToReadablePath(state, path!);
        const derivation = importDerivation(program, readable);
        if (derivation !== undefined) return derivation;
        const frame = "while evaluating the first argument passed to builtins.scopedImport";
        return program.importScoped(readable, expectAttrs(scope!, undefined, frame));
      },
    ],
  };
}

/** A derivation in the store, when that is what a path names. */
function importDerivation(program: Program, path: string): Value | undefined {
  const { state } = program;
  if (!path.endsWith(".drv")) return undefined;
  const split = splitStorePath(path, state.settings.storeDir);
  if (split === undefined || split[1] !== "") return undefined;
  if (!asking(() => state.host.isValidPath(path))) return undefined;
  const drv = state.derivationAt(path);
  const drvPath: StorePath = split[0];
  const outputs = [...drv.outputs.keys()].sort();
  const attrs = attrsOfEntries([
    ["drvPath", new ContextString(path, new Set([`=${path}`]))],
    ["name", drv.env.get("name") ?? drv.name],
    ["outputs", outputs],
    ...outputs.map((output): [string, Slot] => [
      output,
      new ContextString(outputText(state, drv, drvPath, output), new Set([outputElement(path, output)])),
    ]),
  ]);
  return call(state, program.importFile(IMPORTED_DERIVATION_FILE), [attrs], undefined);
}
