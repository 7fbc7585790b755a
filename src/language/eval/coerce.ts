/** Coercion to strings and paths, with the store paths it pulls in. */

import { StorePathNameError } from "../../format/store-path.ts";
import { HostError } from "../host.ts";
import { Attrs } from "./attrs.ts";
import { call } from "./call.ts";
import { baseNameOfPath, canonicalPath } from "./canonical-path.ts";
import { EvalError, invalidError, typeError, withFrame } from "./eval-error.ts";
import { renderFloatFixed } from "./float-text.ts";
import { showValue } from "./print-value.ts";
import type { EvalState } from "./state.ts";
import { force, settled } from "./thunk.ts";
import { describeType, isList } from "./type-name.ts";
import { ContextString, Float, Path, type Place, type Slot, type Value } from "./value.ts";

export interface CoerceOptions {
  /** Also numbers, booleans, null and lists, as `toString` and derivation attributes do. */
  readonly more?: boolean;
  /** Replace a path by the store path of its copy. */
  readonly copyToStore?: boolean;
  /** Keep a path's text as it is. */
  readonly keepPathText?: boolean;
}

export const COPY: CoerceOptions = { copyToStore: true };
export const COPY_MORE: CoerceOptions = { copyToStore: true, more: true };
export const NO_COPY: CoerceOptions = {};
export const NO_COPY_MORE: CoerceOptions = { more: true };

/** Coerces to a byte string; the context goes into `context`. */
export function coerceToText(
  state: EvalState,
  slot: Slot,
  context: Set<string>,
  at: Place | undefined,
  frame: string,
  options: CoerceOptions,
): string {
  if (typeof slot === "string") return slot;
  state.enterCall(at);
  const text = coerceForced(state, force(slot, at), context, at, frame, options);
  state.callDepth--;
  return text;
}

function coerceForced(
  state: EvalState,
  value: Value,
  context: Set<string>,
  at: Place | undefined,
  frame: string,
  options: CoerceOptions,
): string {
  if (typeof value === "string") return value;
  if (value instanceof ContextString) {
    for (const element of value.context) context.add(element);
    return value.text;
  }
  if (value instanceof Path) {
    if (options.copyToStore !== true) return options.keepPathText === true ? value.path : canonicalPath(value.path);
    const storePath = copyToStore(state, value.path);
    context.add(storePath);
    return storePath;
  }
  if (value instanceof Attrs) {
    const toString = value.get("__toString");
    if (toString !== undefined) {
      const result = call(state, force(toString, at), [value], at);
      const inner = "while evaluating the result of the `__toString` attribute";
      return coerceToText(state, result, context, at, inner, options);
    }
    const outPath = value.get("outPath");
    if (outPath === undefined) throw withFrame(cannotCoerce(value), frame, at);
    return coerceToText(state, outPath, context, at, frame, options);
  }
  if (options.more === true) {
    if (value === true) return "1";
    if (value === false || value === null) return "";
    if (typeof value === "number" || typeof value === "bigint") return value.toString();
    if (value instanceof Float) return renderFloatFixed(value);
    if (isList(value)) return coerceList(state, value, context, at, frame, options);
  }
  throw withFrame(cannotCoerce(value), frame, at);
}

function coerceList(
  state: EvalState,
  list: readonly Slot[],
  context: Set<string>,
  at: Place | undefined,
  frame: string,
  options: CoerceOptions,
): string {
  let text = "";
  for (let i = 0; i < list.length; i++) {
    const element = list[i]!;
    try {
      text += coerceToText(state, element, context, at, "while evaluating one element of the list", options);
    } catch (error) {
      throw withFrame(error, frame, at);
    }
    const value = settled(element);
    // Nix leaves out the space after an empty list only.
    if (i < list.length - 1 && !(Array.isArray(value) && value.length === 0)) text += " ";
  }
  return text;
}

function cannotCoerce(value: Value): EvalError {
  return typeError(`cannot coerce ${describeType(value)} to a string: ${showValue(value)}`);
}

/** Copies a path to the store, once per evaluation; the answer is the full store path. */
export function copyToStore(state: EvalState, path: string): string {
  const canonical = canonicalPath(path);
  if (canonical.endsWith(".drv")) throw invalidError("file names are not allowed to end in '.drv'");
  const known = state.copiedSources.get(canonical);
  if (known !== undefined) return known;
  const storePath = asking(() => {
    const resolved = state.host.resolveParent(canonical);
    return state.host.addSource({ name: baseNameOfPath(resolved) ?? "source", path: resolved, method: "nar" });
  });
  state.copiedSources.set(canonical, storePath);
  return storePath;
}

/** Asks the host; its refusal becomes an error of the evaluation. */
export function asking<T>(question: () => T): T {
  try {
    return question();
  } catch (error) {
    if (error instanceof HostError) throw new EvalError({ kind: "world", message: error.message }, undefined);
    if (error instanceof StorePathNameError) throw invalidError(error.reason);
    throw error;
  }
}

/** Coerces to an absolute path, without making it exist. */
export function coerceToPath(
  state: EvalState,
  slot: Slot,
  context: Set<string>,
  at: Place | undefined,
  frame: string,
): string {
  let value: Value;
  try {
    value = force(slot, at);
  } catch (error) {
    throw withFrame(error, frame, at);
  }
  if (value instanceof Path) return canonicalPath(value.path);
  if (value instanceof Attrs) {
    const toString = value.get("__toString");
    if (toString !== undefined) {
      return coerceToPath(state, call(state, force(toString, at), [value], at), context, at, frame);
    }
  }
  const path = coerceToText(state, value, context, at, frame, NO_COPY);
  if (!path.startsWith("/")) {
    throw withFrame(invalidError(`string '${path}' doesn't represent an absolute path`), frame, at);
  }
  return canonicalPath(path);
}

/** Coerces to a path that can be read: what its context names is made to exist first. */
export function coerceToReadablePath(state: EvalState, slot: Slot): string {
  const context = new Set<string>();
  const path = coerceToPath(state, slot, context, undefined, "while realising the context of a path");
  if (context.size > 0) {
    try {
      asking(() => state.host.realise([...context]));
    } catch (error) {
      throw withFrame(error, `while realising the context of path '${path}'`, undefined);
    }
  }
  return path;
}
