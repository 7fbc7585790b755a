/** The derivations a value stands for: itself, or those in a set or list. */

import { StorePath } from "../../format/store-path.ts";
import { Attrs } from "./attrs.ts";
import { autoCall } from "./attr-path.ts";
import { coerceToText, NO_COPY } from "./coerce.ts";
import { invalidError, typeError, withFrame } from "./eval-error.ts";
import { expectBoolean, expectPlainText } from "./expect.ts";
import { isDerivation } from "./equality.ts";
import type { EvalState } from "./state.ts";
import { force } from "./thunk.ts";
import { isList } from "./type-name.ts";
import type { Place, Slot, Value } from "./value.ts";

export interface FoundDerivation {
  readonly drvPath: string;
  readonly outputName: string;
}

/** Attributes with other names are not looked into. */
export const SEARCHED_NAME: RegExp = /^[A-Za-z_][A-Za-z0-9\-_+]*$/;

/**
 * All derivations in a value, each once, in the order of attribute names; with `member`, those that this attribute of the
 * value contributes.
 */
export function collectDerivations(
  state: EvalState,
  root: Value,
  args: Attrs,
  member?: string,
): readonly FoundDerivation[] {
  const found: FoundDerivation[] = [];
  const seen = new Set<Value>();

  /** Adds a derivation; false when the value is none. */
  const take = (value: Value): boolean => {
    if (!isDerivation(value)) return false;
    if (!seen.has(value)) {
      seen.add(value);
      found.push(derivationOf(state, value));
    }
    return true;
  };

  const searchMember = (value: Value): void => {
    if (take(value) || !(value instanceof Attrs)) return;
    const recurse = value.get("recurseForDerivations");
    const frame = "while evaluating the attribute `recurseForDerivations`";
    if (recurse !== undefined && expectBoolean(recurse, value.placeOf("recurseForDerivations"), frame)) search(value);
  };

  const search = (given: Value): void => {
    const value = autoCall(state, given, args);
    if (take(value)) return;
    if (value instanceof Attrs) {
      value.keys.forEach((name, index) => {
        if (SEARCHED_NAME.test(name)) searchMember(force(value.values[index]!, value.places?.[index]));
      });
    } else if (isList(value)) {
      for (const element of value) {
        const member = force(element);
        if (!take(member)) search(member);
      }
    } else throw typeError("expression does not evaluate to a derivation (or a set or list of those)");
  };

  if (member === undefined) search(root);
  else searchMember(force((root as Attrs).get(member)!, (root as Attrs).placeOf(member)));
  return found;
}

function derivationOf(state: EvalState, value: Attrs): FoundDerivation {
  const drvPath = value.get("drvPath");
  if (drvPath === undefined) throw typeError("derivation does not contain a 'drvPath' attribute");
  const outputName = value.get("outputName");
  return {
    drvPath: drvPathOf(state, drvPath, value.placeOf("drvPath")),
    outputName:
      outputName === undefined
        ? "out"
        : expectPlainText(outputName, value.placeOf("outputName"), "while evaluating the output name of a derivation"),
  };
}

function drvPathOf(state: EvalState, slot: Slot, at: Place | undefined): string {
  const frame = "while evaluating the 'drvPath' attribute of a derivation";
  const path = coerceToText(state, slot, new Set(), at, frame, NO_COPY);
  const parsed = StorePath.parseFull(path, state.settings.storeDir);
  if (!parsed.ok) throw withFrame(invalidError(`path '${path}' is not in the Nix store`), frame, at);
  if (parsed.value.isDerivation) return path;
  throw withFrame(invalidError(`store path '${parsed.value.baseName}' is not a valid derivation path`), frame, at);
}
