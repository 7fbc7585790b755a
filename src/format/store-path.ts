/**
 * Store paths: the names of store objects, and how Nix makes them from a type, a hash and a name.
 */

import { FormatError } from "../base/errors.ts";
import { err, ok, type Result } from "../base/result.ts";
import { encodeBase32, isBase32 } from "./base32.ts";
import { compressHash, type Hash, hashByteString } from "./hash.ts";

/** Bytes of the digest in a store path, and the nix32 digits they take. */
const DIGEST_SIZE = 20;
export const DIGEST_CHARS = 32;

export const NAME_CHARS_MAX = 211;

export const DEFAULT_STORE_DIR = "/nix/store";

const NAME = /^[0-9a-zA-Z+\-._?=]+$/;

export type StorePathError =
  | { readonly kind: "missing-dash" }
  | { readonly kind: "bad-digest"; readonly at: number }
  | { readonly kind: "bad-name"; readonly at: number; readonly reason: NameError }
  | { readonly kind: "not-in-store"; readonly storeDir: string };

export type NameError = "empty" | "too-long" | "bad-character" | "dots";

/**
 * A direct child of the store directory, without the store directory itself.
 *
 * The store directory is a property of a store, not of a path, so rendering asks for it: `path.render(storeDir)`.
 */
export class StorePath {
  /** 32 nix32 digits. */
  readonly digest: string;
  readonly name: string;
  /** `<digest>-<name>`: the key of a path in maps and sets, and the order of references. */
  readonly baseName: string;

  private constructor(baseName: string) {
    this.digest = baseName.slice(0, DIGEST_CHARS);
    this.name = baseName.slice(DIGEST_CHARS + 1);
    this.baseName = baseName;
  }

  /** Parses `<digest>-<name>`. */
  static parse(baseName: string): Result<StorePath, StorePathError> {
    if (baseName[DIGEST_CHARS] !== "-") return err({ kind: "missing-dash" });
    if (!isBase32(baseName.slice(0, DIGEST_CHARS))) return err({ kind: "bad-digest", at: 0 });
    const reason = checkName(baseName.slice(DIGEST_CHARS + 1));
    if (reason !== undefined) return err({ kind: "bad-name", at: DIGEST_CHARS + 1, reason });
    return ok(new StorePath(baseName));
  }

  /** Parses `<storeDir>/<digest>-<name>`. */
  static parseFull(path: string, storeDir: string): Result<StorePath, StorePathError> {
    if (path.length <= storeDir.length || path[storeDir.length] !== "/" || !path.startsWith(storeDir)) {
      return err({ kind: "not-in-store", storeDir });
    }
    return StorePath.parse(path.slice(storeDir.length + 1));
  }

  /** Puts together a digest and a name that are known to be good. */
  static ofParts(digest: string, name: string): StorePath {
    return new StorePath(`${digest}-${name}`);
  }

  /** Like `parse`, for text that a format promises to be a store path; throws `FormatError`. */
  static of(baseName: string): StorePath {
    const parsed = StorePath.parse(baseName);
    if (parsed.ok) return parsed.value;
    throw new FormatError("store path", describeStorePathError(baseName, parsed.error));
  }

  /** Like `parseFull`, for text that a format promises to be a store path; throws `FormatError`. */
  static ofFull(path: string, storeDir: string): StorePath {
    const parsed = StorePath.parseFull(path, storeDir);
    if (parsed.ok) return parsed.value;
    throw new FormatError("store path", describeStorePathError(path, parsed.error));
  }

  get isDerivation(): boolean {
    return this.name.endsWith(".drv");
  }

  render(storeDir: string): string {
    return `${storeDir}/${this.baseName}`;
  }

  equals(other: StorePath): boolean {
    return this.baseName === other.baseName;
  }

  toString(): string {
    return this.baseName;
  }
}

/** The order of references everywhere in Nix: by base name. */
export function compareStorePaths(a: StorePath, b: StorePath): number {
  return a.baseName < b.baseName ? -1 : a.baseName > b.baseName ? 1 : 0;
}

/** What forbids `name` as the name of a store path; `undefined` when nothing does. */
export function checkName(name: string): NameError | undefined {
  if (name.length === 0) return "empty";
  if (name.length > NAME_CHARS_MAX) return "too-long";
  if (!NAME.test(name)) return "bad-character";
  // A first component of one or two dots would read as a directory step.
  if (name === "." || name === ".." || name.startsWith(".-") || name.startsWith("..-")) return "dots";
  return undefined;
}

/** What is wrong with a name, in Nix's words. */
export function describeNameError(name: string): string | undefined {
  switch (checkName(name)) {
    case undefined:
      return undefined;
    case "empty":
      return "name must not be empty";
    case "too-long":
      return `name '${name}' must be no longer than ${NAME_CHARS_MAX} characters`;
    case "bad-character":
      return `name '${name}' contains illegal character '${/[^0-9a-zA-Z+\-._?=]/.exec(name)?.[0] ?? ""}'`;
    case "dots": {
      const first = /^\.+(?=-)/.exec(name)?.[0];
      const why = first === undefined ? "" : `: first dash-separated component must not be '${first}'`;
      return `name '${name}' is not valid${why}`;
    }
  }
}

/** A path that cannot be made because of its name. */
export class StorePathNameError extends FormatError {
  constructor(baseName: string, problem: string) {
    super("store path", `path '${baseName}' is not a valid store path: ${problem}`);
  }
}

/** The path below a store object that `path` names: `/nix/store/<digest>-<name>/bin/sh` is `[<digest>-<name>, "/bin/sh"]`. */
export function splitStorePath(path: string, storeDir: string): readonly [StorePath, string] | undefined {
  if (!path.startsWith(`${storeDir}/`)) return undefined;
  const end = path.indexOf("/", storeDir.length + 1);
  const parsed = StorePath.parseFull(end < 0 ? path : path.slice(0, end), storeDir);
  return parsed.ok ? [parsed.value, end < 0 ? "" : path.slice(end)] : undefined;
}

/**
 * Makes a store path. `type` says what the path's hash is of: `output:out`, `source`, `text:<references>`…
 *
 * Most callers want `textPath`, `fixedOutputPath`, `sourcePath` or `outputPath`.
 */
export function makeStorePath(storeDir: string, type: string, inner: Hash, name: string): StorePath {
  const fingerprint = hashByteString("sha256", `${type}:${inner.render("base16")}:${storeDir}:${name}`);
  const digest = encodeBase32(compressHash(fingerprint.bytes, DIGEST_SIZE));
  const problem = describeNameError(name);
  if (problem !== undefined) throw new StorePathNameError(`${digest}-${name}`, problem);
  return StorePath.ofParts(digest, name);
}

/** The path of an input-addressed output, from its derivation's hash modulo fixed outputs. */
export function outputPath(storeDir: string, outputName: string, inner: Hash, drvName: string): StorePath {
  return makeStorePath(storeDir, `output:${outputName}`, inner, outputPathName(drvName, outputName));
}

/** The name of an output's path: the derivation's own name for `out`, else with the output's name appended. */
export function outputPathName(drvName: string, outputName: string): string {
  return outputName === "out" ? drvName : `${drvName}-${outputName}`;
}

const NAME_ERRORS: Readonly<Record<NameError, string>> = {
  empty: "is empty",
  "too-long": `is longer than ${NAME_CHARS_MAX} characters`,
  "bad-character": "contains a character other than letters, digits and +-._?=",
  dots: "begins with a component of only dots",
};

export function describeStorePathError(text: string, error: StorePathError): string {
  switch (error.kind) {
    case "missing-dash":
      return `'${text}' has no 32 digits followed by a dash`;
    case "bad-digest":
      return `'${text}' does not begin with 32 base-32 digits`;
    case "bad-name":
      return `the name in '${text}' ${NAME_ERRORS[error.reason]}`;
    case "not-in-store":
      return `'${text}' is not a direct child of the store directory '${error.storeDir}'`;
  }
}
