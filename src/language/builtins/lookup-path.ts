/** `<name>` and the search path it is looked up in. */

import { parseFlakeReference } from "../../format/input/flake-reference.ts";
import { GLOBAL_REGISTRY_DEFAULT, Registries } from "../flake/registry.ts";
import { HostError } from "../host.ts";
import { channelUrl } from "./fetch-file.ts";
import { requireFeature } from "./features.ts";
import { fetchInput } from "./fetch-tree.ts";
import { refusing } from "../flake/flake-file.ts";
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
    const absolute = resolveElement(state, path);
    if (absolute === undefined) continue;
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

/** The directory or file that an element of the search path stands for; `undefined` when there is none. */
function resolveElement(state: EvalState, element: string): string | undefined {
  const known = state.lookupPathTrees.get(element);
  if (known !== undefined) return known;
  const fetched = fetchElement(state, element);
  if (fetched !== undefined) {
    state.lookupPathTrees.set(element, fetched);
    return fetched;
  }
  const host = state.host;
  const absolute = canonicalPath(
    element.startsWith("/") ? element : `${asking(() => host.workingDirectory())}/${element}`,
  );
  return elementExists(state, absolute, element) ? absolute : undefined;
}

/** Fetches an element that is an address; one that cannot be fetched is passed over with a warning. */
function fetchElement(state: EvalState, element: string): string | undefined {
  if (!isRemoteElement(element) || state.missingLookupPaths.has(element)) return undefined;
  if (element.startsWith("flake:")) return fetchFlakeElement(state, element.slice("flake:".length));
  const request = { url: channelUrl(element), name: "source", unpack: true };
  try {
    const path = state.host.fetchFile(request);
    state.host.allowTree(path);
    return path;
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    state.host.warn(`Nix search path entry '${element}' cannot be downloaded, ignoring`, false);
    return undefined;
  }
}

function fetchFlakeElement(state: EvalState, reference: string): string {
  requireFeature(state, "flakes");
  const registries = new Registries(state.host, { global: GLOBAL_REGISTRY_DEFAULT, overrides: [] });
  const { input } = refusing(() => registries.resolve(parseFlakeReference(reference).input, "all"));
  const { storePath } = fetchInput(state, input);
  state.host.allowTree(storePath);
  return storePath;
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
  return /^(channel:|flake:|(https?|file|channel|git|s3|ssh):\/\/)/.test(path);
}
