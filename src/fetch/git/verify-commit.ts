/** Whether a commit is signed by one of the keys that an input names, as `git verify-commit` tells it. */

import { textOfByteString } from "../../base/byte-string.ts";
import { FormatError, OperationError } from "../../base/errors.ts";
import { booleanAttribute, type InputAttrs, textAttribute } from "../../format/input/attributes.ts";
import { hashBytes } from "../../format/hash.ts";
import { renderInput } from "../../format/input/input.ts";
import { writeFileAtomic } from "../../system/files.ts";
import type { FetchContext } from "../fetch-context.ts";
import type { GitRepository } from "./git-repository.ts";

interface PublicKey {
  readonly type: string;
  /** The key as OpenSSH writes it, base 64. */
  readonly key: string;
}

const TYPE_DEFAULT = "ssh-ed25519";

/** Types of keys, and what OpenSSH calls them. */
const KEY_TYPES: Readonly<Record<string, string>> = {
  "ssh-dsa": "ssh-dsa",
  "ssh-ecdsa": "ssh-ecdsa",
  "ssh-ecdsa-sk": "sk-ecdsa-sha2-nistp256@openssh.com",
  "ssh-ed25519": "ssh-ed25519",
  "ssh-ed25519-sk": "sk-ssh-ed25519@openssh.com",
  "ssh-rsa": "ssh-rsa",
};

/** Throws unless the commit is signed as the input wants; a dirty tree (no `rev`) never is. */
export async function verifyCommit(
  { cache }: Pick<FetchContext, "cache">,
  repository: GitRepository,
  input: InputAttrs,
  rev: string | undefined,
): Promise<void> {
  const keys = publicKeysOf(input);
  if (!(booleanAttribute(input, "verifyCommit") ?? keys.length > 0)) return;
  if (rev === undefined) {
    const shown = textOfByteString(renderInput(input));
    throw failure(`commit verification is required for Git repository '${shown}', but it's dirty`);
  }
  const signers = keys.map(({ type, key }) => `* ${openSshType(type)} ${key}\n`).join("");
  const work = await cache.workDirectory();
  let outcome;
  try {
    await writeFileAtomic(`${work}/signers`, signers, { durable: false });
    outcome = await repository.verifyCommit(rev, `${work}/signers`);
  } finally {
    await cache.discard(work);
  }
  // git is also content with other keys that this user's own configuration trusts.
  const isGood = keys.some(({ key }) =>
    outcome.said.split("\n").some((line) => isGoodSignature(line, fingerprintOf(key))),
  );
  if (!outcome.ok || !isGood) {
    throw failure(`Commit signature verification on commit ${rev} failed: ${outcome.said.trimEnd()}`);
  }
}

function isGoodSignature(line: string, fingerprint: string): boolean {
  return line.startsWith('Good "git" signature for * with ') && line.endsWith(` key SHA256:${fingerprint}`);
}

function fingerprintOf(key: string): string {
  return hashBytes("sha256", Buffer.from(key, "base64")).toSri().slice("sha256-".length).replace(/=+$/, "");
}

function openSshType(type: string): string {
  if (Object.hasOwn(KEY_TYPES, type)) return KEY_TYPES[type]!;
  const known = Object.keys(KEY_TYPES).map((name) => `  ${name}\n`);
  throw failure(`Invalid SSH key type '${type}' in publicKeys.\nPlease use one of:\n${known.join("")}`);
}

function publicKeysOf(input: InputAttrs): readonly PublicKey[] {
  const keys: PublicKey[] = [];
  const list = textAttribute(input, "publicKeys");
  if (list !== undefined) keys.push(...parseKeys(textOfByteString(list)));
  const key = textAttribute(input, "publicKey");
  if (key !== undefined) keys.push({ type: textAttribute(input, "keytype") ?? TYPE_DEFAULT, key });
  // Each becomes a line of a file.
  const bad = keys.find((one) => !/^[A-Za-z0-9+/]+=*$/.test(one.key));
  if (bad !== undefined) throw failure(`the public key '${bad.key}' is not base 64`);
  return keys;
}

function parseKeys(text: string): readonly PublicKey[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new FormatError("publicKeys", (error as Error).message);
  }
  if (!Array.isArray(parsed)) throw new FormatError("publicKeys", "is not a list");
  return parsed.map((one: unknown) => {
    const { type = TYPE_DEFAULT, key } = (one ?? {}) as { readonly type?: unknown; readonly key?: unknown };
    if (typeof type !== "string" || typeof key !== "string") {
      throw new FormatError("publicKeys", "has an element without a 'key'");
    }
    return { type, key };
  });
}

function failure(text: string): OperationError {
  return new OperationError("FETCH_FAILED", text);
}
