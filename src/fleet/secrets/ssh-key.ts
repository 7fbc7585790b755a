/**
 * Keys of OpenSSH as files: public ones as `ssh-ed25519 AAAA… comment`, private ones as `ssh-keygen` writes them without
 * a passphrase. Only ed25519 and rsa, which age can encrypt to.
 */

import { createHash, createPrivateKey, type JsonWebKey, type KeyObject } from "node:crypto";

export const SSH_KEY_TYPES = ["ssh-ed25519", "ssh-rsa"] as const;
type SshKeyType = (typeof SSH_KEY_TYPES)[number];

/** What age itself asks of RSA keys, in bits. */
const RSA_BITS_MIN = 2048;

export interface SshPublicKey {
  readonly type: SshKeyType;
  /** The key in the wire format of ssh, which its text has in base64. */
  readonly wire: Buffer;
  /** Ed25519: the 32 bytes. RSA: modulus and exponent. */
  readonly ed25519?: Buffer;
  readonly rsa?: { readonly modulus: Buffer; readonly exponent: Buffer };
}

export interface SshPrivateKey {
  readonly public: SshPublicKey;
  /** Ed25519: the seed. */
  readonly seed?: Buffer;
  /** RSA: for decrypting. */
  readonly rsa?: KeyObject;
}

/** Reads strings of ssh's wire format: a length of four bytes, then so many. */
class WireReader {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  string(): Buffer {
    const size = this.uint32();
    const end = this.#offset + size;
    if (end > this.#bytes.length) throw new Error("it ends too early");
    const value = this.#bytes.subarray(this.#offset, end);
    this.#offset = end;
    return value;
  }

  uint32(): number {
    if (this.#offset + 4 > this.#bytes.length) throw new Error("it ends too early");
    const value = this.#bytes.readUInt32BE(this.#offset);
    this.#offset += 4;
    return value;
  }

  /** A number without the zero byte that keeps it from being negative. */
  number(): Buffer {
    const bytes = this.string();
    return bytes[0] === 0 ? bytes.subarray(1) : bytes;
  }

  get isAtEnd(): boolean {
    return this.#offset === this.#bytes.length;
  }
}

function isSshKeyType(type: string | undefined): type is SshKeyType {
  return SSH_KEY_TYPES.some((known) => known === type);
}

/** Reads the text of a public key; says what is wrong with it by throwing an `Error` with the reason. */
export function parseSshPublicKey(text: string): SshPublicKey {
  const [type, base64 = ""] = text.trim().split(/\s+/);
  if (!isSshKeyType(type)) throw new Error(`it is no key of ${SSH_KEY_TYPES.join(" or ")}`);
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) throw new Error("what follows its type is not base64");
  return publicKeyOf(type, Buffer.from(base64, "base64"));
}

function publicKeyOf(type: SshKeyType, wire: Buffer): SshPublicKey {
  const reader = new WireReader(wire);
  if (reader.string().toString("latin1") !== type) throw new Error("it says that it is of another type");
  const key: SshPublicKey =
    type === "ssh-ed25519"
      ? { type, wire, ed25519: reader.string() }
      : { type, wire, rsa: { exponent: reader.number(), modulus: reader.number() } };
  if (!reader.isAtEnd) throw new Error("it has more bytes than such a key");
  if (key.ed25519 !== undefined && key.ed25519.length !== 32) throw new Error("it has not the 32 bytes of such a key");
  if (key.rsa !== undefined && key.rsa.modulus.length * 8 < RSA_BITS_MIN)
    throw new Error(`it has ${key.rsa.modulus.length * 8} bits; age takes RSA keys from ${RSA_BITS_MIN}`);
  return key;
}

/** Without the comment. */
export function renderSshPublicKey({ type, wire }: SshPublicKey): string {
  return `${type} ${wire.toString("base64")}`;
}

/** As `ssh-keygen -l` shows it. */
export function sshFingerprint({ wire }: SshPublicKey): string {
  return `SHA256:${createHash("sha256").update(wire).digest("base64").replace(/=+$/, "")}`;
}

const OPENSSH = /^-----BEGIN OPENSSH PRIVATE KEY-----\s([A-Za-z0-9+/=\s]+)-----END OPENSSH PRIVATE KEY-----\s*$/;
const MAGIC = "openssh-key-v1\0";

export function isSshPrivateKey(text: string): boolean {
  return /^-----BEGIN (?:OPENSSH |RSA )?PRIVATE KEY-----/.test(text);
}

/** Reads a private key; `encrypted` when it needs a passphrase. */
export function parseSshPrivateKey(text: string): SshPrivateKey | "encrypted" {
  const base64 = OPENSSH.exec(text.trim())?.[1];
  if (base64 === undefined) return parsePemKey(text);
  const bytes = Buffer.from(base64, "base64");
  if (bytes.subarray(0, MAGIC.length).toString("latin1") !== MAGIC) throw new Error("it is no key of OpenSSH");
  const reader = new WireReader(bytes.subarray(MAGIC.length));
  const cipher = reader.string().toString("latin1");
  reader.string();
  reader.string();
  if (reader.uint32() !== 1) throw new Error("it has more than one key");
  reader.string();
  if (cipher !== "none") return "encrypted";
  const secret = new WireReader(reader.string());
  if (secret.uint32() !== secret.uint32()) throw new Error("its check numbers differ");
  const type = secret.string().toString("latin1");
  if (type === "ssh-ed25519") {
    const key = secret.string();
    return { public: publicKeyOf(type, wireOf(type, key)), seed: secret.string().subarray(0, 32) };
  }
  if (type !== "ssh-rsa") throw new Error(`it is a key of type ${type}; age takes ${SSH_KEY_TYPES.join(" and ")}`);
  const [n, e, d, qi, p, q] = [0, 1, 2, 3, 4, 5].map(() => secret.number()) as [
    Buffer,
    Buffer,
    Buffer,
    Buffer,
    Buffer,
    Buffer,
  ];
  const part = (prime: Buffer): Buffer => bufferOf(bigIntOf(d) % (bigIntOf(prime) - 1n));
  return rsaKeyOf({ n, e, d, p, q, dp: part(p), dq: part(q), qi });
}

/** The older form of RSA keys. */
function parsePemKey(text: string): SshPrivateKey | "encrypted" {
  if (/^Proc-Type: 4,ENCRYPTED/m.test(text)) return "encrypted";
  const key = createPrivateKey(text);
  if (key.asymmetricKeyType !== "rsa") throw new Error("it is neither a key of OpenSSH nor of RSA");
  const { n = "", e = "" } = key.export({ format: "jwk" });
  return { public: rsaPublicKey(Buffer.from(n, "base64url"), Buffer.from(e, "base64url")), rsa: key };
}

function rsaKeyOf(numbers: Readonly<Record<"n" | "e" | "d" | "p" | "q" | "dp" | "dq" | "qi", Buffer>>): SshPrivateKey {
  const fields = Object.entries(numbers).map(([name, bytes]) => [name, bytes.toString("base64url")]);
  const jwk = { kty: "RSA", ...Object.fromEntries(fields) } as JsonWebKey;
  return { public: rsaPublicKey(numbers.n, numbers.e), rsa: createPrivateKey({ key: jwk, format: "jwk" }) };
}

function rsaPublicKey(modulus: Buffer, exponent: Buffer): SshPublicKey {
  return publicKeyOf("ssh-rsa", wireOf("ssh-rsa", positive(exponent), positive(modulus)));
}

/** Strings of ssh's wire format, one after another. */
export function wireOf(...parts: readonly (string | Uint8Array)[]): Buffer {
  return Buffer.concat(
    parts.flatMap((part) => {
      const bytes = Buffer.from(part);
      const size = Buffer.alloc(4);
      size.writeUInt32BE(bytes.length);
      return [size, bytes];
    }),
  );
}

/** A number whose first bit is set would be negative. */
function positive(number: Buffer): Buffer {
  return (number[0] ?? 0) < 0x80 ? number : Buffer.concat([Buffer.of(0), number]);
}

function bigIntOf(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString("hex")}`);
}

function bufferOf(number: bigint): Buffer {
  const hex = number.toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
}
