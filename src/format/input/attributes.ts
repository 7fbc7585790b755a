/**
 * Attributes of an input: what a fetcher is asked for, and what it answers once the input is locked.
 *
 * They are what `fetchTree` takes and a lock file holds: texts (byte strings), whole numbers and booleans by name,
 * `type` among them. A number is a JavaScript number while it is safe, else a BigInt, as in the evaluator.
 */

import { byteStringOfText, textOfByteString } from "../../base/byte-string.ts";

export type InputAttribute = string | number | bigint | boolean;

export type InputAttrs = ReadonlyMap<string, InputAttribute>;

/** The names in byte order, as Nix iterates over them. */
export function sortedNames(attrs: InputAttrs): string[] {
  return [...attrs.keys()].toSorted();
}

/** The attributes as compact JSON, names in byte order; a byte string. */
export function renderInputAttrs(attrs: InputAttrs): string {
  const members = sortedNames(attrs).map((name) => `${jsonString(name)}:${jsonValue(attrs.get(name)!)}`);
  return members.length === 0 ? "null" : `{${members.join(",")}}`;
}

function jsonValue(value: InputAttribute): string {
  return typeof value === "string" ? jsonString(value) : value.toString();
}

function jsonString(text: string): string {
  return byteStringOfText(JSON.stringify(textOfByteString(text)));
}
