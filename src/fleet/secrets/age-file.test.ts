/** What is encrypted here, the `age` program decrypts, and the other way round: for native keys and both kinds of ssh. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { unmetNeed } from "../../../test/support/needs.ts";
import { type AgeIdentity, decryptWith, encryptTo, stanzasOf } from "./age-file.ts";
import { parseSshPrivateKey, parseSshPublicKey, renderSshPublicKey, sshFingerprint } from "./ssh-key.ts";
import { SshIdentity, sshKeyTag } from "./ssh-stanza.ts";

const scratch = mkdtempSync(join(tmpdir(), "pristine-age-"));
after(() => rmSync(scratch, { recursive: true }));

const PLAIN = Buffer.from("a secret with \0 and \xff in it\n", "latin1");
const CONTEXT = { place: "secrets/db.age", tried: ["a key"] };

interface Pair {
  readonly recipient: string;
  readonly identity: AgeIdentity;
  /** The identity as a file. */
  readonly file: string;
}

function sshPair(name: string, ...options: readonly string[]): Pair {
  const file = join(scratch, name);
  execFileSync("ssh-keygen", ["-q", "-N", "", "-C", "somebody", "-f", file, ...options]);
  const key = parseSshPrivateKey(readFileSync(file, "utf8"));
  assert.ok(key !== "encrypted");
  return { recipient: readFileSync(`${file}.pub`, "utf8").trim(), identity: new SshIdentity(key), file };
}

async function agePair(): Promise<Pair> {
  const identity = await generateX25519Identity();
  const file = join(scratch, "age");
  writeFileSync(file, `# a comment\n${identity}\n`);
  return { recipient: await identityToRecipient(identity), identity, file };
}

const pairs: Readonly<Record<string, Pair>> = {
  age: await agePair(),
  "ssh-ed25519": sshPair("ed25519", "-t", "ed25519"),
  "ssh-rsa": sshPair("rsa", "-t", "rsa", "-b", "2048"),
  "ssh-rsa in PEM": sshPair("pem", "-t", "rsa", "-b", "2048", "-m", "PEM"),
};

suite("age files", () => {
  for (const [name, { recipient, identity, file }] of Object.entries(pairs)) {
    test(`${name}: decrypting undoes encrypting`, async () => {
      const encrypted = await encryptTo([pairs["age"]!.recipient, recipient], PLAIN);
      assert.deepEqual(Buffer.from(await decryptWith([identity], Buffer.from(encrypted), CONTEXT)), PLAIN);
    });

    test(`${name}: as the age program does it`, { skip: unmetNeed("age") }, async () => {
      const encrypted = await encryptTo([recipient], PLAIN);
      assert.deepEqual(execFileSync("age", ["-d", "-i", file], { input: encrypted }), PLAIN);
      const theirs = execFileSync("age", ["-r", recipient], { input: PLAIN });
      assert.deepEqual(Buffer.from(await decryptWith([identity], theirs, CONTEXT)), PLAIN);
    });

    test(`${name}: another key decrypts nothing`, async () => {
      const encrypted = Buffer.from(await encryptTo([recipient], PLAIN));
      const others = Object.values(pairs).filter((pair) => pair.identity !== identity);
      for (const other of others)
        await assert.rejects(decryptWith([other.identity], encrypted, CONTEXT), { code: "SECRET_IDENTITY" });
    });

    test(`${name}: a file that was changed anywhere is refused`, async () => {
      const encrypted = execFileSync("base64", ["-d"], {
        input: (await encryptTo([recipient], PLAIN)).replace(/-----.*-----/g, ""),
      });
      for (let at = 0; at < encrypted.length; at += 7) {
        const changed = Buffer.from(encrypted);
        changed[at]! ^= 1;
        await assert.rejects(decryptWith([identity], changed, CONTEXT), /SECRET_|whole age file|none of your keys/);
      }
      for (let size = 0; size < encrypted.length; size += 7)
        await assert.rejects(decryptWith([identity], encrypted.subarray(0, size), CONTEXT), { code: "SECRET_DAMAGED" });
    });
  }

  test("a header says for which keys a file is", async () => {
    const { recipient } = pairs["ssh-ed25519"]!;
    const encrypted = Buffer.from(await encryptTo([recipient, pairs["age"]!.recipient], PLAIN));
    const [ssh, age] = stanzasOf(encrypted, "x");
    assert.deepEqual(ssh?.slice(0, 2), ["ssh-ed25519", sshKeyTag(parseSshPublicKey(recipient))]);
    assert.equal(age?.[0], "X25519");
    assert.throws(() => stanzasOf(Buffer.from("something else"), "x"), { code: "SECRET_DAMAGED" });
  });

  test("a public key's fingerprint is ssh-keygen's", () => {
    const { recipient, file } = pairs["ssh-ed25519"]!;
    const said = execFileSync("ssh-keygen", ["-l", "-f", `${file}.pub`], { encoding: "utf8" });
    assert.equal(sshFingerprint(parseSshPublicKey(recipient)), said.split(" ")[1]);
    assert.equal(`${renderSshPublicKey(parseSshPublicKey(recipient))} somebody`, recipient);
  });

  const wrong: Readonly<Record<string, RegExp>> = {
    age1notone: /is no key that can be encrypted to/,
    "ssh-dss AAAA": /no key of ssh-ed25519 or ssh-rsa/,
    "ssh-ed25519 AAAA!": /not base64/,
    "ssh-ed25519 AAAA": /ends too early/,
    "": /no key of/,
  };
  for (const [text, message] of Object.entries(wrong))
    test(`the recipient '${text}' is refused`, async () => {
      await assert.rejects(encryptTo([text], PLAIN), (error: Error & { code: string }) => {
        assert.equal(error.code, "SECRET_RECIPIENT_INVALID");
        assert.match(error.message, message);
        return true;
      });
    });

  test("a key with a passphrase says so", () => {
    const file = join(scratch, "locked");
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "a phrase", "-f", file]);
    assert.equal(parseSshPrivateKey(readFileSync(file, "utf8")), "encrypted");
  });
});
