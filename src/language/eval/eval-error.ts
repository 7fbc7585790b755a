/**
 * Errors of Nix code: a kind, a place and the frames it passed on its way out.
 *
 * The message is a function of the kind, and whether `tryEval` catches an error is derived from the kind here and
 * nowhere else. Wording follows Nix's, so that users can search for it.
 */

import { renderIdentifier } from "../print/identifier.ts";
import type { Place } from "./value.ts";

export type EvalErrorKind =
  | { readonly kind: "thrown"; readonly message: string }
  | { readonly kind: "aborted"; readonly message: string }
  | { readonly kind: "assertion-failed"; readonly message: string }
  | { readonly kind: "attr-missing"; readonly name: string; readonly suggestions: readonly string[] }
  | {
      readonly kind: "attr-path-missing";
      readonly name: string;
      readonly path: string;
      readonly suggestions: readonly string[];
    }
  /** None of the outputs a flake might have meant is there. */
  | { readonly kind: "output-missing"; readonly message: string; readonly suggestions: readonly string[] }
  | { readonly kind: "variable-undefined"; readonly name: string }
  | { readonly kind: "argument-missing"; readonly lambda: string; readonly name: string }
  | {
      readonly kind: "argument-unexpected";
      readonly lambda: string;
      readonly name: string;
      readonly suggestions: readonly string[];
    }
  | { readonly kind: "infinite-recursion" }
  | { readonly kind: "stack-overflow"; readonly by: "calls" | "stack" }
  | { readonly kind: "integer-overflow"; readonly message: string }
  /** A value of the wrong type. */
  | { readonly kind: "type"; readonly message: string }
  /** A value of the right type that will not do. */
  | { readonly kind: "invalid"; readonly message: string }
  /** A value larger than the engine can hold, or more of them than the heap can. */
  | { readonly kind: "out-of-memory"; readonly message: string }
  /** The world refused: a file is missing, a path is not in the store. */
  | { readonly kind: "world"; readonly message: string }
  | { readonly kind: "syntax"; readonly message: string };

/** One "… while …" line. */
export interface TraceFrame {
  readonly text: string;
  readonly place: Place | undefined;
  /** Shown even when the trace is shortened (`builtins.addErrorContext`). */
  readonly isAlwaysShown: boolean;
}

const CODES: Readonly<Record<EvalErrorKind["kind"], string>> = {
  thrown: "EVAL_THROWN",
  aborted: "EVAL_ABORTED",
  "assertion-failed": "EVAL_ASSERTION_FAILED",
  "attr-missing": "EVAL_ATTR_MISSING",
  "attr-path-missing": "EVAL_ATTR_MISSING",
  "output-missing": "EVAL_ATTR_MISSING",
  "variable-undefined": "EVAL_VARIABLE_UNDEFINED",
  "argument-missing": "EVAL_ARGUMENT_MISSING",
  "argument-unexpected": "EVAL_ARGUMENT_UNEXPECTED",
  "infinite-recursion": "EVAL_INFINITE_RECURSION",
  "stack-overflow": "EVAL_STACK_OVERFLOW",
  "integer-overflow": "EVAL_INTEGER_OVERFLOW",
  type: "EVAL_TYPE",
  invalid: "EVAL_INVALID",
  "out-of-memory": "EVAL_OUT_OF_MEMORY",
  world: "EVAL_WORLD",
  syntax: "EVAL_SYNTAX",
};

function messageOf(kind: EvalErrorKind): string {
  switch (kind.kind) {
    case "thrown":
    case "output-missing":
    case "assertion-failed":
    case "integer-overflow":
    case "type":
    case "invalid":
    case "out-of-memory":
    case "world":
    case "syntax":
      return kind.message;
    case "aborted":
      return `evaluation aborted with the following error message: '${kind.message}'`;
    case "attr-missing":
      return `attribute '${renderIdentifier(kind.name)}' missing`;
    case "attr-path-missing":
      return `attribute '${kind.name}' in selection path '${kind.path}' not found`;
    case "variable-undefined":
      return `undefined variable '${renderIdentifier(kind.name)}'`;
    case "argument-missing":
      return `function '${kind.lambda}' called without required argument '${renderIdentifier(kind.name)}'`;
    case "argument-unexpected":
      return `function '${kind.lambda}' called with unexpected argument '${renderIdentifier(kind.name)}'`;
    case "infinite-recursion":
      return "infinite recursion encountered";
    case "stack-overflow":
      return kind.by === "calls"
        ? "stack overflow; max-call-depth exceeded"
        : "stack overflow (possible infinite recursion)";
  }
}

export class EvalError extends Error {
  override readonly name = "EvalError";
  readonly kind: EvalErrorKind;
  place: Place | undefined;
  /** The frames passed while unwinding, innermost first. */
  readonly trace: TraceFrame[] = [];

  constructor(kind: EvalErrorKind, place: Place | undefined) {
    // The JavaScript stack tells a user of Nix code nothing, and collecting it is most of the cost of a throw.
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    super(messageOf(kind));
    Error.stackTraceLimit = limit;
    this.kind = kind;
    this.place = place;
  }

  get code(): string {
    return CODES[this.kind.kind];
  }

  /** True for what `builtins.tryEval` turns into `success = false`. */
  get isCatchable(): boolean {
    return this.kind.kind === "thrown" || this.kind.kind === "assertion-failed";
  }

  /** False for what another attempt might not meet. */
  get isLasting(): boolean {
    return this.kind.kind !== "out-of-memory";
  }

  get suggestions(): readonly string[] {
    return "suggestions" in this.kind ? this.kind.suggestions : [];
  }

  /** The error for whoever meets it later: with the frames so far, and its own from then on. */
  again(): EvalError {
    const copy = new EvalError(this.kind, this.place);
    for (const frame of this.trace) copy.trace.push(frame);
    return copy;
  }

  addFrame(text: string, place: Place | undefined, isAlwaysShown = false): void {
    if (this.trace.length < TRACE_FRAMES_MAX) this.trace.push({ text, place, isAlwaysShown });
  }
}

/** Deeper traces say nothing new and would hold on to much memory. */
const TRACE_FRAMES_MAX = 20_000;

/** Adds a frame to an error of Nix code on its way out; anything else passes untouched. */
export function withFrame(error: unknown, text: string, place: Place | undefined): unknown {
  if (error instanceof EvalError && text !== "") error.addFrame(text, place);
  return error;
}

/** No regular expression: one that is compiled where the stack has ended is an error itself. */
const TOO_LARGE: ReadonlySet<string> = new Set([
  "Invalid string length",
  "Invalid array length",
  "Map maximum size exceeded",
  "Set maximum size exceeded",
]);

/** The error for a value larger than the engine can hold, in the words of Nix; any other passes untouched. */
export function outOfMemoryOf(error: unknown, place: Place | undefined): unknown {
  if (!(error instanceof RangeError) || !TOO_LARGE.has(error.message)) return error;
  return new EvalError({ kind: "out-of-memory", message: "out of memory" }, place);
}

export function typeError(message: string, place?: Place): EvalError {
  return new EvalError({ kind: "type", message }, place);
}

export function invalidError(message: string, place?: Place): EvalError {
  return new EvalError({ kind: "invalid", message }, place);
}
