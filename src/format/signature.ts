/** Signatures of store objects: ed25519 over a fingerprint of what a path is and refers to. */

import * as crypto from "node:crypto";
import { FormatError } from "../base/errors.ts";
import { type PathInfo, sortedReferences } from "./path-info.ts";

/** Keys are written `name:base64`; the name finds the key that belongs to a signature. */
export interface SigningKey {
  readonly name: string;
  readonly key: crypto.KeyObject;
}

export interface PublicKey {
  readonly name: string;
  readonly key: crypto.KeyObject;
}

const SEED_SIZE = 32;
const PUBLIC_SIZE = 32;
const SIGNATURE_SIZE = 64;
/** DER before the raw bytes of an ed25519 key: PKCS#8 and SubjectPublicKeyInfo (RFC 8410). */
const PRIVATE_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");
const PUBLIC_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

/** What is signed. */
export function fingerprint(info: PathInfo, storeDir: string): string {
  const references = sortedReferences(info).map((path) => path.render(storeDir));
  return `1;${info.path.render(storeDir)};${info.narHash.render("nix32")};${info.narSize};${references.join(",")}`;
}

/** Parses a secret key, `name:base64(seed, public key)`. Throws `FormatError`. */
export function parseSigningKey(text: string): SigningKey {
  const { name, bytes } = parseNamed("secret key", text, SEED_SIZE + PUBLIC_SIZE);
  const der = Buffer.concat([PRIVATE_PREFIX, bytes.subarray(0, SEED_SIZE)]);
  return { name, key: crypto.createPrivateKey({ key: der, format: "der", type: "pkcs8" }) };
}

/** Parses a public key, `name:base64`. Throws `FormatError`. */
export function parsePublicKey(text: string): PublicKey {
  const { name, bytes } = parseNamed("public key", text, PUBLIC_SIZE);
  return { name, key: publicKeyOf(bytes) };
}

/** A new key pair in Nix's notation. */
export function generateKeyPair(name: string): { readonly secret: string; readonly public: string } {
  const pair = crypto.generateKeyPairSync("ed25519");
  const seed = pair.privateKey.export({ format: "der", type: "pkcs8" }).subarray(PRIVATE_PREFIX.length);
  const raw = pair.publicKey.export({ format: "der", type: "spki" }).subarray(PUBLIC_PREFIX.length);
  return {
    secret: `${name}:${Buffer.concat([seed, raw]).toString("base64")}`,
    public: `${name}:${raw.toString("base64")}`,
  };
}

/** The signature to add to `info.signatures`. */
export function sign(info: PathInfo, storeDir: string, key: SigningKey): string {
  const bytes = crypto.sign(null, Buffer.from(fingerprint(info, storeDir)), key.key);
  return `${key.name}:${bytes.toString("base64")}`;
}

/** Whether `signature` is one of `keys`' over `info`. */
export function isSignedBy(info: PathInfo, storeDir: string, signature: string, keys: readonly PublicKey[]): boolean {
  let parsed;
  try {
    parsed = parseNamed("signature", signature, SIGNATURE_SIZE);
  } catch (error) {
    // A signature nobody can read is a signature by nobody we know.
    if (error instanceof FormatError) return false;
    throw error;
  }
  const { name, bytes } = parsed;
  const message = Buffer.from(fingerprint(info, storeDir));
  return keys.some((key) => key.name === name && crypto.verify(null, message, key.key, bytes));
}

/** Whether any of the signatures is by one of `keys`. */
export function hasTrustedSignature(info: PathInfo, storeDir: string, keys: readonly PublicKey[]): boolean {
  return info.signatures.some((signature) => isSignedBy(info, storeDir, signature, keys));
}

function publicKeyOf(bytes: Uint8Array): crypto.KeyObject {
  return crypto.createPublicKey({ key: Buffer.concat([PUBLIC_PREFIX, bytes]), format: "der", type: "spki" });
}

function parseNamed(format: string, text: string, size: number): { readonly name: string; readonly bytes: Buffer } {
  const colon = text.indexOf(":");
  if (colon <= 0) throw new FormatError(format, "has no name before a colon");
  const digits = text.slice(colon + 1);
  const bytes = Buffer.from(digits, "base64");
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(digits) || bytes.length !== size) {
    throw new FormatError(format, `is not ${size} bytes in base 64`);
  }
  return { name: text.slice(0, colon), bytes };
}
