/** Types, errors, tracing and order of evaluation. */

import { renderIdentifier } from "../print/identifier.ts";
import { Attrs, Shape } from "../eval/attrs.ts";
import { call } from "../eval/call.ts";
import { coerceToText, COPY, NO_COPY } from "../eval/coerce.ts";
import { EvalError, invalidError, withFrame } from "../eval/eval-error.ts";
import { expectAttrs, expectFunction, expectList, expectString } from "../eval/expect.ts";
import { isLess } from "../eval/equality.ts";
import { NO_LIMITS, showValue } from "../eval/print-value.ts";
import type { EvalState } from "../eval/state.ts";
import { inSymbolOrder } from "../eval/symbol-order.ts";
import { placeOfValue } from "../eval/place-of-value.ts";
import { force } from "../eval/thunk.ts";
import { isFunction, isInteger, isList, isString, textOf, typeOf } from "../eval/type-name.ts";
import { Float, Path, type Slot, type Value } from "../eval/value.ts";
import type { BuiltinBody, Builtins } from "./builtin.ts";
import { Dedup } from "./dedup.ts";

const test =
  (is: (value: Value) => boolean): BuiltinBody =>
  (_state, args) =>
    is(force(args[0]!));

function messageOf(state: EvalState, slot: Slot, frame: string): string {
  return coerceToText(state, slot, new Set(), undefined, frame, COPY);
}

/** Evaluates a value and everything in it. */
export function forceDeep(state: EvalState, root: Slot): void {
  const seen = new Set<Value>();
  const visit = (slot: Slot): void => {
    const at = placeOfValue(state, slot);
    state.enterCall(at);
    const value = force(slot, at);
    if (value instanceof Attrs) {
      if (!seen.has(value)) {
        seen.add(value);
        const { keys, values, places } = value;
        for (const i of inSymbolOrder(value)) {
          try {
            visit(values[i]!);
          } catch (error) {
            throw withFrame(error, `while evaluating the attribute '${renderIdentifier(keys[i]!)}'`, places?.[i]);
          }
        }
      }
    } else if (isList(value) && !seen.has(value)) {
      seen.add(value);
      for (let i = 0; i < value.length; i++) {
        try {
          visit(value[i]!);
        } catch (error) {
          throw withFrame(error, `while evaluating list element at index ${i}`, undefined);
        }
      }
    }
    state.callDepth--;
  };
  visit(root);
}

const TRIED = new Shape(["success", "value"], undefined, true);

const tryEval: BuiltinBody = (state, args) => {
  const depth = state.callDepth;
  try {
    return new Attrs(TRIED, [true, force(args[0]!)]);
  } catch (error) {
    if (!(error instanceof EvalError) || !error.isCatchable) throw error;
    state.callDepth = depth;
    state.sharing?.unwound();
    return new Attrs(TRIED, [false, false]);
  }
};

const addErrorContext: BuiltinBody = (state, args) => {
  try {
    return force(args[1]!);
  } catch (error) {
    if (error instanceof EvalError) {
      const frame = "while evaluating the error message passed to builtins.addErrorContext";
      error.addFrame(coerceToText(state, args[0]!, new Set(), undefined, frame, NO_COPY), undefined, true);
    }
    throw error;
  }
};

const trace: BuiltinBody = (state, [message, value]) => {
  const shown = force(message!);
  state.host.trace(isString(shown) ? textOf(shown) : showValue(shown, NO_LIMITS));
  return force(value!);
};

const warn: BuiltinBody = (state, [message, value]) => {
  const frame = "while evaluating the first argument; the message passed to builtins.warn";
  state.host.warn(textOf(expectString(message!, undefined, frame)), true);
  if (state.settings.abortOnWarn) {
    throw invalidError("aborting to reveal stack trace of warning, as abort-on-warn is set");
  }
  return force(value!);
};

const genericClosure: BuiltinBody = (state, [argument]) => {
  const attrs = expectAttrs(
    argument!,
    undefined,
    "while evaluating the first argument passed to builtins.genericClosure",
  );
  const inArgument = "in the attrset passed as argument to builtins.genericClosure";
  const startSet = expectList(
    requiredAttr(attrs, "startSet", inArgument),
    undefined,
    "while evaluating the 'startSet' attribute passed as argument to builtins.genericClosure",
  );
  if (startSet.length === 0) return startSet;
  const operator = expectFunction(
    requiredAttr(attrs, "operator", inArgument),
    undefined,
    "while evaluating the 'operator' attribute passed as argument to builtins.genericClosure",
  );
  const queue: Slot[] = [...startSet];
  const found: Value[] = [];
  const isKeyLess = (left: Value, right: Value): boolean => isLess(state, left, right, undefined, "");
  const known = new Dedup(isKeyLess);
  for (let next = 0; next < queue.length; next++) {
    const slot = queue[next]!;
    const shown = (): string => showValue(slot);
    let element: Attrs;
    let key: Value;
    try {
      element = expectAttrs(slot, undefined, "");
      key = force(requiredAttr(element, "key", ""));
    } catch (error) {
      throw withFrame(error, `in genericClosure element ${shown()}`, undefined);
    }
    const other = known.add(key, element);
    if (other === "known") continue;
    if (other !== "new") {
      withFrame(other.error, `with element ${showValue(other.other)}`, undefined);
      throw withFrame(other.error, `while comparing element ${shown()}`, undefined);
    }
    found.push(element);
    try {
      const frame = "while evaluating the return value of the `operator` passed to builtins.genericClosure";
      for (const added of expectList(call(state, operator, [element], undefined), undefined, frame)) {
        force(added);
        queue.push(added);
      }
    } catch (error) {
      throw withFrame(error, `while calling operator on genericClosure element ${shown()}`, undefined);
    }
  }
  return found;
};

/** An attribute that must be there. */
export function requiredAttr(attrs: Attrs, name: string, frame: string): Slot {
  const slot = attrs.get(name);
  if (slot !== undefined) return slot;
  throw withFrame(new EvalError({ kind: "attr-missing", name, suggestions: [] }, undefined), frame, undefined);
}

export const controlBuiltins: Builtins = {
  typeOf: [1, (_state, [value]) => typeOf(force(value!))],
  isNull: [1, test((value) => value === null)],
  isFunction: [1, test(isFunction)],
  isInt: [1, test(isInteger)],
  isFloat: [1, test((value) => value instanceof Float)],
  isString: [1, test(isString)],
  isBool: [1, test((value) => typeof value === "boolean")],
  isPath: [1, test((value) => value instanceof Path)],
  isAttrs: [1, test((value) => value instanceof Attrs)],
  isList: [1, test(isList)],
  abort: [
    1,
    (state, [message]) => {
      const text = messageOf(state, message!, "while evaluating the error message passed to builtins.abort");
      throw new EvalError({ kind: "aborted", message: text }, undefined);
    },
  ],
  throw: [
    1,
    (state, [message]) => {
      const text = messageOf(state, message!, "while evaluating the error message passed to builtin.throw");
      throw new EvalError({ kind: "thrown", message: text }, undefined);
    },
  ],
  break: [1, (_state, [value]) => force(value!)],
  addErrorContext: [2, addErrorContext],
  tryEval: [1, tryEval],
  seq: [
    2,
    (_state, [first, second]) => {
      force(first!);
      return force(second!);
    },
  ],
  deepSeq: [
    2,
    (state, [first, second]) => {
      forceDeep(state, first!);
      return force(second!);
    },
  ],
  trace: [2, trace],
  traceVerbose: [2, (state, args) => (state.settings.traceVerbose ? trace(state, args) : force(args[1]!))],
  warn: [2, warn],
  genericClosure: [1, genericClosure],
};
