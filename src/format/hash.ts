/**
 * Cryptographic hashes with Nix's notations: base 16, nix32, base 64 and SRI.
 *
 * This is the only module of `format` that computes a hash.
 */

import { err, ok, type Result } from "../base/result.ts";
import { base32Chars, decodeBase32, encodeBase32 } from "./base32.ts";
import { Blake3 } from "./blake3.ts";
import { sha256 } from "./sha256.ts";

let loaded: typeof import("node:crypto") | undefined;

/** As much may be hashed without OpenSSL; loading Node's module takes as long as that (5 to 10 ms). */
let bytesBeforeLoading = 16 * 1024;

/** Loaded when it is needed, because loading takes a fifth of what starting does. */
function nodeCrypto(): typeof import("node:crypto") {
  return (loaded ??= process.getBuiltinModule("node:crypto"));
}

export type HashAlgorithm = "blake3" | "md5" | "sha1" | "sha256" | "sha512";

export const HASH_SIZES: Readonly<Record<HashAlgorithm, number>> = {
  blake3: 32,
  md5: 16,
  sha1: 20,
  sha256: 32,
  sha512: 64,
};

export type HashEncoding = "base16" | "nix32" | "base64";

export type HashParseError =
  | { readonly kind: "no-algorithm" }
  | { readonly kind: "unknown-algorithm"; readonly algorithm: string }
  | { readonly kind: "algorithm-mismatch"; readonly expected: HashAlgorithm; readonly found: HashAlgorithm }
  | { readonly kind: "bad-length"; readonly algorithm: HashAlgorithm; readonly digits: string }
  | {
      readonly kind: "bad-digits";
      readonly algorithm: HashAlgorithm;
      readonly notation: HashNotation;
      readonly digits: string;
      /** How many bytes the digits stand for; none when one of them is no digit. */
      readonly size: number;
    };

/** What Nix calls the ways to write a hash. */
type HashNotation = "base16" | "nix32" | "Base64" | "SRI";

/** A digest together with the algorithm that made it. */
export class Hash {
  readonly algorithm: HashAlgorithm;
  readonly bytes: Uint8Array;
  #base16: string | undefined;

  constructor(algorithm: HashAlgorithm, bytes: Uint8Array) {
    if (bytes.length !== HASH_SIZES[algorithm]) {
      throw new RangeError(`a ${algorithm} digest has ${HASH_SIZES[algorithm]} bytes, not ${bytes.length}`);
    }
    this.algorithm = algorithm;
    // A copy of its own, so that a digest never changes under its holder.
    this.bytes = new Uint8Array(bytes);
  }

  /**
   * Parses `algorithm:digits` (base 16, nix32 or base 64, told apart by length), SRI `algorithm-base64`, or bare
   * digits when `expected` says which algorithm they are of.
   */
  static parse(text: string, expected?: HashAlgorithm): Result<Hash, HashParseError> {
    const separator = /[:-]/.exec(text);
    if (separator === null) {
      return expected === undefined ? err({ kind: "no-algorithm" }) : parseDigits(text, expected, false);
    }
    const name = text.slice(0, separator.index);
    const algorithm = parseHashAlgorithm(name);
    if (algorithm === undefined) return err({ kind: "unknown-algorithm", algorithm: name });
    if (expected !== undefined && expected !== algorithm) {
      return err({ kind: "algorithm-mismatch", expected, found: algorithm });
    }
    return parseDigits(text.slice(separator.index + 1), algorithm, separator[0] === "-");
  }

  toBase16(): string {
    return (this.#base16 ??= bufferOf(this.bytes).toString("hex"));
  }

  toNix32(): string {
    return encodeBase32(this.bytes);
  }

  toBase64(): string {
    return bufferOf(this.bytes).toString("base64");
  }

  /** The digits without the algorithm. */
  digits(encoding: HashEncoding): string {
    switch (encoding) {
      case "base16":
        return this.toBase16();
      case "nix32":
        return this.toNix32();
      case "base64":
        return this.toBase64();
    }
  }

  /** `sha256:` and the digits. */
  render(encoding: HashEncoding): string {
    return `${this.algorithm}:${this.digits(encoding)}`;
  }

  /** The form of the web's subresource integrity, `sha256-` and base 64. */
  toSri(): string {
    return `${this.algorithm}-${this.toBase64()}`;
  }

  equals(other: Hash): boolean {
    return this.algorithm === other.algorithm && Buffer.compare(this.bytes, other.bytes) === 0;
  }
}

export function parseHashAlgorithm(text: string): HashAlgorithm | undefined {
  return Object.hasOwn(HASH_SIZES, text) ? (text as HashAlgorithm) : undefined;
}

/** Hashes one piece of memory. */
export function hashBytes(algorithm: HashAlgorithm, bytes: Uint8Array): Hash {
  if (loaded === undefined && algorithm === "sha256" && bytes.length <= bytesBeforeLoading) {
    bytesBeforeLoading -= bytes.length;
    return new Hash(algorithm, sha256(bytes));
  }
  if (algorithm === "blake3") return new Hash(algorithm, new Blake3().update(bytes).digest());
  return new Hash(algorithm, nodeCrypto().hash(algorithm, bytes, "buffer"));
}

/** Where texts lie while they are hashed: an evaluation hashes thousands, and memory for each would cost as much. */
let scratch: Buffer | undefined;
const SCRATCH_BYTES = 64 * 1024;

/** Hashes a byte string (see `base/byte-string.ts`). */
export function hashByteString(algorithm: HashAlgorithm, text: string): Hash {
  if (text.length > SCRATCH_BYTES) return hashBytes(algorithm, Buffer.from(text, "latin1"));
  scratch ??= Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  scratch.write(text, 0, "latin1");
  return hashBytes(algorithm, scratch.subarray(0, text.length));
}

/** Hashes what arrives in pieces. */
export class Hasher {
  readonly #algorithm: HashAlgorithm;
  readonly #state: { update(bytes: Uint8Array): unknown; digest(): Uint8Array };

  constructor(algorithm: HashAlgorithm) {
    this.#algorithm = algorithm;
    this.#state = algorithm === "blake3" ? new Blake3() : nodeCrypto().createHash(algorithm);
  }

  update(bytes: Uint8Array): this {
    this.#state.update(bytes);
    return this;
  }

  /** Ends the hash; the hasher cannot be used afterwards. */
  digest(): Hash {
    return new Hash(this.#algorithm, this.#state.digest());
  }
}

/** Folds a digest to `size` bytes by exclusive or, as store path digests are made. */
export function compressHash(bytes: Uint8Array, size: number): Uint8Array {
  const folded = new Uint8Array(size);
  for (let i = 0; i < bytes.length; i++) folded[i % size] = folded[i % size]! ^ bytes[i]!;
  return folded;
}

/** What is wrong with a hash, as a sentence for people. */
export function describeHashError(text: string, error: HashParseError): string {
  switch (error.kind) {
    case "no-algorithm":
      return `hash '${text}' does not include a type, nor is the type otherwise known from context`;
    case "unknown-algorithm":
      return `unknown hash algorithm '${error.algorithm}', expect 'blake3', 'md5', 'sha1', 'sha256', or 'sha512'`;
    case "algorithm-mismatch":
      return `hash '${text}' should have type '${error.expected}' but has type '${error.found}'`;
    case "bad-length":
      return `hash '${error.digits}' has wrong length for hash algorithm '${error.algorithm}'`;
    case "bad-digits":
      return `invalid ${error.notation} hash '${error.digits}', length ${error.size} != expected length ${HASH_SIZES[error.algorithm]}`;
  }
}

const BASE16 = /^[0-9a-fA-F]*$/;
const BASE64 = /^[A-Za-z0-9+/]*$/;

function parseDigits(digits: string, algorithm: HashAlgorithm, isSri: boolean): Result<Hash, HashParseError> {
  const size = HASH_SIZES[algorithm];
  const notation = isSri ? "SRI" : notationOf(digits.length, size);
  if (notation === undefined) return err({ kind: "bad-length", algorithm, digits });
  const bytes = decodeDigits(digits, notation, size);
  if (bytes?.length === size) return ok(new Hash(algorithm, bytes));
  return err({ kind: "bad-digits", algorithm, notation, digits, size: bytes?.length ?? 0 });
}

function notationOf(chars: number, size: number): HashNotation | undefined {
  if (chars === size * 2) return "base16";
  if (chars === base32Chars(size)) return "nix32";
  return chars === Math.ceil(size / 3) * 4 ? "Base64" : undefined;
}

function decodeDigits(digits: string, notation: HashNotation, size: number): Uint8Array | undefined {
  switch (notation) {
    case "base16":
      return BASE16.test(digits) ? Buffer.from(digits, "hex") : undefined;
    case "nix32":
      return decodeBase32(digits, size);
    case "Base64":
    case "SRI":
      return decodeBase64(digits);
  }
}

/** As in Nix, `=` ends the digits and need not be there, and line ends do not count. */
function decodeBase64(digits: string): Uint8Array | undefined {
  const end = digits.indexOf("=");
  const significant = (end < 0 ? digits : digits.slice(0, end)).replaceAll("\n", "");
  return BASE64.test(significant) ? Buffer.from(significant, "base64") : undefined;
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
