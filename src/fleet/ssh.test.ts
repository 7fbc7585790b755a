/** The way to a host, with a program in ssh's place that writes down what it was asked. */

import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { OperationError } from "../base/errors.ts";
import { privateDirectory, SshConnection } from "./ssh.ts";

const signal = AbortSignal.timeout(60_000);
const scratch = mkdtempSync(join(tmpdir(), "pristine-ssh-"));
const variables = ["PATH", "XDG_RUNTIME_DIR"] as const;
const saved = variables.map((name) => process.env[name]);

before(() => {
  // The last argument is the remote command, which a shell of the host would read.
  const script = `#!/bin/sh
before=''
for last; do address=$before; before=$last; done
case $address in
  gone*) echo "ssh: connect to host $address port 22: No route to host" >&2; exit 255 ;;
  other*) echo "Host key verification failed." >&2; exit 255 ;;
  away*) [ -e "${scratch}/back" ] || { echo "ssh: connect to host $address port 22: Connection timed out" >&2; exit 255; } ;;
esac
case $last in
  where) echo "$address" ;;
  args) printf '%s\\n' "$@" ;;
  say*) eval "set -- $last"; echo "$2" >&2; exit 255 ;;
  *) exec sh -c "$last" ;;
esac
`;
  writeFileSync(join(scratch, "ssh"), script, { mode: 0o755 });
  writeFileSync(join(scratch, "sudo"), '#!/bin/sh\nshift 2\nexec "$@"\n', { mode: 0o755 });
  process.env["PATH"] = `${scratch}:${process.env["PATH"] ?? ""}`;
  process.env["XDG_RUNTIME_DIR"] = scratch;
});
after(() => {
  variables.forEach((name, index) => {
    if (saved[index] === undefined) delete process.env[name];
    else process.env[name] = saved[index];
  });
  rmSync(scratch, { recursive: true, force: true });
});

test("arguments arrive as they are, whatever the host's shell would make of them", async () => {
  const words = ["", "a b", "it's", '"', "$HOME", "`id`", "*", "~", "a\nb", "\\", "-x", ";rm", "é"];
  const { stdout } = await new SshConnection({ host: "web" }).run({ argv: ["printf", "%s\\0", ...words] }, { signal });
  assert.deepEqual(stdout.toString().split("\0").slice(0, -1), words);
});

test("what is open to a machine is not taken for the machine that another file of ssh's has under its name", async () => {
  const pathOf = async (configFile?: string): Promise<string | undefined> => {
    const { stdout } = await new SshConnection({ host: "web" }, { configFile }).run({ argv: ["args"] }, { signal });
    return /^-oControlPath=(.*)$/m.exec(stdout.toString())?.[1];
  };
  const paths = await Promise.all([undefined, "/one", "/two"].map(pathOf));
  assert.equal(new Set(paths).size, 3);
  assert.equal(await pathOf("/two"), paths[2]);
});

test("a fresh connection shares nothing with those that are open", async () => {
  const connection = new SshConnection(
    { host: "web", user: "root", port: 2222, sshOptions: ["-J", "gate"] },
    { configFile: "/c", identityFile: "/k" },
  );
  const asked = async (fresh: boolean): Promise<string[]> =>
    (await connection.run({ argv: ["args"] }, { signal, fresh })).stdout.toString().trimEnd().split("\n");
  const [shared, fresh] = [await asked(false), await asked(true)];
  assert.ok(shared.includes("-oControlMaster=auto"));
  assert.ok(fresh.includes("-oControlMaster=no") && fresh.includes("-oControlPath=none"));
  for (const argv of [shared, fresh]) {
    assert.equal(argv.slice(0, 3).join(" "), "-F /c -oBatchMode=yes", "nothing asks on a terminal");
    assert.equal(argv.slice(-3).join(" "), "-- web args", "a host that looks like an option is none");
    assert.match(argv.join(" "), /-oIdentityFile=\/k -l root -p 2222 -J gate --/);
  }
});

test("of several addresses the first that lets us in is used, and kept while it answers", async () => {
  const connection = new SshConnection({ host: "gone1", others: ["other", "away", "web", "2001:db8::1"] });
  const where = async (fresh: boolean): Promise<string> =>
    (await connection.run({ argv: ["where"] }, { signal, fresh })).stdout.toString().trim();
  assert.equal(await where(false), "web");
  assert.equal(connection.address, "web");
  assert.deepEqual(connection.passedOver, [
    "gone1 cannot be reached: ssh: connect to host gone1 port 22: No route to host",
    "the host key of other is not the one that is known",
    "away cannot be reached: ssh: connect to host away port 22: Connection timed out",
  ]);
  writeFileSync(join(scratch, "back"), "");
  assert.equal(await where(false), "web", "not the address that is back");
  assert.equal(await where(true), "web", "a fresh connection begins with what answered");
  await connection.close();
  rmSync(join(scratch, "back"));
});

test("when an address is lost, work goes on over another", async () => {
  writeFileSync(join(scratch, "back"), "");
  const connection = new SshConnection({ host: "away", others: ["web"] });
  const where = async (fresh: boolean): Promise<string> =>
    (await connection.run({ argv: ["where"] }, { signal, fresh })).stdout.toString().trim();
  assert.equal(await where(false), "away");
  rmSync(join(scratch, "back"));
  assert.equal(await where(true), "web");
  await assert.rejects(where(false), { code: "HOST_UNREACHABLE", retryable: true });
  assert.equal(await where(false), "web");
});

test("when no address lets us in, each says why", async () => {
  const none = new SshConnection({ host: "gone1", others: ["gone2"] }).run({ argv: ["where"] }, { signal });
  await assert.rejects(none, {
    code: "HOST_UNREACHABLE",
    retryable: true,
    message:
      "none of 2 addresses lets us in: gone1 cannot be reached: ssh: connect to host gone1 port 22: No route to host; " +
      "gone2 cannot be reached: ssh: connect to host gone2 port 22: No route to host",
  });
  const wrong = new SshConnection({ host: "gone1", others: ["other"] }).run({ argv: ["where"] }, { signal });
  await assert.rejects(wrong, {
    code: "HOST_KEY_MISMATCH",
    retryable: false,
    message: /gone1 .*; the host key of other/,
  });
});

test("a key is forgotten under the name by which ssh knows it", async () => {
  const hintOf = async (port: number): Promise<string | undefined> => {
    const run = new SshConnection({ host: "other", port }).run({ argv: ["true"] }, { signal });
    return run.then(
      () => undefined,
      (error: OperationError) => error.hint,
    );
  };
  assert.match((await hintOf(22)) ?? "", /ssh-keygen -R other\)$/);
  assert.match((await hintOf(2222)) ?? "", /ssh-keygen -R '\[other\]:2222'\)$/);
});

test("what needs root is run by sudo for another user", async () => {
  const argvOf = async (user: string | undefined, asRoot: boolean): Promise<string> => {
    const seen: string[] = [];
    const connection = new SshConnection({ host: "web", user }, { onCommand: (remote) => seen.push(remote.join(" ")) });
    await connection.run({ argv: ["true"] }, { signal, asRoot });
    return seen.join();
  };
  assert.equal(await argvOf("mara", true), "env LC_ALL=C sudo -n -- true,sudo -n -- true");
  assert.equal(await argvOf("mara", false), "true");
  assert.equal(await argvOf("root", true), "true");
  // Who that is, ssh's configuration says.
  assert.match(await argvOf(undefined, true), /^id -un,/);
});

test("sockets of connections lie where nobody else can put one", async () => {
  const parent = join(scratch, "runtime");
  assert.equal(await privateDirectory(parent, "ssh"), `${parent}/ssh`);
  assert.equal(statSync(`${parent}/ssh`).mode & 0o777, 0o700);
  chmodSync(parent, 0o777);
  await assert.rejects(privateDirectory(parent, "ssh"), { code: "DIRECTORY_NOT_PRIVATE" });
  rmSync(parent, { recursive: true });
  symlinkSync(mkdtempSync(join(scratch, "theirs-")), parent);
  await assert.rejects(privateDirectory(parent, "ssh"), { code: "DIRECTORY_NOT_PRIVATE" });
});

const SAID: Readonly<Record<string, string>> = {
  "Host key verification failed.": "HOST_KEY_MISMATCH",
  "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @": "HOST_KEY_MISMATCH",
  "root@web: Permission denied (publickey,password).": "HOST_PERMISSION_DENIED",
  "Received disconnect: 2: Too many authentication failures": "HOST_PERMISSION_DENIED",
  "ssh: connect to host web port 22: Connection refused": "HOST_UNREACHABLE",
  "ssh: connect to host web port 22: No route to host": "HOST_UNREACHABLE",
  "client_loop: send disconnect: Broken pipe": "HOST_UNREACHABLE",
  "": "HOST_UNREACHABLE",
};
for (const [text, code] of Object.entries(SAID)) {
  test(`ssh says '${text}'`, async () => {
    const retryable = code === "HOST_UNREACHABLE";
    await assert.rejects(new SshConnection({ host: "web" }).run({ argv: ["say", text] }, { signal }), {
      code,
      retryable,
    });
  });
}

test("a command that fails is an outcome, and with runChecked an error with its last words", async () => {
  const connection = new SshConnection({ host: "web" });
  const command = { argv: ["sh", "-c", "echo no >&2; exit 3"] } as const;
  assert.equal((await connection.run(command, { signal })).code, 3);
  await assert.rejects(connection.runChecked(command, { signal }), { code: "HOST_COMMAND_FAILED", message: /no$/ });
});

test("a command that never ends is given up", async () => {
  const command = { argv: ["sleep", "60"] } as const;
  await assert.rejects(new SshConnection({ host: "web" }).run(command, { signal, deadlineMs: 300 }), {
    code: "HOST_TIMEOUT",
    retryable: true,
  });
});
