/**
 * Content addresses: how a store object's path follows from what it contains.
 */

import { FormatError } from "../base/errors.ts";
import { Hash, type HashAlgorithm, hashBytes, hashByteString, parseHashAlgorithm } from "./hash.ts";
import { compareStorePaths, makeStorePath, type StorePath } from "./store-path.ts";

/** What is hashed: a file's bytes with references (`text`), a file's bytes, the NAR, or a git tree. */
export type ContentAddressMethod = "text" | "flat" | "nar" | "git";

export interface ContentAddress {
  readonly method: ContentAddressMethod;
  readonly hash: Hash;
}

export interface References {
  readonly others: readonly StorePath[];
  readonly self: boolean;
}

export const NO_REFERENCES: References = { others: [], self: false };

const PREFIXES: Readonly<Record<ContentAddressMethod, string>> = { text: "text:", flat: "", nar: "r:", git: "git:" };

/** A method and algorithm as derivations write them: `r:sha256`, `sha256`, `text:sha256`, `git:sha1`. */
export function renderMethodAlgorithm(method: ContentAddressMethod, algorithm: HashAlgorithm): string {
  return PREFIXES[method] + algorithm;
}

export function parseMethodAlgorithm(
  text: string,
): { readonly method: ContentAddressMethod; readonly algorithm: HashAlgorithm } | undefined {
  const method: ContentAddressMethod = text.startsWith("r:")
    ? "nar"
    : text.startsWith("text:")
      ? "text"
      : text.startsWith("git:")
        ? "git"
        : "flat";
  const algorithm = parseHashAlgorithm(text.slice(PREFIXES[method].length));
  return algorithm === undefined ? undefined : { method, algorithm };
}

/** `text:sha256:…`, `fixed:sha256:…`, `fixed:r:sha256:…`, with nix32 digits. */
export function renderContentAddress(address: ContentAddress): string {
  const prefix = address.method === "text" ? "text:" : `fixed:${PREFIXES[address.method]}`;
  return prefix + address.hash.render("nix32");
}

/** Throws `FormatError`. */
export function parseContentAddress(text: string): ContentAddress {
  const colon = text.indexOf(":");
  const kind = text.slice(0, colon);
  const rest = text.slice(colon + 1);
  if (kind === "text") return { method: "text", hash: parseHash(text, rest) };
  if (kind !== "fixed") throw new FormatError("content address", `'${text}' begins with neither 'text:' nor 'fixed:'`);
  if (rest.startsWith("r:")) return { method: "nar", hash: parseHash(text, rest.slice(2)) };
  if (rest.startsWith("git:")) return { method: "git", hash: parseHash(text, rest.slice(4)) };
  return { method: "flat", hash: parseHash(text, rest) };
}

/** The path of an object with this content address. Throws `FormatError` for references the method cannot have. */
export function contentAddressedPath(
  storeDir: string,
  name: string,
  address: ContentAddress,
  references: References = NO_REFERENCES,
): StorePath {
  if (address.method === "text") {
    if (address.hash.algorithm !== "sha256")
      throw new FormatError("content address", "text is hashed with sha256 only");
    if (references.self) throw new FormatError("content address", "text cannot refer to itself");
    return makeStorePath(storeDir, typeWithReferences(storeDir, "text", references), address.hash, name);
  }
  if (address.method === "nar" && address.hash.algorithm === "sha256") {
    return makeStorePath(storeDir, typeWithReferences(storeDir, "source", references), address.hash, name);
  }
  if (references.self || references.others.length > 0) {
    const what = renderMethodAlgorithm(address.method, address.hash.algorithm);
    throw new FormatError("content address", `an object addressed by '${what}' cannot have references`);
  }
  if (address.method === "git" && address.hash.algorithm !== "sha1" && address.hash.algorithm !== "sha256") {
    throw new FormatError("content address", "git trees are hashed with sha1 or sha256 only");
  }
  const inner = hashByteString("sha256", `fixed:out:${PREFIXES[address.method]}${address.hash.render("base16")}:`);
  return makeStorePath(storeDir, "output:out", inner, name);
}

/** The path of a text file, such as a `.drv` or a `builtins.toFile`. */
export function textPath(
  storeDir: string,
  name: string,
  contents: Uint8Array,
  references: readonly StorePath[] = [],
): StorePath {
  const address: ContentAddress = { method: "text", hash: hashBytes("sha256", contents) };
  return contentAddressedPath(storeDir, name, address, { others: references, self: false });
}

/** The path of a fixed output. */
export function fixedOutputPath(storeDir: string, name: string, method: "flat" | "nar" | "git", hash: Hash): StorePath {
  return contentAddressedPath(storeDir, name, { method, hash });
}

/** The path of a source tree without references, from the hash of its NAR. */
export function sourcePath(storeDir: string, name: string, narHash: Hash): StorePath {
  return contentAddressedPath(storeDir, name, { method: "nar", hash: narHash });
}

function typeWithReferences(storeDir: string, type: string, references: References): string {
  let text = type;
  const others = isSorted(references.others) ? references.others : references.others.toSorted(compareStorePaths);
  for (let i = 0; i < others.length; i++) text += `:${storeDir}/${others[i]!.baseName}`;
  return references.self ? `${text}:self` : text;
}

function isSorted(paths: readonly StorePath[]): boolean {
  for (let i = 1; i < paths.length; i++) if (compareStorePaths(paths[i - 1]!, paths[i]!) > 0) return false;
  return true;
}

function parseHash(text: string, digits: string): Hash {
  const parsed = Hash.parse(digits);
  if (!parsed.ok) throw new FormatError("content address", `'${text}' has no valid hash`);
  return parsed.value;
}
