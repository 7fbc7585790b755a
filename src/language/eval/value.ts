/**
 * The values of the Nix language, as the evaluator holds them.
 *
 * Integers are JavaScript numbers while they are safe and BigInts beyond, strings are byte strings, booleans and null
 * are native, lists are arrays. Everything else is one of the classes below. A `Slot` is a place that may still hold
 * an unevaluated thunk; a `Value` is in weak head normal form.
 */

import type { Attrs } from "./attrs.ts";
import type { LambdaCode } from "./code.ts";
import type { Source } from "../syntax/source.ts";
import type { EvalState } from "./state.ts";
import type { Thunk } from "./thunk.ts";

/** A 64-bit IEEE float; boxed, because a plain number is an integer. */
export class Float {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/**
 * The NaN without a sign, which is shown. Any other is negative, as what has no result is on x86; JavaScript's numbers do
 * not tell them apart.
 */
export const POSITIVE_NAN: Float = new Float(NaN);

/** An absolute path of the file system, as a byte string. */
export class Path {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }
}

/**
 * A string that carries store paths which must exist where the string is used.
 *
 * Elements are encoded as Nix encodes them: `PATH` for a path itself, `=DRV` for a derivation with its whole closure,
 * and `!OUTPUT!DRV` for an output. A string without context is a plain byte string, never one of these.
 */
export class ContextString {
  readonly text: string;
  readonly context: ReadonlySet<string>;

  constructor(text: string, context: ReadonlySet<string>) {
    this.text = text;
    this.context = context;
  }
}

/** A function written in Nix, closed over its environment. */
export class Lambda {
  readonly code: LambdaCode;
  readonly env: Env;

  constructor(code: LambdaCode, env: Env) {
    this.code = code;
    this.env = env;
  }
}

/** A function of the evaluator itself. */
export class PrimOp {
  readonly name: string;
  readonly arity: number;
  readonly run: (state: EvalState, args: readonly Slot[]) => Value;
  /** Whether an error inside gets the frame "while calling the '…' builtin". */
  readonly isTraced: boolean;

  constructor(
    name: string,
    arity: number,
    run: (state: EvalState, args: readonly Slot[]) => Value,
    options: { readonly isTraced?: boolean } = {},
  ) {
    this.name = name;
    this.arity = arity;
    this.run = run;
    this.isTraced = options.isTraced ?? true;
  }
}

/** A primitive function that has some but not all of its arguments. */
export class PartialPrimOp {
  readonly primOp: PrimOp;
  readonly args: readonly Slot[];

  constructor(primOp: PrimOp, args: readonly Slot[]) {
    this.primOp = primOp;
    this.args = args;
  }
}

export type NixString = string | ContextString;
export type NixInteger = number | bigint;
export type NixFunction = Lambda | PrimOp | PartialPrimOp;
export type NixList = readonly Slot[];

export type Value = null | boolean | NixInteger | Float | NixString | Path | Attrs | NixList | NixFunction;

/** A value or a thunk that will become one. */
export type Slot = Value | Thunk;

/** Runtime environment: the enclosing environment, then the variables by slot. */
export type Env = unknown[];

/** Where something stands in a source: a byte offset, turned into line and column only when it is shown. */
export interface Place {
  readonly source: Source;
  readonly offset: number;
}
