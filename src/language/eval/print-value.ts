/**
 * Values as text: the complete form that `nix-instantiate --eval` prints, and the bounded one of error messages.
 *
 * Neither forces anything: what has not been evaluated is shown as such.
 */

import { renderIdentifier } from "../print/identifier.ts";
import { byteStringOfText } from "../../base/byte-string.ts";
import { Attrs } from "./attrs.ts";
import { EvalError } from "./eval-error.ts";
import { renderFloatGeneral } from "./float-text.ts";
import { showPath } from "./internal-paths.ts";
import { Thunk } from "./thunk.ts";
import { isList } from "./type-name.ts";
import { ContextString, Float, Lambda, PartialPrimOp, Path, PrimOp, type Slot, type Value } from "./value.ts";
import { renderPlace } from "./place-text.ts";

/** Nesting beyond this cannot be told from an endless structure. */
const PRINT_DEPTH_MAX = 10_000;

const KEYWORDS = new Set(["if", "then", "else", "assert", "with", "let", "in", "rec", "inherit"]);
const REPEATED = byteStringOfText("«repeated»");

/** A string literal that reads back as the same string. */
export function renderStringLiteral(text: string, charsMax: number = Infinity): string {
  let out = '"';
  for (let i = 0; i < text.length; i++) {
    if (i >= charsMax) return `${out}" ${renderElided(text.length - i, "byte")}`;
    const char = text[i]!;
    if (char === '"' || char === "\\") out += `\\${char}`;
    else if (char === "\n") out += "\\n";
    else if (char === "\r") out += "\\r";
    else if (char === "\t") out += "\\t";
    else if (char === "$" && text[i + 1] === "{") out += "\\$";
    else out += char;
  }
  return `${out}"`;
}

/** An attribute name, quoted when it is not an identifier. */
export function renderAttrName(name: string): string {
  return /^[a-zA-Z_][a-zA-Z0-9_'-]*$/.test(name) && !KEYWORDS.has(name) ? name : renderStringLiteral(name);
}

function renderElided(count: number, what: string): string {
  return byteStringOfText(`«${count} ${what}${count === 1 ? "" : "s"} elided»`);
}

/** What tells a list from an equal one: Nix goes by the place that holds it. */
function cellOf(slot: Slot): object {
  return slot as object;
}

/** The form of `nix-instantiate --eval`; a byte string. */
export function printValue(root: Slot): string {
  const seen = new Set<object>();
  const out: string[] = [];
  const print = (slot: Slot, depth: number): void => {
    if (depth > PRINT_DEPTH_MAX) throw new EvalError({ kind: "stack-overflow", by: "calls" }, undefined);
    if (slot instanceof Thunk && !slot.isForced) {
      out.push(slot.isRunning ? byteStringOfText("«potential infinite recursion»") : "<CODE>");
      return;
    }
    const value = slot instanceof Thunk ? (slot.state as Value) : slot;
    if (value instanceof Attrs) {
      if (value.size > 0) {
        if (seen.has(value)) return void out.push(REPEATED);
        seen.add(value);
      }
      out.push("{ ");
      const { keys, values } = value;
      for (let i = 0; i < keys.length; i++) {
        out.push(renderAttrName(keys[i]!), " = ");
        print(values[i]!, depth + 1);
        out.push("; ");
      }
      out.push("}");
    } else if (isList(value)) {
      if (value.length > 0) {
        if (seen.has(cellOf(slot))) return void out.push(REPEATED);
        seen.add(cellOf(slot));
      }
      out.push("[ ");
      for (const element of value) {
        print(element, depth + 1);
        out.push(" ");
      }
      out.push("]");
    } else if (value instanceof Lambda) out.push("<LAMBDA>");
    else if (value instanceof PrimOp) out.push("<PRIMOP>");
    else if (value instanceof PartialPrimOp) out.push("<PRIMOP-APP>");
    else out.push(renderScalar(value, Infinity));
  };
  print(root, 0);
  return out.join("");
}

function renderScalar(value: Value, stringCharsMax: number): string {
  if (value === null) return "null";
  if (typeof value === "string") return renderStringLiteral(value, stringCharsMax);
  if (value instanceof ContextString) return renderStringLiteral(value.text, stringCharsMax);
  if (value instanceof Path) return showPath(value.path);
  if (value instanceof Float) return renderFloatGeneral(value);
  return String(value as number | bigint | boolean);
}

export interface PrintLimits {
  readonly depthMax: number;
  readonly attrsMax: number;
  readonly itemsMax: number;
  readonly stringCharsMax: number;
}

const ERROR_LIMITS: PrintLimits = { depthMax: 10, attrsMax: 10, itemsMax: 10, stringCharsMax: 1024 };
export const NO_LIMITS: PrintLimits = {
  depthMax: Infinity,
  attrsMax: Infinity,
  itemsMax: Infinity,
  stringCharsMax: Infinity,
};

/** The form used in error messages and by `builtins.trace`; a byte string. */
export function showValue(root: Slot, limits: PrintLimits = ERROR_LIMITS): string {
  const seen = new Set<object>();
  let attrsShown = 0;
  let itemsShown = 0;

  const show = (slot: Slot, depth: number): string => {
    if (depth > PRINT_DEPTH_MAX) throw new EvalError({ kind: "stack-overflow", by: "calls" }, undefined);
    if (slot instanceof Thunk && !slot.isForced) {
      return byteStringOfText(slot.isRunning ? "«potential infinite recursion»" : "«thunk»");
    }
    const value = slot instanceof Thunk ? (slot.state as Value) : slot;
    if (value instanceof Attrs) return showAttrs(value, depth);
    if (isList(value)) return showList(value, cellOf(slot), depth);
    if (value instanceof Lambda) {
      const name = value.code.name === undefined ? "" : ` ${renderIdentifier(value.code.name)}`;
      return byteStringOfText("«") + `lambda${name} @ ${renderPlace(value.code.place)}` + byteStringOfText("»");
    }
    if (value instanceof PrimOp) return byteStringOfText(`«primop ${value.name}»`);
    if (value instanceof PartialPrimOp) return byteStringOfText(`«partially applied primop ${value.primOp.name}»`);
    return renderScalar(value, limits.stringCharsMax);
  };

  const showAttrs = (value: Attrs, depth: number): string => {
    if (seen.has(value)) return REPEATED;
    seen.add(value);
    if (depth >= limits.depthMax) return "{ ... }";
    let out = "{";
    const { keys, values } = value;
    let order = keys.map((_, index) => index);
    if (limits.attrsMax !== Infinity) {
      const isImportant = (index: number): boolean => keys[index] === "type" || keys[index] === "_type";
      order = [...order.filter(isImportant), ...order.filter((index) => !isImportant(index))];
    }
    let shownHere = 0;
    for (const index of order) {
      if (attrsShown >= limits.attrsMax) {
        out += ` ${renderElided(keys.length - shownHere, "attribute")}`;
        break;
      }
      out += ` ${renderAttrName(keys[index]!)} = ${show(values[index]!, depth + 1)};`;
      attrsShown++;
      shownHere++;
    }
    return `${out} }`;
  };

  const showList = (value: readonly Slot[], cell: object, depth: number): string => {
    if (value.length > 0) {
      if (seen.has(cell)) return REPEATED;
      seen.add(cell);
    }
    if (depth >= limits.depthMax) return "[ ... ]";
    let out = "[";
    let shownHere = 0;
    for (const element of value) {
      if (itemsShown >= limits.itemsMax) {
        out += ` ${renderElided(value.length - shownHere, "item")}`;
        break;
      }
      out += ` ${show(element, depth + 1)}`;
      itemsShown++;
      shownHere++;
    }
    return `${out} ]`;
  };

  return show(root, 0);
}
