/**
 * Values that several evaluations share.
 *
 * Compiled code belongs to one `EvalState`: its reads are that state's host's. A state that is shared (of a package set,
 * see `realise/sharing`) therefore knows exactly what its values depend on, as long as none of its code runs with values
 * of others. Values are pure, so the other direction is enough to watch: whoever calls a function of another state runs
 * the function's syntax as code of its own. The values that a shared function has closed over stay with their state.
 */

import type { LambdaCode } from "./code.ts";
import type { EvalState } from "./state.ts";
import type { Slot, Value } from "./value.ts";

/** What a state knows of shared values. */
export interface Sharing {
  /** Whether the function that a file is can be called for all evaluations at once. */
  isShared(path: string): boolean;
  /** The result of such a call; `undefined` when this one has to be made for this evaluation alone. */
  call(file: string, arg: Slot): Value | undefined;
  /** An error has been caught: no code of shared states is running any more. */
  unwound(): void;
}

/** Owns the function that a shared file is, so that calls of it are noticed. */
export class FileFunction {
  readonly path: string;
  readonly code: LambdaCode;

  constructor(path: string, code: LambdaCode) {
    this.path = path;
    this.code = code;
  }
}

/** The code of a function, as it is run by a state. */
export function codeFor(state: EvalState, code: LambdaCode): LambdaCode {
  if (code.owner === state) return code;
  if (code.variant?.owner !== state) code.variant = code.compileFor(state);
  return code.variant;
}

/** A shared value was asked for something that is not the same for all evaluations. */
export class NotShareableError extends Error {
  override readonly name = "NotShareableError";
}
