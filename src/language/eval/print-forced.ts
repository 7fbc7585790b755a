/**
 * Values as `nix eval` and `nix repl` print them: evaluated while they are printed, derivations as their paths, and an
 * error inside a list or set in its place.
 */

import { renderIdentifier } from "../print/identifier.ts";
import { byteStringOfText } from "../../base/byte-string.ts";
import { Attrs } from "./attrs.ts";
import { coerceToText, NO_COPY } from "./coerce.ts";
import { isDerivation } from "./equality.ts";
import { EvalError } from "./eval-error.ts";
import { renderFloatGeneral } from "./float-text.ts";
import { renderPlace } from "./place-text.ts";
import { renderAttrName, renderStringLiteral } from "./print-value.ts";
import type { EvalState } from "./state.ts";
import { force, Thunk } from "./thunk.ts";
import { isList } from "./type-name.ts";
import { ContextString, Float, Lambda, PartialPrimOp, Path, PrimOp, type Slot, type Value } from "./value.ts";

export interface ForcedPrintOptions {
  /** Sets and lists deeper than this are `{ ... }` and `[ ... ]`. */
  readonly depthMax?: number;
  /** Spaces that a level is indented by; 0 puts everything on one line. */
  readonly indent?: number;
  readonly colors?: boolean;
  /** An error of the value itself, or right below it where that decides the layout, is thrown rather than shown. */
  readonly throwsAtTop?: boolean;
  /** Told of the text as it comes, so that what was printed before an error is not lost. */
  readonly write: (text: string) => void;
}

const COLORS = {
  cyan: "\u001b[36;1m",
  magenta: "\u001b[35;1m",
  green: "\u001b[32;1m",
  blue: "\u001b[34;1m",
  red: "\u001b[31;1m",
  plain: "\u001b[0m",
} as const;

/** What every empty set counts as when it comes again. */
const EMPTY = {};

/** Prints a value; all text is a byte string. */
export function printForced(state: EvalState, root: Slot, options: ForcedPrintOptions): void {
  new ForcedPrinter(state, options).print(root, 0);
}

class ForcedPrinter {
  readonly #state: EvalState;
  readonly #options: ForcedPrintOptions;
  readonly #write: (text: string) => void;
  readonly #depthMax: number;
  readonly #indent: number;
  readonly #seen = new Set<object>();
  #level = "";

  constructor(state: EvalState, options: ForcedPrintOptions) {
    this.#state = state;
    this.#options = options;
    this.#write = options.write;
    this.#depthMax = options.depthMax ?? Infinity;
    this.#indent = options.indent ?? 0;
  }

  print(slot: Slot, depth: number): void {
    if (depth > this.#state.callDepthMax) throw new EvalError({ kind: "stack-overflow", by: "calls" }, undefined);
    const { callDepth } = this.#state;
    try {
      this.#printValue(force(slot), slot, depth);
    } catch (error) {
      if (!(error instanceof EvalError) || error.kind.kind === "stack-overflow") throw error;
      if (this.#options.throwsAtTop === true && depth === 0) throw error;
      this.#state.callDepth = callDepth;
      this.#colored("red", byteStringOfText("«error: ") + withoutEscapes(error.message) + byteStringOfText("»"));
    }
  }

  #colored(color: keyof typeof COLORS, text: string): void {
    this.#write(this.#options.colors === true ? COLORS[color] + text + COLORS.plain : text);
  }

  #printValue(value: Value, slot: Slot, depth: number): void {
    if (typeof value === "string") this.#colored("magenta", renderStringLiteral(value));
    else if (value instanceof ContextString) this.#colored("magenta", renderStringLiteral(value.text));
    else if (value instanceof Attrs) this.#printAttrs(value, depth);
    else if (isList(value)) this.#printList(value, slot, depth);
    else if (value instanceof Path) this.#colored("green", value.path);
    else if (value instanceof Float) this.#colored("cyan", renderFloatGeneral(value));
    else if (value instanceof Lambda || value instanceof PrimOp || value instanceof PartialPrimOp)
      this.#colored("blue", byteStringOfText("«") + describeFunction(value) + byteStringOfText("»"));
    else this.#colored("cyan", String(value));
  }

  #printAttrs(value: Attrs, depth: number): void {
    if (this.#isRepeated(value.size === 0 ? EMPTY : value)) return;
    const candidate: Value = value;
    if (isDerivation(candidate)) return this.#printDerivation(candidate);
    if (depth >= this.#depthMax) return this.#write("{ ... }");
    const { keys, values } = value;
    this.#enter("{");
    const isSpread = this.#isSpread(values);
    keys.forEach((name, index) => {
      this.#space(isSpread);
      this.#write(`${renderAttrName(name)} = `);
      this.print(values[index]!, depth + 1);
      this.#write(";");
    });
    this.#leave(isSpread, "}");
  }

  #printList(value: readonly Slot[], slot: Slot, depth: number): void {
    // What tells a list from an equal one is the place that holds it, as in Nix.
    if (value.length > 0 && this.#isRepeated(slot instanceof Thunk ? slot : value)) return;
    if (depth >= this.#depthMax) return this.#write("[ ... ]");
    this.#enter("[");
    const isSpread = this.#isSpread(value);
    for (const element of value) {
      this.#space(isSpread);
      this.print(element, depth + 1);
    }
    this.#leave(isSpread, "]");
  }

  #isRepeated(value: object): boolean {
    if (this.#seen.has(value)) {
      this.#colored("magenta", byteStringOfText("«repeated»"));
      return true;
    }
    this.#seen.add(value);
    return false;
  }

  #enter(open: string): void {
    this.#level += " ".repeat(this.#indent);
    this.#write(open);
  }

  #leave(isSpread: boolean, close: string): void {
    this.#level = this.#level.slice(this.#indent);
    this.#space(isSpread);
    this.#write(close);
  }

  #space(isSpread: boolean): void {
    this.#write(isSpread ? `\n${this.#level}` : " ");
  }

  /** Whether members get lines of their own: when there are several, or the only one has members itself. */
  #isSpread(members: readonly Slot[]): boolean {
    if (this.#indent === 0 || members.length === 0) return false;
    if (members.length > 1) return true;
    const only = force(members[0]!);
    return only instanceof Attrs || isList(only);
  }

  #printDerivation(value: Attrs): void {
    const drvPath = value.get("drvPath");
    let text = byteStringOfText("«derivation");
    if (drvPath !== undefined) {
      const frame = "while evaluating the drvPath of a derivation";
      text += ` ${coerceToText(this.#state, drvPath, new Set(), value.placeOf("drvPath"), frame, NO_COPY)}`;
    }
    this.#colored("green", text + byteStringOfText("»"));
  }
}

/** `lambda f @ FILE:LINE:COLUMN`, `primop map`: what stands between the quotes. */
export function describeFunction(value: Lambda | PrimOp | PartialPrimOp): string {
  if (value instanceof PrimOp) return `primop ${value.name}`;
  if (value instanceof PartialPrimOp) return `partially applied primop ${value.primOp.name}`;
  const name = value.code.name === undefined ? "" : ` ${renderIdentifier(value.code.name)}`;
  return `lambda${name} @ ${renderPlace(value.code.place)}`;
}

// eslint-disable-next-line no-control-regex -- escape sequences are what this looks for
const ESCAPES = /\u001b\[[0-9;?]*[ -/]*[@-~]/g;

function withoutEscapes(text: string): string {
  return text.replace(ESCAPES, "");
}
