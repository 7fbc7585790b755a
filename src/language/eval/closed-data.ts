/** Arguments that are nothing but data, and so mean the same in every evaluation. */

import { Source } from "../syntax/source.ts";
import { Attrs, attrsOfEntries } from "./attrs.ts";
import { EvalError } from "./eval-error.ts";
import { NotShareableError } from "./sharing.ts";
import { force, tentatively, Thunk } from "./thunk.ts";
import { Float, Lambda, PartialPrimOp, Path, PrimOp, type Place, type Slot, type Value } from "./value.ts";

const PARTS_MAX = 50_000;
const DEPTH_MAX = 50;
const GLANCE_DEPTH_MAX = 2;

/** Data, and a text that is the same for equal data only. */
export interface ClosedData {
  readonly key: string;
  /** A copy that nothing else refers to. Its attributes do not say where they were written. */
  readonly value: Value;
}

/**
 * The data that a slot holds; `undefined` when there is a function in it, a string with context, or a path that
 * `acceptsPath` refuses, and when it cannot be evaluated. What cannot be evaluated is as it was afterwards.
 */
export function closedData(slot: Slot, acceptsPath: (path: string) => boolean): ClosedData | undefined {
  if (isSurelyOpen(slot, 0)) return undefined;
  const parts: string[] = [];
  let left = PARTS_MAX;
  const copy = (from: Slot, depth: number): Value | undefined => {
    const value = force(from);
    if (left-- === 0 || depth > DEPTH_MAX) return undefined;
    if (value === null || typeof value === "boolean" || typeof value === "number" || typeof value === "bigint") {
      parts.push(`${typeof value} ${value}`);
      return value;
    }
    if (typeof value === "string") {
      parts.push(JSON.stringify(value));
      return value;
    }
    if (value instanceof Float) {
      parts.push(`float ${Object.is(value.value, -0) ? "-0" : value.value}`);
      return value;
    }
    if (value instanceof Path) {
      if (!acceptsPath(value.path)) return undefined;
      parts.push(`path ${JSON.stringify(value.path)}`);
      return new Path(value.path);
    }
    if (Array.isArray(value)) {
      parts.push(`[${value.length}`);
      const items: Slot[] = [];
      for (const item of value as readonly Slot[]) {
        const copied = copy(item, depth + 1);
        if (copied === undefined) return undefined;
        items.push(copied);
      }
      return items;
    }
    if (!(value instanceof Attrs)) return undefined;
    parts.push(`{${value.size}`);
    const entries: [string, Slot, Place][] = [];
    for (const [index, name] of value.keys.entries()) {
      parts.push(JSON.stringify(name));
      const copied = copy(value.values[index]!, depth + 1);
      if (copied === undefined) return undefined;
      entries.push([name, copied, ARGUMENT_PLACE]);
    }
    return attrsOfEntries(entries);
  };
  try {
    const value = tentatively(() => copy(slot, 0));
    return value === undefined ? undefined : { key: parts.join(" "), value };
  } catch (error) {
    if (error instanceof EvalError) return undefined;
    throw error;
  }
}

/** Whether there is a function, or something just being evaluated, near the top of what has been evaluated so far. */
function isSurelyOpen(slot: Slot, depth: number): boolean {
  if (slot instanceof Thunk) {
    if (slot.isRunning) return true;
    return slot.isForced && isSurelyOpen(slot.state as Value, depth);
  }
  if (slot instanceof Attrs) {
    return depth < GLANCE_DEPTH_MAX && slot.values.some((value) => isSurelyOpen(value, depth + 1));
  }
  return slot instanceof Lambda || slot instanceof PrimOp || slot instanceof PartialPrimOp;
}

/** Where the arguments of a shared call stand differs from caller to caller: whoever looks cannot share. */
class ArgumentSource extends Source {
  constructor() {
    super("«shared arguments»", "", { isFile: true });
  }

  override locate(): never {
    throw new NotShareableError("the place of a shared argument was looked at");
  }
}

const ARGUMENT_PLACE: Place = { source: new ArgumentSource(), offset: 0 };
