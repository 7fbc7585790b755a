/**
 * Attributes of an input: what a fetcher is asked for, and what it answers once the input is locked.
 *
 * They are what `fetchTree` takes and a lock file holds: texts (byte strings), whole numbers and booleans by name,
 * `type` among them. A number is a JavaScript number while it is safe, else a BigInt, as in the evaluator.
 */

import { FormatError } from "../../base/errors.ts";
import { describeHashError, Hash } from "../hash.ts";
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

/** An input that says nothing that can be fetched; the reason is Nix's sentence. */
export class InputError extends FormatError {
  constructor(reason: string) {
    super("input", reason);
  }
}

export function textAttribute(attrs: InputAttrs, name: string): string | undefined {
  const value = attrs.get(name);
  if (value === undefined || typeof value === "string") return value;
  throw new InputError(`input attribute '${name}' is not a string ${renderInputAttrs(attrs)}`);
}

export function requiredText(attrs: InputAttrs, name: string): string {
  const value = textAttribute(attrs, name);
  if (value === undefined) throw new InputError(`input attribute '${name}' is missing`);
  return value;
}

export function integerAttribute(attrs: InputAttrs, name: string): number | bigint | undefined {
  const value = attrs.get(name);
  if (value === undefined || typeof value === "number" || typeof value === "bigint") return value;
  throw new InputError(`input attribute '${name}' is not an integer`);
}

export function booleanAttribute(attrs: InputAttrs, name: string): boolean | undefined {
  const value = attrs.get(name);
  if (value === undefined || typeof value === "boolean") return value;
  throw new InputError(`input attribute '${name}' is not a Boolean`);
}

/** The same attributes with some set anew, or taken away where the value is `undefined`. */
export function withAttributes(
  attrs: InputAttrs,
  changes: Readonly<Record<string, InputAttribute | undefined>>,
): InputAttrs {
  const changed = new Map(attrs);
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) changed.delete(name);
    else changed.set(name, value);
  }
  return changed;
}

export function sameAttributes(left: InputAttrs, right: InputAttrs): boolean {
  if (left.size !== right.size) return false;
  for (const [name, value] of left) if (right.get(name) !== value) return false;
  return true;
}

/** The revision in base 16. */
export function inputRevision(attrs: InputAttrs): string | undefined {
  const text = textAttribute(attrs, "rev");
  return text === undefined ? undefined : parseRevision(text).toBase16();
}

export function parseRevision(text: string): Hash {
  const prefixed = /[:-]/.test(text) ? Hash.parse(text) : undefined;
  if (prefixed?.ok === true) return prefixed.value;
  const parsed = Hash.parse(text, "sha1");
  if (!parsed.ok) throw new InputError(describeHashError(text, parsed.error));
  return parsed.value;
}

/** The hash of the tree's NAR; an empty text is a hash of zeros. */
export function inputNarHash(attrs: InputAttrs): Hash | undefined {
  const text = textAttribute(attrs, "narHash");
  if (text === undefined) return undefined;
  if (text === "") return new Hash("sha256", new Uint8Array(32));
  const dash = text.indexOf("-");
  if (dash < 0) throw new InputError(`hash '${text}' is not SRI`);
  const digits = text.slice(dash + 1);
  // Old lock files lack the padding.
  const padded = digits.padEnd(Math.ceil(digits.length / 4) * 4, "=");
  const parsed = Hash.parse(`${text.slice(0, dash)}-${padded}`);
  if (!parsed.ok) {
    if (parsed.error.kind === "unknown-algorithm") throw new InputError(describeHashError(text, parsed.error));
    const length = Buffer.from(digits, "base64").length;
    throw new InputError(`invalid SRI hash '${digits}', length ${length} != expected length 32`);
  }
  if (parsed.value.algorithm !== "sha256") throw new InputError("narHash must use SHA-256");
  return parsed.value;
}
