/** The attributes that describe something to fetch, and what is common to all of them. Text is byte strings. */

import { FormatError } from "../base/errors.ts";
import { describeHashError, Hash } from "./hash.ts";

export type InputAttribute = string | number | bigint | boolean;
export type InputAttributes = ReadonlyMap<string, InputAttribute>;

/** An input that says nothing that can be fetched; the reason is Nix's sentence. */
export class InputError extends FormatError {
  constructor(reason: string) {
    super("input", reason);
  }
}

/** Attributes as compact JSON with sorted names, for messages. */
export function renderAttributes(attrs: InputAttributes): string {
  const names = [...attrs.keys()].sort();
  const members = names.map((name) => {
    const value = attrs.get(name)!;
    return `${renderText(name)}:${typeof value === "string" ? renderText(value) : String(value)}`;
  });
  return attrs.size === 0 ? "null" : `{${members.join(",")}}`;
}

function renderText(text: string): string {
  return JSON.stringify(text);
}

export function textAttribute(attrs: InputAttributes, name: string): string | undefined {
  const value = attrs.get(name);
  if (value === undefined || typeof value === "string") return value;
  throw new InputError(`input attribute '${name}' is not a string ${renderAttributes(attrs)}`);
}

export function requiredText(attrs: InputAttributes, name: string): string {
  const value = textAttribute(attrs, name);
  if (value === undefined) throw new InputError(`input attribute '${name}' is missing`);
  return value;
}

export function integerAttribute(attrs: InputAttributes, name: string): number | bigint | undefined {
  const value = attrs.get(name);
  if (value === undefined || typeof value === "number" || typeof value === "bigint") return value;
  throw new InputError(`input attribute '${name}' is not an integer`);
}

export function booleanAttribute(attrs: InputAttributes, name: string): boolean | undefined {
  const value = attrs.get(name);
  if (value === undefined || typeof value === "boolean") return value;
  throw new InputError(`input attribute '${name}' is not a Boolean`);
}

/** The same attributes with some set anew, or taken away where the value is `undefined`. */
export function withAttributes(
  attrs: InputAttributes,
  changes: Readonly<Record<string, InputAttribute | undefined>>,
): InputAttributes {
  const changed = new Map(attrs);
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) changed.delete(name);
    else changed.set(name, value);
  }
  return changed;
}

export function sameAttributes(left: InputAttributes, right: InputAttributes): boolean {
  if (left.size !== right.size) return false;
  for (const [name, value] of left) if (right.get(name) !== value) return false;
  return true;
}

/** The revision in base 16. */
export function inputRevision(attrs: InputAttributes): string | undefined {
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
export function inputNarHash(attrs: InputAttributes): Hash | undefined {
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
