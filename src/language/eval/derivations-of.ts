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

/** All derivations in a value, each once, in the order of attribute names. */
export function collectDerivations(state: EvalState, root: Value, args: Attrs): readonly FoundDerivation[] {
  const search = new DerivationSearch(state, args);
  return search.called(autoCall(state, root, args));
}

/** Looks for derivations in one value after another; each is found once. */
export class DerivationSearch {
  readonly #state: EvalState;
  readonly #args: Attrs;
  readonly #seen = new Set<Value>();
  #found: FoundDerivation[] = [];

  constructor(state: EvalState, args: Attrs) {
    this.#state = state;
    this.#args = args;
  }

  /** Those in a value that has been called already, if it is a function. */
  called(value: Value): readonly FoundDerivation[] {
    this.#found = [];
    this.#search(value);
    return this.#found;
  }

  /** Those that an attribute contributes to its set. */
  member(set: Attrs, name: string): readonly FoundDerivation[] {
    this.#found = [];
    this.#searchMember(force(set.get(name)!, set.placeOf(name)));
    return this.#found;
  }

  /** Adds a derivation; false when the value is none. */
  #take(value: Value): boolean {
    if (!isDerivation(value)) return false;
    if (!this.#seen.has(value)) {
      this.#seen.add(value);
      this.#found.push(derivationOf(this.#state, value));
    }
    return true;
  }

  #searchMember(value: Value): void {
    if (this.#take(value) || !(value instanceof Attrs)) return;
    const recurse = value.get("recurseForDerivations");
    const frame = "while evaluating the attribute `recurseForDerivations`";
    if (recurse !== undefined && expectBoolean(recurse, value.placeOf("recurseForDerivations"), frame)) {
      this.#searchUncalled(value);
    }
  }

  #searchUncalled(value: Value): void {
    this.#search(autoCall(this.#state, value, this.#args));
  }

  #search(value: Value): void {
    if (this.#take(value)) return;
    if (value instanceof Attrs) {
      value.keys.forEach((name, index) => {
        if (SEARCHED_NAME.test(name)) this.#searchMember(force(value.values[index]!, value.places?.[index]));
      });
    } else if (isList(value)) {
      for (const element of value) {
        const member = force(element);
        if (!this.#take(member)) this.#searchUncalled(member);
      }
    } else throw typeError("expression does not evaluate to a derivation (or a set or list of those)");
  }
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
