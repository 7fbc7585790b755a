/**
 * A deployment in a file: what a deployer writes for a host that it cannot reach, and what the host answers.
 *
 * `docs/formats/bundle.md` describes the files. The fleet writes bundles and reads receipts, the kit does the opposite.
 */

import type { Receipt, TransactionPlan } from "./transaction.ts";

/** What a file is; signatures are made for one of them and do not hold for the other. */
export type SignedKind = "pristine-bundle" | "pristine-receipt";

/** What is signed of a bundle. The payload is signed through its hash. */
export interface BundleManifest {
  readonly version: 1;
  /** The first transaction is called the same; `[A-Za-z0-9][A-Za-z0-9._-]{0,59}`. */
  readonly id: string;
  /** Later bundles for the same host have higher numbers: the time when it was made, in milliseconds. */
  readonly sequence: number;
  readonly fleet: string;
  readonly host: string;
  /** The host's public ssh key where the fleet knows it, as `ssh-ed25519 AAAA…`. */
  readonly hostKey: string | null;
  /** The name of the key that signed it. */
  readonly key: string;
  /** Both by the deployer's clock, ISO 8601 in UTC. */
  readonly madeAt: string;
  readonly expiresAt: string;
  /** What the host must run, with its closure: the payload leaves that out. Without it the payload is complete. */
  readonly base: { readonly system: string; readonly generation?: number } | null;
  /** The kit that activates; it and the system are in the payload unless they are in the base. */
  readonly kit: string;
  readonly plan: TransactionPlan;
  readonly paths: readonly BundlePath[];
  readonly payload: { readonly bytes: number; readonly sha256: string };
}

/** A store object of the payload, references first. */
export interface BundlePath {
  readonly path: string;
  /** As `nix-store --query --hash` prints it. */
  readonly narHash: string;
  readonly narSize: number;
}

/** What a host signs. */
export interface BundleReceipt {
  readonly version: 1;
  readonly bundle: { readonly id: string; readonly sequence: number; readonly signature: string };
  readonly fleet: string;
  readonly host: string;
  /** The public key that signed it. */
  readonly hostKey: string;
  readonly receipt: Receipt;
}

/** What stands before the signed text. */
export interface SignedHeader {
  /** Bytes of the signed text, which begins at `offset`. */
  readonly size: number;
  readonly offset: number;
  /** The `SSHSIG` blob of OpenSSH in base64. */
  readonly signature: string;
}

/** A header is shorter than this, also with the signature of a large RSA key. */
export const HEADER_BYTES_MAX = 4096;
/** A manifest of 20 000 paths is shorter, and a small host can hold it in memory. */
export const SIGNED_BYTES_MAX: number = 4 * 1024 * 1024;

/** The header of a file of a kind; the signed text follows it at once. */
export function renderHeader(kind: SignedKind, { size, signature }: Omit<SignedHeader, "offset">): string {
  return `${kind} 1\nsize ${size}\nsignature ${signature}\n\n`;
}

/** Reads a header from the beginning of a file; a sentence says what is wrong with it. */
export function parseHeader(kind: SignedKind, beginning: string): SignedHeader | string {
  const [, version] = new RegExp(`^${kind} (\\d{1,9})\\n`).exec(beginning) ?? [];
  if (version === undefined) return `it does not begin with '${kind} 1'`;
  if (version !== "1") return `it has version ${version} of its format, and 1 is understood`;
  const [whole = "", size = "", signature = ""] =
    new RegExp(`^${kind} 1\\nsize ([1-9]\\d{0,8})\\nsignature ([A-Za-z0-9+/]+={0,2})\\n\\n`).exec(beginning) ?? [];
  if (whole === "") return "its header is damaged";
  if (Number(size) > SIGNED_BYTES_MAX)
    return `it has ${size} bytes of signed text, and ${SIGNED_BYTES_MAX} are the most`;
  return { size: Number(size), offset: whole.length, signature };
}

/** JSON of ASCII alone, so that its bytes are its characters wherever it is read. */
export function renderSigned(value: BundleManifest | BundleReceipt): string {
  const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(value).replace(/[\u0080-\uffff]/g, escaped);
}
