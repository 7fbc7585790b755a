/** Equality and order of values. */

import { renderIdentifier } from "../print/identifier.ts";
import { Attrs } from "./attrs.ts";
import { EvalError, invalidError, withFrame } from "./eval-error.ts";
import { showValue } from "./print-value.ts";
import type { EvalState } from "./state.ts";
import { inSymbolOrder } from "./symbol-order.ts";
import { force } from "./thunk.ts";
import { describeType, isFunction, isInteger, isList, isString, textOf, typeOf } from "./type-name.ts";
import { Float, Path, type Place, type Slot, type Value } from "./value.ts";

/** Whether a set is `{ type = "derivation"; … }`. */
export function isDerivation(value: Value): value is Attrs {
  if (!(value instanceof Attrs)) return false;
  const type = value.get("type");
  if (type === undefined) return false;
  const forced = force(type, value.placeOf("type"));
  return isString(forced) && textOf(forced) === "derivation";
}

/** The `==` operator. Elements of lists and sets that are the very same value are equal without being looked at. */
export function areEqual(state: EvalState, left: Slot, right: Slot, at: Place | undefined): boolean {
  state.enterCall(at);
  const result = areForcedEqual(state, force(left, at), force(right, at), at);
  state.callDepth--;
  return result;
}

/** Equality as between elements of lists and sets: the very same value is equal to itself, even a function. */
export function areElementsEqual(state: EvalState, left: Slot, right: Slot, at: Place | undefined): boolean {
  state.enterCall(at);
  const leftValue = force(left, at);
  const rightValue = force(right, at);
  const result = left === right || leftValue === rightValue || areForcedEqual(state, leftValue, rightValue, at);
  state.callDepth--;
  return result;
}

function areForcedEqual(state: EvalState, left: Value, right: Value, at: Place | undefined): boolean {
  if (isInteger(left)) {
    if (right instanceof Float) return Number(left) === right.value;
    return left === right;
  }
  if (left instanceof Float) {
    if (right instanceof Float) return left.value === right.value;
    return isInteger(right) && left.value === Number(right);
  }
  if (left === null || typeof left === "boolean") return left === right;
  if (isString(left)) return isString(right) && textOf(left) === textOf(right);
  if (left instanceof Path) return right instanceof Path && left.path === right.path;
  if (isList(left)) {
    if (!isList(right) || left.length !== right.length) return false;
    for (let i = 0; i < left.length; i++) if (!areElementsEqual(state, left[i]!, right[i]!, at)) return false;
    return true;
  }
  if (!(left instanceof Attrs) || !(right instanceof Attrs)) return false;
  if (isDerivation(left) && isDerivation(right)) {
    const leftPath = left.get("outPath");
    const rightPath = right.get("outPath");
    if (leftPath !== undefined && rightPath !== undefined) return areElementsEqual(state, leftPath, rightPath, at);
  }
  return left.size === right.size && areAttrsEqual(state, left, right, at);
}

/**
 * Whether sets of one size have the same attributes. Nix compares in the order of its symbols, name and value in turn, so
 * an error in a value counts only when nothing differs before it. No value is compared twice: sets that share their
 * members would take twice as long with each level.
 */
function areAttrsEqual(state: EvalState, left: Attrs, right: Attrs, at: Place | undefined): boolean {
  const { keys, values } = left;
  const rightKeys = right.keys;
  const rightValues = right.values;
  const size = keys.length;
  let i = 0;
  while (i < size && keys[i] === rightKeys[i] && isSameNumberOrText(values[i]!, rightValues[i]!)) i++;
  if (i === size) return true;
  // The only one: there is no order to ask for.
  if (size === 1) return keys[0] === rightKeys[0] && areElementsEqual(state, values[0]!, rightValues[0]!, at);
  return areAttrsEqualInOrder(state, left, right, at);
}

/** Whether both are known already to be the same, which no error can hide. */
function isSameNumberOrText(left: Slot, right: Slot): boolean {
  return left === right && (typeof left === "string" || typeof left === "number" || typeof left === "bigint");
}

/** Compares in the order of Nix: the values in front of the first other name are looked at. */
function areAttrsEqualInOrder(state: EvalState, left: Attrs, right: Attrs, at: Place | undefined): boolean {
  const rightOrder = inSymbolOrder(right);
  const leftOrder = inSymbolOrder(left);
  for (let i = 0; i < leftOrder.length; i++) {
    const l = leftOrder[i]!;
    const r = rightOrder[i]!;
    if (left.keys[l] !== right.keys[r]) return false;
    if (!areElementsEqual(state, left.values[l]!, right.values[r]!, at)) return false;
  }
  return true;
}

/** Throws the assertion error that says where two values differ, when they do. Follows `areEqual` step by step. */
export function assertEqual(state: EvalState, left: Slot, right: Slot, at: Place | undefined, isElement = false): void {
  state.enterCall(at);
  const leftValue = force(left, at);
  const rightValue = force(right, at);
  if (!(isElement && leftValue === rightValue)) assertForcedEqual(state, leftValue, rightValue, at);
  state.callDepth--;
}

function failed(message: string): EvalError {
  return new EvalError({ kind: "assertion-failed", message }, undefined);
}

function assertForcedEqual(state: EvalState, left: Value, right: Value, at: Place | undefined): void {
  const shownLeft = (): string => showValue(left);
  const shownRight = (): string => showValue(right);
  const isNumber = (value: Value): boolean => isInteger(value) || value instanceof Float;
  const leftType = typeOf(left);
  if (isNumber(left) && isNumber(right)) {
    if (areForcedEqual(state, left, right, at)) return;
    throw failed(
      `${describeType(left)} with value '${shownLeft()}' is not equal to ${describeType(right)} with value '${shownRight()}'`,
    );
  }
  if (leftType !== typeOf(right)) {
    throw failed(
      `${describeType(left)} of value '${shownLeft()}' is not equal to ${describeType(right)} of value '${shownRight()}'`,
    );
  }
  if (isFunction(left)) {
    throw failed("distinct functions and immediate comparisons of identical functions compare as unequal");
  }
  if (isList(left) && isList(right)) {
    if (left.length !== right.length) {
      throw failed(
        `list of size '${left.length}' is not equal to list of size '${right.length}', left hand side is '${shownLeft()}', right hand side is '${shownRight()}'`,
      );
    }
    for (let i = 0; i < left.length; i++) {
      try {
        assertEqual(state, left[i]!, right[i]!, at, true);
      } catch (error) {
        throw withFrame(error, `while comparing list element ${i}`, at);
      }
    }
    return;
  }
  if (left instanceof Attrs && right instanceof Attrs) return assertAttrsEqual(state, left, right, at);
  if (areForcedEqual(state, left, right, at)) return;
  const name = leftType === "bool" ? "boolean" : leftType;
  throw failed(`${name} '${shownLeft()}' is not equal to ${name} '${shownRight()}'`);
}

function assertAttrsEqual(state: EvalState, left: Attrs, right: Attrs, at: Place | undefined): void {
  if (isDerivation(left) && isDerivation(right)) {
    const leftPath = left.get("outPath");
    const rightPath = right.get("outPath");
    if (leftPath !== undefined && rightPath !== undefined) {
      try {
        return assertEqual(state, leftPath, rightPath, at, true);
      } catch (error) {
        throw withFrame(error, "while comparing a derivation by its 'outPath' attribute", at);
      }
    }
  }
  if (left.size !== right.size) {
    throw failed(
      `attribute names of attribute set '${showValue(left)}' differs from attribute set '${showValue(right)}'`,
    );
  }
  const leftOrder = inSymbolOrder(left);
  const rightOrder = inSymbolOrder(right);
  for (let i = 0; i < leftOrder.length; i++) {
    const l = leftOrder[i]!;
    const r = rightOrder[i]!;
    const name = left.keys[l]!;
    const other = right.keys[r]!;
    if (name !== other) {
      throw failed(
        right.has(name)
          ? `attribute name '${renderIdentifier(other)}' is missing in '${showValue(left)}', but is contained in '${showValue(right)}'`
          : `attribute name '${renderIdentifier(name)}' is contained in '${showValue(left)}', but not in '${showValue(right)}'`,
      );
    }
    try {
      assertEqual(state, left.values[l]!, right.values[r]!, at, true);
    } catch (error) {
      if (error instanceof EvalError) {
        const rightPlace = right.places?.[r];
        const leftPlace = left.places?.[l];
        if (rightPlace !== undefined) error.addFrame("where right hand side is", rightPlace);
        if (leftPlace !== undefined) error.addFrame("where left hand side is", leftPlace);
        error.addFrame(`while comparing attribute '${renderIdentifier(name)}'`, at);
      }
      throw error;
    }
  }
}

/** The `<` operator on forced values. */
export function isLess(state: EvalState, left: Value, right: Value, at: Place | undefined, frame: string): boolean {
  try {
    if (isInteger(left)) {
      if (isInteger(right)) return left < right;
      if (right instanceof Float) return Number(left) < right.value;
    } else if (left instanceof Float) {
      if (right instanceof Float) return left.value < right.value;
      if (isInteger(right)) return left.value < Number(right);
    } else if (isString(left)) {
      if (isString(right)) return textOf(left) < textOf(right);
    } else if (left instanceof Path) {
      if (right instanceof Path) return left.path < right.path;
    } else if (isList(left) && isList(right)) {
      for (let i = 0; ; i++) {
        if (i === right.length) return false;
        if (i === left.length) return true;
        if (!areElementsEqual(state, left[i]!, right[i]!, at)) {
          return isLess(state, force(left[i]!, at), force(right[i]!, at), at, "while comparing two list elements");
        }
      }
    }
    throw incomparable(left, right);
  } catch (error) {
    throw withFrame(error, frame, undefined);
  }
}

function incomparable(left: Value, right: Value): EvalError {
  const types = `cannot compare ${describeType(left)} with ${describeType(right)}; `;
  const values = `values are ${showValue(left)} and ${showValue(right)}`;
  return invalidError(
    typeOf(left) === typeOf(right) ? `${types}values of that type are incomparable (${values})` : types + values,
  );
}
