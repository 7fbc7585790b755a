/**
 * Flake references: an input and the directory in it, as text (`github:o/r/ref?dir=x`, `nixpkgs`, `./here`) and as
 * attributes. Reading and printing agree with Nix to the byte, since lock files hold both. Text is byte strings.
 */

import { inputOfAttributes, inputOfUrl, renderInput } from "./input.ts";
import { type InputAttrs, InputError, sameAttributes, textAttribute, withAttributes } from "./attributes.ts";
import { decodeQuery, parseUrl, pathOfSegments, percentDecode, renderUrl, segmentsOfPath, UrlError } from "./url.ts";

export interface FlakeReference {
  readonly input: InputAttrs;
  /** Where in the tree `flake.nix` is; empty for its root. */
  readonly subdir: string;
}

/** Where a path of this machine lies: the directory of a flake, and the git work tree around it if there is one. */
export interface LocatedFlake {
  readonly path: string;
  readonly workTree?: { readonly root: string; readonly subdir: string; readonly isShallow: boolean };
}

export interface FlakeReferenceOptions {
  /** Finds the flake that a path names; without it paths must be absolute or (`keepsRelative`) stay as they are. */
  readonly locate?: (path: string) => LocatedFlake;
  /** What relative `path:` and `git+file:` URLs are relative to. */
  readonly baseDir?: string;
  readonly keepsRelative?: boolean;
  /** False for an input with `flake = false`, which may be a single file. */
  readonly isFlake?: boolean;
}

const PERCENT_ENCODED = "%[0-9a-fA-F]{2}";
const REVISION = "[0-9a-fA-F]{40}";
const REFERENCE = "[a-zA-Z0-9@][a-zA-Z0-9_.\\/@+-]*";
const FRAGMENT = `(?:[a-zA-Z0-9\\-._~!$&'"()*+,;=:@/? ^]|${PERCENT_ENCODED})*`;
const ID_REFERENCE = new RegExp(
  `^([a-zA-Z][a-zA-Z0-9_-]*(?:/(?:${REVISION}|${REFERENCE}(?:/${REVISION})?))?)(?:#(${FRAGMENT}))?$`,
);

export function renderFlakeReference(reference: FlakeReference): string {
  const { subdir } = reference;
  return renderInput(reference.input, subdir === "" ? new Map() : new Map([["dir", subdir]]));
}

/** The attributes of a reference, `dir` included. */
export function flakeReferenceAttributes(reference: FlakeReference): InputAttrs {
  const { input, subdir } = reference;
  return subdir === "" || input.has("dir") ? input : withAttributes(input, { dir: subdir });
}

/** Throws `InputError` and `UrlError`. */
export function flakeReferenceOfAttributes(attrs: InputAttrs): FlakeReference {
  const input = inputOfAttributes(withAttributes(attrs, { dir: undefined }));
  return { input, subdir: textAttribute(attrs, "dir") ?? "" };
}

export function sameFlakeReference(left: FlakeReference, right: FlakeReference): boolean {
  return left.subdir === right.subdir && sameAttributes(left.input, right.input);
}

/** The reference without the `dir` that old lock files also have in the URL. */
export function canonicalFlakeReference(reference: FlakeReference): FlakeReference {
  const text = textAttribute(reference.input, "url");
  if (text === undefined) return reference;
  try {
    const url = parseUrl(text, { isLenient: true });
    const query = new Map(url.query);
    if (reference.subdir !== "" && query.get("dir") === reference.subdir) query.delete("dir");
    return { ...reference, input: withAttributes(reference.input, { url: renderUrl({ ...url, query }) }) };
  } catch (error) {
    if (error instanceof UrlError) return reference;
    throw error;
  }
}

/** Reads a reference that must have no fragment. Throws `InputError` and `UrlError`. */
export function parseFlakeReference(text: string, options: FlakeReferenceOptions = {}): FlakeReference {
  const { reference, fragment } = parseFlakeReferenceWithFragment(text, options);
  if (fragment !== "") throw new InputError(`unexpected fragment '${fragment}' in flake reference '${text}'`);
  return reference;
}

interface WithFragment {
  readonly reference: FlakeReference;
  readonly fragment: string;
}

export function parseFlakeReferenceWithFragment(text: string, options: FlakeReferenceOptions = {}): WithFragment {
  return parseId(text, options) ?? parseUrlReference(text, options) ?? parsePath(text, options);
}

function ofUrl(url: Parameters<typeof inputOfUrl>[0], options: FlakeReferenceOptions): WithFragment {
  const query = new Map(url.query);
  const subdir = query.get("dir") ?? "";
  query.delete("dir");
  const input = inputOfUrl({ ...url, query, fragment: "" }, { isTree: options.isFlake ?? true });
  return { reference: { input, subdir }, fragment: url.fragment };
}

/** `nixpkgs`, `nixpkgs/branch`, `nixpkgs/branch/revision`. */
function parseId(text: string, options: FlakeReferenceOptions): WithFragment | undefined {
  const match = ID_REFERENCE.exec(text);
  if (match === null) return undefined;
  const url = { scheme: "flake", path: match[1]!.split("/"), query: new Map<string, string>(), fragment: "" };
  return { ...ofUrl(url, options), fragment: percentDecode(match[2] ?? "") };
}

function parseUrlReference(text: string, options: FlakeReferenceOptions): WithFragment | undefined {
  try {
    const url = parseUrl(text, { isLenient: true });
    const { baseDir } = options;
    if (baseDir !== undefined && (url.scheme === "path" || url.scheme === "git+file")) {
      const path = pathOfSegments(url.path);
      if (!path.startsWith("/")) return ofUrl({ ...url, path: segmentsOfPath(joined(baseDir, path)) }, options);
    }
    return ofUrl(url, options);
  } catch (error) {
    // What is no URL may still be a path.
    if (error instanceof UrlError) return undefined;
    throw error;
  }
}

function parsePath(text: string, options: FlakeReferenceOptions): WithFragment {
  const match = /^([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/.exec(text);
  if (match === null) throw new InputError(`invalid flakeref '${text}'`);
  const path = match[1]!;
  const query = new Map(decodeQuery(match[2] ?? "", { isLenient: true }));
  const fragment = percentDecode(match[3] ?? "");
  const authority = { text: "", host: "" };
  if (options.locate === undefined) {
    const isAbsolute = path.startsWith("/");
    if (!isAbsolute && options.keepsRelative !== true) {
      throw new UrlError(`flake reference '${text}' is not an absolute path`);
    }
    const segments = segmentsOfPath(path);
    return ofUrl({ scheme: "path", ...(isAbsolute ? { authority } : {}), path: segments, query, fragment }, options);
  }
  const located = options.locate(path);
  if (located.workTree === undefined) {
    return ofUrl({ scheme: "path", authority, path: segmentsOfPath(located.path), query, fragment }, options);
  }
  const { root, subdir, isShallow } = located.workTree;
  if (subdir !== "") {
    if (query.has("dir")) throw new InputError(`flake URL '${text}' has an inconsistent 'dir' parameter`);
    query.set("dir", subdir);
  }
  if (isShallow) query.set("shallow", "1");
  return ofUrl({ scheme: "git+file", authority, path: segmentsOfPath(root), query, fragment }, options);
}

/** A path against a directory, `.` and `..` taken out. */
function joined(baseDir: string, path: string): string {
  const names: string[] = [];
  for (const name of `${baseDir}/${path}`.split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  return `/${names.join("/")}`;
}
