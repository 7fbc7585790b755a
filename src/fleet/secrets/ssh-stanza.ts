/** How age encrypts a file's key to keys of OpenSSH: the stanzas `ssh-ed25519` and `ssh-rsa`, as the `age` program has them. */

import {
  constants,
  createCipheriv,
  createDecipheriv,
  createHash,
  createPublicKey,
  hkdfSync,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
} from "node:crypto";
import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import { type Identity, type Recipient, Stanza } from "age-encryption";
import type { SshPrivateKey, SshPublicKey } from "./ssh-key.ts";

const LABEL = "age-encryption.org/v1/";
const KEY_SIZE = 32;
const FILE_KEY_SIZE = 16;
const TAG_SIZE = 16;

/** By which a stanza says whose key it is for. */
export function sshKeyTag({ wire }: SshPublicKey): string {
  return base64(createHash("sha256").update(wire).digest().subarray(0, 4));
}

export class SshRecipient implements Recipient {
  readonly #key: SshPublicKey;

  constructor(key: SshPublicKey) {
    this.#key = key;
  }

  wrapFileKey(fileKey: Uint8Array): Stanza[] {
    const { ed25519: edwards, rsa, type } = this.#key;
    const tag = sshKeyTag(this.#key);
    if (edwards !== undefined) {
      const ephemeral = randomBytes(KEY_SIZE);
      const share = x25519.getPublicKey(ephemeral);
      const theirs = ed25519.utils.toMontgomery(edwards);
      const shared = tweaked(this.#key, x25519.getSharedSecret(ephemeral, theirs));
      const key = wrappingKey(shared, share, theirs);
      return [new Stanza([type, tag, base64(share)], seal(key, fileKey))];
    }
    const { modulus, exponent } = rsa!;
    const jwk = { kty: "RSA", n: modulus.toString("base64url"), e: exponent.toString("base64url") };
    const key = createPublicKey({ key: jwk, format: "jwk" });
    return [new Stanza([type, tag], publicEncrypt({ key, ...OAEP }, fileKey))];
  }
}

export class SshIdentity implements Identity {
  readonly #key: SshPrivateKey;

  constructor(key: SshPrivateKey) {
    this.#key = key;
  }

  unwrapFileKey(stanzas: Stanza[]): Uint8Array | null {
    const { public: own, rsa, seed } = this.#key;
    const tag = sshKeyTag(own);
    for (const { args, body } of stanzas) {
      if (args[0] !== own.type || args[1] !== tag) continue;
      if (rsa !== undefined) return privateDecrypt({ key: rsa, ...OAEP }, body);
      const share = Buffer.from(args[2] ?? "", "base64");
      if (share.length !== KEY_SIZE) throw new Error("invalid ssh-ed25519 stanza");
      const secret = ed25519.utils.toMontgomerySecret(seed!);
      const shared = tweaked(own, x25519.getSharedSecret(secret, share));
      const fileKey = open(wrappingKey(shared, share, x25519.getPublicKey(secret)), body);
      if (fileKey !== undefined) return fileKey;
    }
    return null;
  }
}

const OAEP = {
  padding: constants.RSA_PKCS1_OAEP_PADDING,
  oaepHash: "sha256",
  oaepLabel: Buffer.from(`${LABEL}ssh-rsa`),
} as const;

/** Binds the shared secret to the ssh key, of which the point on the curve is only a part. */
function tweaked({ wire }: SshPublicKey, shared: Uint8Array): Uint8Array {
  return x25519.getSharedSecret(derive(new Uint8Array(), wire), shared);
}

function wrappingKey(shared: Uint8Array, share: Uint8Array, theirs: Uint8Array): Uint8Array {
  return derive(shared, Buffer.concat([share, theirs]));
}

function derive(secret: Uint8Array, salt: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", secret, salt, `${LABEL}ssh-ed25519`, KEY_SIZE));
}

/** Each key seals one thing, so the nonce may be the same. */
const NONCE = Buffer.alloc(12);

function seal(key: Uint8Array, fileKey: Uint8Array): Uint8Array {
  const cipher = createCipheriv("chacha20-poly1305", key, NONCE, { authTagLength: TAG_SIZE });
  return Buffer.concat([cipher.update(fileKey), cipher.final(), cipher.getAuthTag()]);
}

function open(key: Uint8Array, body: Uint8Array): Uint8Array | undefined {
  if (body.length !== FILE_KEY_SIZE + TAG_SIZE) throw new Error("invalid ssh-ed25519 stanza");
  const decipher = createDecipheriv("chacha20-poly1305", key, NONCE, { authTagLength: TAG_SIZE });
  decipher.setAuthTag(body.subarray(FILE_KEY_SIZE));
  const fileKey = decipher.update(body.subarray(0, FILE_KEY_SIZE));
  try {
    decipher.final();
  } catch {
    // Four bytes of a tag can be another key's, too.
    return undefined;
  }
  return fileKey;
}

/** age writes no padding. */
function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64").replace(/=+$/, "");
}
