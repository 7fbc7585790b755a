/** Becoming root, with programs in the place of sudo, doas and run0 that do what these do. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import { OperationError } from "../base/errors.ts";
import type { ProcessOutcome } from "../system/process.ts";
import { findWayToRoot, type PrivilegeEscalation, SudoPassword } from "./privilege.ts";
import type { Command } from "./ssh.ts";

const scratch = mkdtempSync(join(tmpdir(), "pristine-privilege-"));
const bin = join(scratch, "bin");
after(() => rmSync(scratch, { recursive: true }));
beforeEach(() => {
  rmSync(bin, { recursive: true, force: true });
  mkdirSync(bin);
  // All that a host has here: this machine's own sudo is none of it.
  for (const tool of ["cat", "echo", "env", "printf", "sh", "true"]) symlinkSync(`/usr/bin/${tool}`, join(bin, tool));
});

/** A sudo whose user has this password; it reads that by single bytes, as the true one does. */
const sudoWith = (password: string): string => `
right=$(cat <<'END'
${password}
END
)
interactive=yes
while [ "$1" != -- ]; do case $1 in -n) interactive=no ;; -p) shift ;; esac; shift; done
shift
if [ $interactive = no ]; then echo "sudo: a password is required" >&2; exit 1; fi
IFS= read -r given || { echo "sudo: no password was provided" >&2; exit 1; }
[ "$given" = "$right" ] || { echo "sudo: 1 incorrect password attempt" >&2; exit 1; }
exec "$@"
`;
const NOTHING_WANTED = 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"';
const says = (text: string, code: number = 1): string => `echo '${text}' >&2; exit ${code}`;

function install(program: string, script: string): void {
  writeFileSync(join(bin, program), `#!/bin/sh\n${script}\n`);
  chmodSync(join(bin, program), 0o755);
}

const ran: string[] = [];

/** Runs a command as a host's shell would. */
async function run({ argv, stdin }: Command): Promise<ProcessOutcome> {
  ran.push(argv.join(" "));
  const env = { PATH: bin };
  const [program, ...args] = ["/usr/bin/env", ...argv];
  const { status, stdout, stderr } = spawnSync(program!, args, { env, input: stdin ?? "" });
  return { code: status ?? 1, signal: undefined, timedOut: false, stdout, stderr } as unknown as ProcessOutcome;
}

const host = (password?: SudoPassword, address = "web"): Parameters<typeof findWayToRoot>[1] => ({
  address,
  user: "mara",
  run,
  password,
});

const asked: string[] = [];
const answering = (...answers: readonly string[]): SudoPassword => {
  asked.length = 0;
  let next = 0;
  return new SudoPassword((question) => {
    asked.push(question);
    return Promise.resolve(answers[next++]);
  });
};

test("what comes as input is the command's, with and without a password", async () => {
  const input = "first line\nsecond\0line";
  const cat = { argv: ["cat"], stdin: input } as const;
  for (const escalation of ["sudo", "doas", "run0", ["sudo", "-H", "--"]] as const) {
    install(typeof escalation === "string" ? escalation : escalation[0], NOTHING_WANTED);
    const asRoot = await findWayToRoot(escalation, host());
    assert.equal((await run(asRoot(cat))).stdout.toString(), input);
  }
  install("sudo", sudoWith("it's $ecret"));
  const asRoot = await findWayToRoot("sudo", host(answering("it's $ecret")));
  assert.equal((await run(asRoot(cat))).stdout.toString(), input);
  assert.equal((await run(asRoot({ argv: ["printf", "%s", "a b"] }))).stdout.toString(), "a b");
  // A rule that wants none for this command leaves the password unread.
  install("sudo", NOTHING_WANTED);
  assert.equal((await run(asRoot(cat))).stdout.toString(), input);
});

test("one password is asked for once, and is in no argument", async () => {
  install("sudo", sudoWith("correct"));
  ran.length = 0;
  const password = answering("correct");
  const hosts = Array.from({ length: 6 }, (_, index) => host(password, `web${index}`));
  const ways = await Promise.all(hosts.map((one) => findWayToRoot("sudo", one)));
  for (const asRoot of ways) assert.equal((await run(asRoot({ argv: ["echo", "ok"] }))).stdout.toString(), "ok\n");
  assert.deepEqual(asked, ["Password of mara for sudo (on web0): "]);
  assert.equal(ran.filter((argv) => argv.includes("correct")).length, 0);
});

test("a wrong password is asked for again, three times, and tried on no other host", async () => {
  install("sudo", sudoWith("correct"));
  assert.ok(await findWayToRoot("sudo", host(answering("wrong", "correct"))));
  assert.equal(asked.length, 2);

  ran.length = 0;
  const password = answering("a", "b", "c", "correct");
  const both = await Promise.allSettled(["web1", "web2"].map((name) => findWayToRoot("sudo", host(password, name))));
  const messages = both.map((one) => one.status === "rejected" && (one.reason as Error).message);
  assert.deepEqual(
    messages,
    ["web1", "web2"].map((name) => `sudo on ${name} does not take the password`),
  );
  assert.equal(ran.filter((argv) => argv.includes("-S")).length, 3);
});

test("a host that refuses whatever the password is keeps the others from nothing", async () => {
  const password = answering("correct");
  install("sudo", sudoWith("correct").replace('exec "$@"', says("mara is not in the sudoers file.")));
  const refused = findWayToRoot("sudo", host(password, "web1"));
  const waiting = findWayToRoot("sudo", host(password, "web2"));
  await assert.rejects(refused, { code: "HOST_NOT_ROOT" });
  install("sudo", sudoWith("correct"));
  await waiting.catch(() => undefined);
  assert.ok(await findWayToRoot("sudo", host(password, "web3")));
  assert.equal(asked.length, 1);
});

test("a host with another password fails by itself", async () => {
  install("sudo", sudoWith("correct"));
  const password = answering("correct");
  await findWayToRoot("sudo", host(password));
  install("sudo", sudoWith("another"));
  await assert.rejects(findWayToRoot("sudo", host(password, "db")), {
    code: "SUDO_PASSWORD_WRONG",
    message: "sudo on db does not take the password",
  });
  assert.equal(asked.length, 1);
});

test("what keeps a user from becoming root is said, with the way out", async () => {
  const refused = async (
    escalation: PrivilegeEscalation,
    script: string | undefined,
    password?: SudoPassword,
  ): Promise<string> => {
    rmSync(join(bin, "sudo"), { force: true });
    if (script !== undefined) install(typeof escalation === "string" ? escalation : escalation[0], script);
    const error: unknown = await findWayToRoot(escalation, host(password)).catch((thrown: unknown) => thrown);
    assert.ok(error instanceof OperationError && error.code === "HOST_NOT_ROOT");
    return `${error.message} | ${error.hint}`;
  };
  assert.match(await refused("sudo", undefined), /there is no sudo \| .*privilegeEscalation/);
  assert.match(await refused("sudo", says("sudo: sorry, you must have a tty to run sudo")), /terminal.*!requiretty/);
  assert.match(await refused("sudo", says("sudo: a password is required"), answering()), /--sudo-password-file/);
  assert.match(await refused("doas", says("doas: Authentication required")), /permit nopass mara/);
  assert.match(await refused("run0", says("Interactive authentication required.")), /polkit/);
  assert.match(await refused(["become"], says("no")), /does not become it: no/);
  const notInFile = sudoWith("right").replace('exec "$@"', says("mara is not in the sudoers file."));
  assert.match(await refused("sudo", notInFile, answering("right")), /not in the sudoers file/);
  assert.equal(readFileSync(join(bin, "sudo"), "utf8").includes("right"), true);
});
