/** Numbers and `+`, as the operators and the builtins of the same names share them. */

import { coerceToText, COPY } from "./coerce.ts";
import { canonicalPath } from "./canonical-path.ts";
import { invalidError } from "./eval-error.ts";
import { isLess } from "./equality.ts";
import { expectInteger, expectNumber } from "./expect.ts";
import { add, divide, multiply, subtract } from "./integer.ts";
import type { EvalState } from "./state.ts";
import { force, type Run } from "./thunk.ts";
import { describeType, isInteger, isString, stringWithContext } from "./type-name.ts";
import { type Env, Float, type NixInteger, Path, type Place, type Slot, type Value } from "./value.ts";

export type Arithmetic = "add" | "sub" | "mul" | "div";

const ARGUMENT_NAMES: Readonly<Record<Arithmetic, string>> = {
  add: "addition",
  sub: "subtraction",
  mul: "multiplication",
  div: "division",
};

const ON_INTEGERS: Readonly<Record<Arithmetic, (left: NixInteger, right: NixInteger) => NixInteger>> = {
  add: (left, right) => add(left, right),
  sub: (left, right) => subtract(left, right),
  mul: (left, right) => multiply(left, right),
  div: (left, right) => divide(left, right),
};

const ON_FLOATS: Readonly<Record<Arithmetic, (left: number, right: number) => number>> = {
  add: (left, right) => left + right,
  sub: (left, right) => left - right,
  mul: (left, right) => left * right,
  div: (left, right) => left / right,
};

/** Applies an operation on two numbers: on floats as soon as one of them is a float. */
export function operate(name: Arithmetic, leftSlot: Slot, rightSlot: Slot): Value {
  const left = force(leftSlot);
  const right = force(rightSlot);
  if (isInteger(left) && isInteger(right)) return ON_INTEGERS[name](left, right);
  const what = ARGUMENT_NAMES[name];
  const part = name === "div" ? "operand" : "argument";
  const firstFrame = `while evaluating the first ${part} of the ${what}`;
  const secondFrame = `while evaluating the second ${part} of the ${what}`;
  // A divisor may be any number before it is known which kind of division this is.
  if (name === "div" && expectNumber(right, undefined, secondFrame) === 0) throw invalidError("division by zero");
  if (left instanceof Float || right instanceof Float) {
    const leftNumber = expectNumber(left, undefined, firstFrame);
    const rightNumber = expectNumber(right, undefined, secondFrame);
    const result = ON_FLOATS[name](leftNumber, rightNumber);
    if (!Number.isNaN(result)) return new Float(result);
    // Of two NaNs, x86 keeps the operand that compilers put first.
    return name === "add" || name === "mul" ? notANumber(right, left) : notANumber(left, right);
  }
  return ON_INTEGERS[name](expectInteger(left, undefined, firstFrame), expectInteger(right, undefined, secondFrame));
}

/** A result that is no number: what comes from an operand that is none has that one's sign. */
function notANumber(first: Value, second: Value): Float {
  const found = [first, second].find((operand) => operand instanceof Float && Number.isNaN(operand.value));
  return found instanceof Float ? found : new Float(NaN);
}

export function lessThan(state: EvalState, left: Slot, right: Slot): boolean {
  return isLess(state, force(left), force(right), undefined, "");
}

/** Concatenates or adds; the first part decides whether the result is a number, a path or a string. */
export function concatenate(
  state: EvalState,
  parts: readonly Run[],
  places: readonly Place[],
  place: Place,
  isStringLiteral: boolean,
  env: Env,
): Value {
  const first = parts[0]!(env);
  if (typeof first === "string") {
    // Nearly always everything is text without context.
    let text = first;
    let i = 1;
    for (; i < parts.length; i++) {
      const value = parts[i]!(env);
      if (typeof value !== "string") return concatenateRest(state, text, i, value, parts, places, env);
      text += value;
    }
    return text;
  }
  if (!isStringLiteral && (isInteger(first) || first instanceof Float)) return sum(first, parts, places, env);
  const isToPath = !isStringLiteral && first instanceof Path;
  const options = isStringLiteral || isString(first) ? COPY : {};
  const context = new Set<string>();
  const frame = "while evaluating a path segment";
  let text = coerceToText(state, first, context, places[0], frame, isToPath ? { keepPathText: true } : options);
  for (let i = 1; i < parts.length; i++) {
    const value = parts[i]!(env);
    text += typeof value === "string" ? value : coerceToText(state, value, context, places[i], frame, options);
  }
  if (!isToPath) return stringWithContext(text, context);
  if (context.size > 0) {
    throw invalidError("a string that refers to a store path cannot be appended to a path", place);
  }
  return new Path(canonicalPath(text));
}

/** Goes on from the part at `index`, whose value is at hand, after parts that were plain text. */
function concatenateRest(
  state: EvalState,
  before: string,
  index: number,
  value: Value,
  parts: readonly Run[],
  places: readonly Place[],
  env: Env,
): Value {
  const context = new Set<string>();
  const frame = "while evaluating a path segment";
  let text = before + coerceToText(state, value, context, places[index], frame, COPY);
  for (let i = index + 1; i < parts.length; i++) {
    const next = parts[i]!(env);
    text += typeof next === "string" ? next : coerceToText(state, next, context, places[i], frame, COPY);
  }
  return stringWithContext(text, context);
}

function sum(first: NixInteger | Float, parts: readonly Run[], places: readonly Place[], env: Env): Value {
  // Nix adds to zero: two negative zeros make a positive one.
  let total: NixInteger | Float = first instanceof Float ? addFloats(0, first) : first;
  for (let i = 1; i < parts.length; i++) {
    const value = parts[i]!(env);
    if (isInteger(value)) {
      total = total instanceof Float ? addFloats(total, value) : add(total, value, places[i]);
    } else if (value instanceof Float) {
      total = addFloats(total, value);
    } else {
      const kind = total instanceof Float ? "a float" : "an integer";
      throw invalidError(`cannot add ${describeType(value)} to ${kind}`, places[i]);
    }
  }
  return total;
}

function addFloats(left: NixInteger | Float, right: NixInteger | Float): Float {
  const result = numberOf(left) + numberOf(right);
  return Number.isNaN(result) ? notANumber(left, right) : new Float(result);
}

function numberOf(value: NixInteger | Float): number {
  return value instanceof Float ? value.value : Number(value);
}
