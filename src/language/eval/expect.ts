/**
 * Forcing a slot to a type.
 *
 * Every function takes the place to blame and the frame to add ("while evaluating the first argument passed to …"), as
 * Nix's own do, so that messages and traces come out alike.
 */

import { Attrs } from "./attrs.ts";
import { showContextElement } from "./context-element.ts";
import { invalidError, typeError, withFrame } from "./eval-error.ts";
import { showValue } from "./print-value.ts";
import { force } from "./thunk.ts";
import { describeType, isFunction, isInteger, isList, isString } from "./type-name.ts";
import { Float, type NixInteger, type NixList, type NixString, type Place, type Slot, type Value } from "./value.ts";

function mismatch(wanted: string, value: Value, at: Place | undefined): Error {
  return typeError(`expected ${wanted} but found ${describeType(value)}: ${showValue(value)}`, at);
}

function forced<T extends Value>(
  slot: Slot,
  at: Place | undefined,
  frame: string,
  wanted: string,
  is: (value: Value) => value is T,
): T {
  try {
    const value = force(slot, at);
    if (!is(value)) throw mismatch(wanted, value, at);
    return value;
  } catch (error) {
    throw withFrame(error, frame, at);
  }
}

const isBoolean = (value: Value): value is boolean => typeof value === "boolean";

/** As in Nix, the frame is added when the type is wrong, but not when evaluating fails. */
export function expectAttrs(slot: Slot, at: Place | undefined, frame: string): Attrs {
  const value = force(slot, at);
  if (value instanceof Attrs) return value;
  throw withFrame(mismatch("a set", value, undefined), frame, at);
}

/** As in Nix, the frame is added when the type is wrong, but not when evaluating fails. */
export function expectList(slot: Slot, at: Place | undefined, frame: string): NixList {
  const value = force(slot, at);
  if (isList(value)) return value;
  throw withFrame(mismatch("a list", value, undefined), frame, at);
}

export function expectInteger(slot: Slot, at: Place | undefined, frame: string): NixInteger {
  return typeof slot === "number" ? slot : forced(slot, at, frame, "an integer", isInteger);
}

export function expectBoolean(slot: Slot, at: Place | undefined, frame: string): boolean {
  return typeof slot === "boolean" ? slot : forced(slot, at, frame, "a Boolean", isBoolean);
}

/** A float, or an integer made one. */
export function expectNumber(slot: Slot, at: Place | undefined, frame: string): number {
  try {
    const value = force(slot, at);
    if (isInteger(value)) return Number(value);
    if (!(value instanceof Float)) throw mismatch("a float", value, at);
    return value.value;
  } catch (error) {
    throw withFrame(error, frame, at);
  }
}

/** A function, or a set that can be called like one. */
export function expectFunction(slot: Slot, at: Place | undefined, frame: string): Value {
  try {
    const value = force(slot, at);
    if (!isFunction(value) && !(value instanceof Attrs && value.has("__functor"))) {
      throw mismatch("a function", value, at);
    }
    return value;
  } catch (error) {
    throw withFrame(error, frame, at);
  }
}

export function expectString(slot: Slot, at: Place | undefined, frame: string): NixString {
  return typeof slot === "string" ? slot : forced(slot, at, frame, "a string", isString);
}

/** The text of a string whose context is added to `context`. */
export function expectText(slot: Slot, context: Set<string>, at: Place | undefined, frame: string): string {
  const value = expectString(slot, at, frame);
  if (typeof value === "string") return value;
  for (const element of value.context) context.add(element);
  return value.text;
}

/** Paths come first, then derivations with all they need, then outputs. */
const CONTEXT_RANKS: Readonly<Record<string, number>> = { "=": 1, "!": 2 };

function compareContextElements(left: string, right: string): number {
  const byRank = (CONTEXT_RANKS[left[0]!] ?? 0) - (CONTEXT_RANKS[right[0]!] ?? 0);
  return byRank === 0 ? (left < right ? -1 : 1) : byRank;
}

/** The text of a string that must not refer to store paths. */
export function expectPlainText(slot: Slot, at: Place | undefined, frame: string): string {
  const value = expectString(slot, at, frame);
  if (typeof value === "string") return value;
  const first = [...value.context].sort(compareContextElements)[0];
  if (first !== undefined) {
    const shown = first.startsWith("=") ? `${first.slice(1)} (deep)` : showContextElement(first);
    const error = invalidError(
      `the string '${value.text}' is not allowed to refer to a store path (such as '${shown}')`,
    );
    throw withFrame(error, frame, at);
  }
  return value.text;
}
