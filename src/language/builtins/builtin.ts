/** How a primitive function is declared. */

import type { EvalState } from "../eval/state.ts";
import type { Slot, Value } from "../eval/value.ts";

export type BuiltinBody = (state: EvalState, args: readonly Slot[]) => Value;

/** Primitive functions by their name in `builtins`: how many arguments they take, and what they do. */
export type Builtins = Readonly<Record<string, readonly [arity: number, body: BuiltinBody]>>;
