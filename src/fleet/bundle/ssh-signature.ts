/** Signatures as OpenSSH makes and checks them (`ssh-keygen -Y`, PROTOCOL.sshsig), made with a key of Nix's. */

import { createHash, createPublicKey, sign } from "node:crypto";
import type { SigningKey } from "../../format/signature.ts";
import type { SignedKind } from "../../machine/bundle.ts";
import { temporaryDirectory } from "../../system/directories.ts";
import { makeTemporaryDirectory, removeTree, writeFileAtomic } from "../../system/files.ts";
import { run, succeeded } from "../../system/process.ts";
import { wireOf } from "../secrets/ssh-key.ts";

const MAGIC = Buffer.from("SSHSIG");
const VERSION = Buffer.from([0, 0, 0, 1]);
const HASH = "sha512";
const KEY_TYPE = "ssh-ed25519";
const PUBLIC_BYTES = 32;

/** The signature in base 64. */
export function sshSignature(kind: SignedKind, text: string, { key }: SigningKey): string {
  const digest = createHash(HASH).update(text).digest();
  const signed = Buffer.concat([MAGIC, wireOf(kind, "", HASH, digest)]);
  // The bytes of the key are the end of its DER form.
  const publicBytes = createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-PUBLIC_BYTES);
  const signature = wireOf(KEY_TYPE, sign(null, signed, key));
  const parts = wireOf(wireOf(KEY_TYPE, publicBytes), kind, "", HASH, signature);
  return Buffer.concat([MAGIC, VERSION, parts]).toString("base64");
}

/** Whether a public key of any kind that OpenSSH knows has made a signature. */
export async function isSshSignature(
  kind: SignedKind,
  signed: { readonly text: string; readonly signature: string; readonly key: string },
  signal: AbortSignal,
): Promise<boolean> {
  const { text, signature, key } = signed;
  if (Buffer.from(signature, "base64").toString("base64") !== signature) return false;
  const directory = await makeTemporaryDirectory(`${temporaryDirectory()}/pristine-signature-`);
  try {
    const armored = `-----BEGIN SSH SIGNATURE-----\n${signature}\n-----END SSH SIGNATURE-----\n`;
    await writeFileAtomic(`${directory}/signature`, armored, { durable: false });
    await writeFileAtomic(`${directory}/keys`, `host ${key}\n`, { durable: false });
    const files = ["-f", `${directory}/keys`, "-s", `${directory}/signature`];
    const argv = ["ssh-keygen", "-Y", "verify", "-I", "host", "-n", kind, ...files];
    return succeeded(await run(argv, { stdin: text, signal, deadlineMs: VERIFY_MS }));
  } finally {
    await removeTree(directory);
  }
}

const VERIFY_MS = 20_000;
