/** Making lists that may be long: room for them is asked for first. */

import { blankArray } from "./blank.ts";
import { EvalError } from "./eval-error.ts";
import { type EvalState, SLOT_BYTES } from "./state.ts";
import type { NixList, Slot } from "./value.ts";

/** V8 has no arrays of more than 2^27 elements, but for hash tables, which are no lists. */
const LENGTH_MAX = 2 ** 27 - 64;
/** Longer arrays are better grown: V8 makes hash tables of them. */
const BLANK_LENGTH_MAX = 2 ** 25;

/** A list of `size` slots to fill in from the first to the last, each with `slotBytes` of its own. */
export function blankList(state: EvalState, size: number, slotBytes: number): Slot[] {
  if (size > LENGTH_MAX) throw new EvalError({ kind: "out-of-memory", message: "out of memory" }, undefined);
  state.reserve(size, size * slotBytes);
  return size > BLANK_LENGTH_MAX ? [] : (blankArray(size) as Slot[]);
}

/** Two lists in one. */
export function joinLists(state: EvalState, left: NixList, right: NixList): NixList {
  const size = left.length + right.length;
  if (size <= BLANK_LENGTH_MAX) {
    state.reserve(size);
    return left.concat(right);
  }
  return concatAll(state, [left, right]);
}

export function concatAll(state: EvalState, lists: readonly NixList[]): NixList {
  let size = 0;
  for (let i = 0; i < lists.length; i++) size += lists[i]!.length;
  const result = blankList(state, size, SLOT_BYTES);
  let next = 0;
  for (let i = 0; i < lists.length; i++) {
    const list = lists[i]!;
    for (let k = 0; k < list.length; k++) result[next++] = list[k]!;
  }
  return result;
}
