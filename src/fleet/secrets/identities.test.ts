/** Keys of operators as files: those that can be used, those that only `age` can, and those that are none. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { unmetNeed } from "../../../test/support/needs.ts";
import { encryptTo } from "./age-file.ts";
import { Identities } from "./identities.ts";

const scratch = mkdtempSync(join(tmpdir(), "pristine-identities-"));
after(() => rmSync(scratch, { recursive: true }));
const signal = AbortSignal.timeout(60_000);

function file(name: string, text: string): string {
  const path = join(scratch, name);
  writeFileSync(path, text);
  return path;
}

suite("identities", () => {
  test("of several keys the one that fits decrypts", async () => {
    const [one, other] = [await generateX25519Identity(), await generateX25519Identity()];
    const encrypted = Buffer.from(await encryptTo([await identityToRecipient(other)], Buffer.from("hush")));
    const identities = await Identities.load([file("keys.txt", `# two\n${one}\n\n${other}\n`)], scratch);
    assert.equal(Buffer.from(await identities.decrypt(encrypted, "x", signal)).toString(), "hush");
  });

  test("a damaged key is told without being shown", async () => {
    const key = await generateX25519Identity();
    const path = file(
      "damaged",
      key.replace(/.$/, (last) => (last === "Q" ? "P" : "Q")),
    );
    await assert.rejects(Identities.load([path], scratch), (error: Error & { code: string; hint: string }) => {
      assert.equal(error.code, "SECRET_IDENTITY");
      assert.match(error.message, /a line of it is damaged/);
      assert.ok(!`${error.message} ${error.hint}`.includes(key.slice(20, 40)));
      return true;
    });
  });

  const none: Readonly<Record<string, string>> = {
    empty: "",
    "a public key": "ssh-ed25519 AAAA somebody",
    "half a key": "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n",
    "something else": "hello",
  };
  for (const [name, text] of Object.entries(none))
    test(`no key: ${name}`, async () => {
      await assert.rejects(Identities.load([file("none", text)], scratch), { code: "SECRET_IDENTITY" });
    });

  test("a key with a passphrase is the age program's, which asks", { skip: unmetNeed("age", "setsid") }, async () => {
    const path = join(scratch, "locked");
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "a phrase", "-f", path]);
    const identities = await Identities.load([path], scratch);
    const encrypted = Buffer.from(
      await encryptTo([await identityToRecipient(await generateX25519Identity())], Buffer.from("x")),
    );
    // For others, it does not even ask.
    await assert.rejects(identities.decrypt(encrypted, "secrets/x.age", signal), {
      code: "SECRET_IDENTITY",
      message: /secrets\/x\.age cannot be decrypted: no identity matched/,
    });
  });
});
