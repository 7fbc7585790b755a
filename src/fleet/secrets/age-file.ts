/** Encrypting to recipients and decrypting with identities, as the `age` program does. Nothing here touches a disk. */

import { armor, Decrypter, Encrypter, type Identity } from "age-encryption";
import { OperationError } from "../../base/errors.ts";
import { parseSshPublicKey } from "./ssh-key.ts";
import { SshRecipient } from "./ssh-stanza.ts";

/** Larger secrets are not what this is for: hosts keep them in memory. */
export const SECRET_BYTES_MAX: number = 1024 * 1024;

const ARMOR = "-----BEGIN AGE ENCRYPTED FILE-----";

/** What can be decrypted with: a native identity as text, or one of ssh. */
export type AgeIdentity = string | Identity;

/** Whether a native identity is whole. The library's own words would show it. */
export function isAgeIdentity(text: string): boolean {
  try {
    new Decrypter().addIdentity(text);
    return true;
  } catch {
    // It is none; there is nothing more to say of it.
    return false;
  }
}

/** Encrypts to recipients, each as `age1…`, `ssh-ed25519 …` or `ssh-rsa …`, into text. */
export async function encryptTo(recipients: readonly string[], plaintext: Uint8Array): Promise<string> {
  const encrypter = new Encrypter();
  for (const text of recipients) encrypter.addRecipient(recipientOf(text));
  return armor.encode(await encrypter.encrypt(plaintext));
}

function recipientOf(text: string): string | SshRecipient {
  try {
    if (!text.startsWith("age1")) return new SshRecipient(parseSshPublicKey(text));
    // The library checks what it is given.
    new Encrypter().addRecipient(text);
    return text;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OperationError("SECRET_RECIPIENT_INVALID", `'${text}' is no key that can be encrypted to: ${reason}`, {
      hint: "recipients are age1…, ssh-ed25519 … or ssh-rsa …, as age-keygen and ssh-keygen print them",
    });
  }
}

/** Says what is wrong with recipients before something is encrypted to them. */
export function requireRecipients(recipients: readonly string[]): void {
  for (const text of recipients) recipientOf(text);
}

/** The bytes of an age file, which may be armored. */
export function ageBytes(file: Uint8Array): Uint8Array {
  const text = Buffer.from(file).toString("latin1");
  return text.trimStart().startsWith(ARMOR) ? armor.decode(text.trim()) : file;
}

/**
 * Decrypts a file, which `place` names for people. Without a fitting identity it throws `SECRET_IDENTITY`, with a file
 * that is no age file or was changed `SECRET_DAMAGED`.
 */
export async function decryptWith(
  identities: readonly AgeIdentity[],
  file: Uint8Array,
  { place, tried }: { readonly place: string; readonly tried: readonly string[] },
): Promise<Uint8Array> {
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  try {
    return await decrypter.decrypt(ageBytes(file));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (reason.startsWith("no identity matched")) {
      throw new OperationError("SECRET_IDENTITY", `${place} can be decrypted by none of your keys`, {
        hint: `tried ${tried.length === 0 ? "none" : tried.join(", ")}; name another with --identity FILE, or let somebody who can run 'pristine secrets rekey --operators' with your key among meta.secrets.recipients`,
      });
    }
    throw damaged(place, reason);
  }
}

export function damaged(place: string, reason: string): OperationError {
  return new OperationError("SECRET_DAMAGED", `${place} is no whole age file: ${reason}`, {
    hint: "restore it from your repository's history, or set the secret anew with 'pristine secrets edit --stdin'",
  });
}

/** The recipients' stanzas in a file's header, as `[type, …arguments]`; throws `SECRET_DAMAGED` for what is no age file. */
export function stanzasOf(file: Uint8Array, place: string): string[][] {
  let text: string;
  try {
    text = Buffer.from(ageBytes(file)).toString("latin1");
  } catch (error) {
    throw damaged(place, error instanceof Error ? error.message : String(error));
  }
  const header = /^age-encryption\.org\/v1\n((?:-> [!-~ ]+\n(?:[A-Za-z0-9+/]{0,64}\n)+)+)--- [A-Za-z0-9+/]{43}\n/.exec(
    text,
  );
  if (header === null) throw damaged(place, "its header cannot be read");
  return [...(header[1] as string).matchAll(/^-> (.+)$/gm)].map(([, line]) => (line as string).split(" "));
}
