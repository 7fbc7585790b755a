/** `parseFlakeRef` and `flakeRefToString`. */

import {
  flakeReferenceAttributes,
  flakeReferenceOfAttributes,
  parseFlakeReference,
  renderFlakeReference,
} from "../../format/input/flake-reference.ts";
import type { InputAttribute, InputAttrs } from "../../format/input/attributes.ts";
import { renderIdentifier } from "../print/identifier.ts";
import { type Attrs, attrsOfEntries } from "../eval/attrs.ts";
import { invalidError } from "../eval/eval-error.ts";
import { expectAttrs, expectPlainText } from "../eval/expect.ts";
import { inSymbolOrder } from "../eval/symbol-order.ts";
import { force } from "../eval/thunk.ts";
import { describeType, isInteger, isString } from "../eval/type-name.ts";
import { ContextString, type Slot } from "../eval/value.ts";
import { refusing } from "../flake/flake-file.ts";
import type { Builtins } from "./builtin.ts";
import { requireInputFeatures } from "./features.ts";

/** The attributes of an input as a set. */
export function attrsOfInput(input: InputAttrs): Attrs {
  return attrsOfEntries([...input]);
}

function inputAttribute(name: string, slot: Slot): InputAttribute {
  const value = force(slot);
  if (isInteger(value)) {
    if (value < 0) throw invalidError(`negative value given for flake ref attr ${renderIdentifier(name)}: ${value}`);
    return value;
  }
  if (typeof value === "boolean") return value;
  if (isString(value)) return value instanceof ContextString ? value.text : value;
  throw invalidError(
    `flake reference attribute sets may only contain integers, Booleans, and strings, but attribute '${renderIdentifier(name)}' is ${describeType(value)}`,
  );
}

export const flakeReferenceBuiltins: Builtins = {
  parseFlakeRef: [
    1,
    (state, [reference]) => {
      const frame = "while evaluating the argument passed to builtins.parseFlakeRef";
      const text = expectPlainText(reference!, undefined, frame);
      const attrs = refusing(() => flakeReferenceAttributes(parseFlakeReference(text)));
      requireInputFeatures(state, attrs);
      return attrsOfInput(attrs);
    },
  ],
  flakeRefToString: [
    1,
    (state, [attrs]) => {
      const frame = "while evaluating the argument passed to builtins.flakeRefToString";
      const given = expectAttrs(attrs!, undefined, frame);
      const input = new Map(
        inSymbolOrder(given).map((index) => {
          const name = given.keys[index]!;
          return [name, inputAttribute(name, given.values[index]!)];
        }),
      );
      if (input.get("type") === "git") requireInputFeatures(state, input);
      return refusing(() => renderFlakeReference(flakeReferenceOfAttributes(input)));
    },
  ],
};
