/** `<name>` and the search path it is looked up in. */

import { asking } from "../eval/coerce.ts";
import { canonicalPath } from "../eval/canonical-path.ts";
import { INTERNAL_FILES_DIR } from "../eval/internal-paths.ts";
import { EvalError } from "../eval/eval-error.ts";
import type { EvalState } from "../eval/state.ts";
import { Path, type Value } from "../eval/value.ts";

/** One element of a search path: `PREFIX=PATH`, or a directory whose entries are found. */
export interface LookupElement {
  readonly prefix: string;
  readonly path: string;
}

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
    if (isRemoteElement(path)) {
      const hint = `the search path element '${path}' would have to be downloaded; use a local path`;
      throw new EvalError({ kind: "unavailable", feature: "a remote search path", hint }, undefined);
    }
    const absolute = canonicalPath(
      path.startsWith("/") ? path : `${asking(() => state.host.workingDirectory())}/${path}`,
    );
    if (!elementExists(state, absolute, path)) continue;
    const wanted = suffix === "" ? absolute : canonicalPath(`${absolute}/${suffix}`);
    const found = asking(() => state.host.realPath(wanted));
    if (asking(() => state.host.lstat(found)) !== undefined) return new Path(found);
    asking(() => state.host.checkAccess(found));
  }
  if (name.startsWith("nix/")) return new Path(`${INTERNAL_FILES_DIR}/${name.slice("nix/".length)}`);
  const message = state.settings.pure
    ? `cannot look up '<${name}>' in pure evaluation mode (use '--impure' to override)`
    : `file '${name}' was not found in the Nix search path (add it using $NIX_PATH or -I)`;
  throw new EvalError({ kind: "thrown", message }, undefined);
}

/** Whether there is anything at an element of the search path; warns once when there is not. */
function elementExists(state: EvalState, path: string, shown: string): boolean {
  if (asking(() => state.host.stat(path)) !== undefined) return true;
  if (state.missingLookupPaths.has(shown)) return false;
  asking(() => state.host.checkAccess(path));
  state.missingLookupPaths.add(shown);
  state.host.warn(`Nix search path entry '${shown}' does not exist, ignoring`, false);
  return false;
}

/** Whether an element of the search path has to be fetched before anything is found in it. */
export function isRemoteElement(path: string): boolean {
  return /^(channel:|flake:|[a-z][a-z0-9+.-]*:\/\/)/.test(path);
}
