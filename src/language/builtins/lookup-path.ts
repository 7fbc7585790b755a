/** `<name>` and the search path it is looked up in. */

import { asking } from "../eval/coerce.ts";
import { canonicalPath } from "../eval/canonical-path.ts";
import { EvalError } from "../eval/eval-error.ts";
import type { EvalState } from "../eval/state.ts";
import { Path, type Value } from "../eval/value.ts";

/** One element of a search path: `PREFIX=PATH`, or a directory whose entries are found. */
export interface LookupElement {
  readonly prefix: string;
  readonly path: string;
}

/** Where files that Pristine itself provides appear to be. */
export const INTERNAL_FILES_DIR = "/__corepkgs__";

/** Parses an element as it is written in `NIX_PATH` and after `-I`. */
export function parseLookupElement(text: string): LookupElement {
  const equals = text.indexOf("=");
  return equals < 0 ? { prefix: "", path: text } : { prefix: text.slice(0, equals), path: text.slice(equals + 1) };
}

/** Splits `NIX_PATH` at its colons, leaving those of `scheme:` and `scheme://` alone. */
export function parseNixPath(text: string): readonly LookupElement[] {
  const parts: string[] = [];
  let start = 0;
  while (start < text.length) {
    const end = elementEnd(text, start);
    if (end > start) parts.push(text.slice(start, end));
    start = end + 1;
  }
  return parts.map(parseLookupElement);
}

function elementEnd(text: string, start: number): number {
  for (let i = start; i < text.length; i++) {
    if (text[i] !== ":") continue;
    const before = text.slice(start, i);
    const value = before.slice(before.lastIndexOf("=") + 1);
    const isScheme = /^(channel|flake|https?|file|git(\+[a-z]+)?|s3|ssh)$/.test(value);
    if (!isScheme) return i;
  }
  return text.length;
}

/** The rest of `name` below `prefix`, or `undefined` when the element does not apply. */
function suffixOf(prefix: string, name: string): string | undefined {
  if (prefix === "") return name;
  if (name === prefix) return "";
  return name.startsWith(`${prefix}/`) ? name.slice(prefix.length + 1) : undefined;
}

export function findFile(state: EvalState, elements: readonly LookupElement[], name: string): Value {
  for (const { prefix, path } of elements) {
    const suffix = suffixOf(prefix, name);
    if (suffix === undefined) continue;
    if (isRemote(path)) {
      const hint = `the search path element '${path}' would have to be downloaded; use a local path`;
      throw new EvalError({ kind: "unavailable", feature: "a remote search path", hint }, undefined);
    }
    const absolute = canonicalPath(
      path.startsWith("/") ? path : `${asking(() => state.host.workingDirectory())}/${path}`,
    );
    if (asking(() => state.host.stat(absolute)) === undefined) continue;
    const found = suffix === "" ? absolute : canonicalPath(`${absolute}/${suffix}`);
    if (suffix === "" || asking(() => state.host.lstat(found)) !== undefined) return new Path(found);
  }
  if (name.startsWith("nix/")) return new Path(`${INTERNAL_FILES_DIR}/${name.slice("nix/".length)}`);
  const message = state.settings.pure
    ? `cannot look up '<${name}>' in pure evaluation mode (use '--impure' to override)`
    : `file '${name}' was not found in the Nix search path (add it using $NIX_PATH or -I)`;
  throw new EvalError({ kind: "thrown", message }, undefined);
}

function isRemote(path: string): boolean {
  return /^(channel:|flake:|[a-z][a-z0-9+.-]*:\/\/)/.test(path);
}
