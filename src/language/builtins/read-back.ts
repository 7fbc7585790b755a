/**
 * Derivations as Nix reads them back from the store it has just written them to.
 *
 * The text of a derivation has the system as it is, without escapes. So a system with quotes or backslashes in it makes a
 * file that nobody can read, or that says something else, and such a file Nix does not take into its store.
 */

import { byteStringOfBytes } from "../../base/byte-string.ts";
import { FormatError } from "../../base/errors.ts";
import type { Derivation } from "../../format/derivation.ts";
import { parseDerivation } from "../../format/derivation-aterm.ts";
import type { InstantiatedFile } from "../../format/derivation-hash.ts";
import { asking } from "../eval/coerce.ts";
import { invalidError, withFrame } from "../eval/eval-error.ts";
import type { EvalState } from "../eval/state.ts";

/** Refuses a derivation whose file does not say what it was made from. */
export function checkReadBack(state: EvalState, { drv, path, aterm }: InstantiatedFile): void {
  if (!/["\\]/.test(drv.system)) return;
  const { storeDir } = state.settings;
  const shown = path.render(storeDir);
  const found = readBack(byteStringOfBytes(aterm), drv.name, storeDir, shown);
  const wanted = asking(() => state.hasher.fillOutputs(found)).outputs;
  for (const [name, output] of found.outputs) {
    const other = wanted.get(name);
    if (output.kind !== "input-addressed" || other?.kind !== "input-addressed") continue;
    const [is, shouldBe] = [output.path.render(storeDir), other.path.render(storeDir)];
    if (is === shouldBe) continue;
    const error = invalidError(`derivation has incorrect output '${is}', should be '${shouldBe}'`);
    throw withFrame(error, `while checking derivation '${shown}'`, undefined);
  }
}

function readBack(text: string, name: string, storeDir: string, shown: string): Derivation {
  try {
    return parseDerivation(text, name, storeDir);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw invalidError(`error parsing derivation '${shown}': ${error.reason}`);
  }
}
