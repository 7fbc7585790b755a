/** Where a value that is not bound to a name can be said to come from. */

import type { EvalState } from "./state.ts";
import { Thunk } from "./thunk.ts";
import { Lambda, type Place, type Slot, type Value } from "./value.ts";

/** The place of a function, or of the function that a suspended call will call; unknown for anything else. */
export function placeOfValue(state: EvalState, slot: Slot): Place | undefined {
  let current = slot;
  while (current instanceof Thunk) {
    const { code } = current;
    if (code === undefined) current = current.state as Value;
    else if (code === state.suspendedCallOne || code === state.suspendedCallTwo) {
      current = (current.state as readonly Slot[])[0]!;
    } else return undefined;
  }
  return current instanceof Lambda ? current.code.place : undefined;
}
