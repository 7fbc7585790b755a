/** The types of values, by the names the language and its messages use. */

import { Attrs } from "./attrs.ts";
import { Thunk } from "./thunk.ts";
import { ContextString, Float, Lambda, PartialPrimOp, Path, PrimOp, type Slot, type Value } from "./value.ts";

export type TypeName = "int" | "bool" | "string" | "path" | "null" | "set" | "list" | "lambda" | "float";

/** What `builtins.typeOf` answers. */
export function typeOf(value: Value): TypeName {
  switch (typeof value) {
    case "number":
    case "bigint":
      return "int";
    case "string":
      return "string";
    case "boolean":
      return "bool";
    default:
      if (value === null) return "null";
      if (Array.isArray(value)) return "list";
      if (value instanceof Attrs) return "set";
      if (value instanceof ContextString) return "string";
      if (value instanceof Path) return "path";
      if (value instanceof Float) return "float";
      return "lambda";
  }
}

const PLAIN_NAMES: Readonly<Record<TypeName, string>> = {
  int: "an integer",
  bool: "a Boolean",
  string: "a string",
  path: "a path",
  null: "null",
  set: "a set",
  list: "a list",
  lambda: "a function",
  float: "a float",
};

/** "a set", "a string with context", "the built-in function 'map'": what a value is, in a sentence. */
export function describeType(slot: Slot): string {
  if (slot instanceof Thunk) {
    if (slot.isForced) return describeType(slot.state as Value);
    return slot.isRunning ? "a black hole" : "a thunk";
  }
  if (slot instanceof ContextString) return "a string with context";
  if (slot instanceof PrimOp) return `the built-in function '${slot.name}'`;
  if (slot instanceof PartialPrimOp) return `the partially applied built-in function '${slot.primOp.name}'`;
  return PLAIN_NAMES[typeOf(slot)];
}

export function isFunction(value: Value): value is Lambda | PrimOp | PartialPrimOp {
  return value instanceof Lambda || value instanceof PrimOp || value instanceof PartialPrimOp;
}

export function isString(value: Value): value is string | ContextString {
  return typeof value === "string" || value instanceof ContextString;
}

export function isInteger(value: Value): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}

export function isList(value: Value): value is readonly Slot[] {
  return Array.isArray(value);
}

export function textOf(value: string | ContextString): string {
  return typeof value === "string" ? value : value.text;
}

const NO_CONTEXT: ReadonlySet<string> = new Set();

export function contextOf(value: string | ContextString): ReadonlySet<string> {
  return typeof value === "string" ? NO_CONTEXT : value.context;
}

/** A string with a context, in the plain form when the context is empty. */
export function stringWithContext(text: string, context: ReadonlySet<string>): string | ContextString {
  return context.size === 0 ? text : new ContextString(text, context);
}
