/**
 * Suspended computations.
 *
 * A thunk holds code and the environment to run it in; once forced, the value takes the environment's place. While it
 * runs its code is `BLACKHOLE`, so that a thunk that needs itself is found out. A failed thunk keeps its error, as in
 * Nix: forced again it fails the same way, with the frames of the first time, and without tracing or reading anything
 * once more.
 */

import { EvalError } from "./eval-error.ts";
import type { Env, Place, Slot, Value } from "./value.ts";

/** Runs in an environment; `at` is what needs the value, which only code of the evaluator itself asks for. */
export type Run = (env: Env, at?: Place) => Value;

/** Something that can be run in an environment. Made once per place in a program, compiled when first run. */
export abstract class Code {
  run: Run | undefined = undefined;

  abstract compile(): Run;

  /** Whether it only builds a set, a list or a function from what is written there. */
  get isLiteral(): boolean {
    return false;
  }
}

class Blackhole extends Code {
  override compile(): Run {
    return () => {
      throw new EvalError({ kind: "infinite-recursion" }, undefined);
    };
  }
}

const BLACKHOLE: Code = new Blackhole();

/** What is left of a thunk that failed; its environment is the error. */
class Failure extends Code {
  override compile(): Run {
    return (error) => {
      throw (error as unknown as EvalError).again();
    };
  }
}

const FAILED: Code = new Failure();

/** Code of the evaluator itself; what it needs travels in the environment. */
export class NativeCode extends Code {
  constructor(run: Run) {
    super();
    this.run = run;
  }

  override compile(): Run {
    return this.run!;
  }
}

let isTentative = false;

/**
 * Evaluates what nobody has asked for yet. A failure then proves nothing, as the value may be needed for itself: thunks
 * that fail stay suspended.
 */
export function tentatively<T>(evaluate: () => T): T {
  const before = isTentative;
  isTentative = true;
  try {
    return evaluate();
  } finally {
    isTentative = before;
  }
}

export class Thunk {
  declare code: Code | undefined;
  /** The environment while suspended or running, the value afterwards. */
  declare state: Env | Value;

  constructor(code: Code, env: Env) {
    this.code = code;
    this.state = env;
  }

  get isForced(): boolean {
    return this.code === undefined;
  }

  get isRunning(): boolean {
    return this.code === BLACKHOLE;
  }

  /** Whether forcing it runs nothing of the program. */
  get isLiteral(): boolean {
    return this.code?.isLiteral ?? true;
  }

  /** Evaluates to weak head normal form. */
  force(at?: Place): Value {
    const code = this.code;
    if (code === undefined) return this.state as Value;
    if (code === BLACKHOLE) throw new EvalError({ kind: "infinite-recursion" }, at);
    const env = this.state as Env;
    this.code = BLACKHOLE;
    let value: Value;
    try {
      value = (code.run ?? (code.run = code.compile()))(env, at);
    } catch (error) {
      const isNew = error instanceof EvalError && code !== FAILED && !isTentative && error.isLasting;
      this.code = isNew ? FAILED : code;
      this.state = isNew ? (error as unknown as Env) : env;
      throw error;
    }
    this.code = undefined;
    this.state = value;
    return value;
  }
}

export function force(slot: Slot, at?: Place): Value {
  return slot instanceof Thunk ? slot.force(at) : slot;
}

/** Removes the wrapper of a thunk that has already been forced. */
export function settled(slot: Slot): Slot {
  return slot instanceof Thunk && slot.isForced ? (slot.state as Value) : slot;
}
