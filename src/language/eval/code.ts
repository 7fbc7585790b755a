/** What a function written in Nix is made of, apart from its environment. */

import type { FileFunction } from "./sharing.ts";
import type { EvalState } from "./state.ts";
import type { Code, Run } from "./thunk.ts";
import type { Attrs } from "./attrs.ts";
import type { Env, Place, Slot } from "./value.ts";

export interface FormalCode {
  readonly name: string;
  readonly place: Place;
  /** Makes the default in the function's own environment; `undefined` when the argument is required. */
  readonly makeDefault: ((env: Env) => Slot) | undefined;
}

export interface LambdaCode {
  /** The attribute or variable the function was bound to, for messages. */
  readonly name: string | undefined;
  readonly place: Place;
  /** The name of the whole argument, which is then slot 1 of the environment. */
  readonly param: string | undefined;
  readonly formals: readonly FormalCode[] | undefined;
  readonly isOpen: boolean;
  readonly body: Code;
  /** The function that the body is, when it is nothing but a function: `a: b: …`. */
  readonly inner: LambdaCode | undefined;
  /** The answer of `builtins.functionArgs`, once asked. */
  argumentNames: Attrs | undefined;
  /** Whose code this is; another state runs code of its own for the same function, see `sharing.ts`. */
  readonly owner: EvalState | FileFunction;
  readonly compileFor: (state: EvalState) => LambdaCode;
  /** What `compileFor` made last. */
  variant: LambdaCode | undefined;
}

export function runOf(code: Code): Run {
  return code.run ?? (code.run = code.compile());
}
