/**
 * `pristine probe` and `init --from` of real hosts that nothing of ours ever touched: plain Debian with systemd and sshd. No
 * network is needed for it: ssh's connection is a pipe to the host's sshd.
 */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { promisify } from "node:util";
import { labDown } from "../../src/lab/lab.ts";
import type { ProbeAnswer } from "../../src/fleet/probe-machines.ts";
import { unmetNeed } from "../support/needs.ts";
import { bootPlainHosts, listFiles, type PlainHost } from "../support/plain-host.ts";
import { TEST_LAB_NAME } from "../support/test-labs.ts";

const PRISTINE = join(import.meta.dirname, "../../bin/pristine");

suite("probe", { skip: unmetNeed("root", "systemd-nspawn", "debootstrap", "bwrap"), timeout: 5 * 60_000 }, () => {
  const scratch = mkdtempSync(join(tmpdir(), "pristine-probe-"));
  let hosts: PlainHost[];

  before(async () => {
    hosts = await bootPlainHosts(scratch, { names: ["plain", "other"] });
  });
  after(async () => {
    await labDown(TEST_LAB_NAME);
    rmSync(scratch, { recursive: true, force: true });
  });

  /** Runs the program with what the hosts are known by; its standard output, whatever its status. */
  const pristine = async (...args: string[]): Promise<{ code: number; stdout: string }> => {
    const argv = ["--ssh-config", hosts[0]!.sshConfig, "--json", ...args];
    try {
      return { code: 0, ...(await promisify(execFile)(PRISTINE, argv, { cwd: scratch, timeout: 240_000 })) };
    } catch (error) {
      return error as { code: number; stdout: string };
    }
  };
  const filesOf = (host: PlainHost): string[] => host.inHost(listFiles()).split("\n");

  test("a plain Debian is found as it is, and nothing on it is touched", async () => {
    const [host] = hosts as [PlainHost];
    const filesBefore = filesOf(host);
    const { stdout } = await pristine("probe", "plain");
    assertSame(filesBefore, filesOf(host));
    const { hosts: answers } = JSON.parse(stdout) as { hosts: ProbeAnswer[] };
    const found = answers[0]?.found;
    assert.deepEqual(found?.os, { id: "debian", name: host.inHost('. /etc/os-release; printf %s "$PRETTY_NAME"') });
    assert.equal(found.init.name, "systemd");
    assert.ok((found.init.systemdVersion ?? 0) >= 257);
    assert.equal(found.virtualization, "systemd-nspawn");
    assert.deepEqual(found.escalations, ["sudo", "run0"]);
    assert.equal(found.store, undefined);
    assert.ok(found.memory.totalBytes > 0 && found.filesystems.some(({ mount }) => mount === "/"));
    assert.deepEqual(
      answers[0]?.bases?.map(({ base, possible }) => `${base} ${possible}`),
      ["debian no", "nixos no", "foreign now"],
    );
  });

  test("fleets are made of hosts and of an inventory, nothing on them is touched, and what was written is planned", async () => {
    writeFileSync(
      join(scratch, "hosts.ini"),
      "[web]\nfirst ansible_host=plain\nsecond ansible_host=other ansible_user=root\naway.invalid\n",
    );
    const filesBefore = hosts.map(filesOf);
    const direct = await pristine("init", "direct", "--from", "plain", "--from", "root@other");
    const inventory = await pristine("init", "inventory", "--from", "./hosts.ini");
    for (const [index, host] of hosts.entries()) assertSame(filesBefore[index]!, filesOf(host));
    assert.equal(direct.code, 0, direct.stdout);
    assert.equal(inventory.code, 2, inventory.stdout);
    type Found = { hosts: { name: string; base: string; error?: { code: string } }[] };
    assert.deepEqual(
      (JSON.parse(inventory.stdout) as Found).hosts.map(({ name, base, error }) => [name, base, error?.code]),
      [
        ["first", "foreign", undefined],
        ["second", "foreign", undefined],
        ["away", "foreign", "HOST_UNREACHABLE"],
      ],
    );
    assert.match(
      readFileSync(join(scratch, "inventory/fleet.nix"), "utf8"),
      /# Debian GNU\/Linux 13[^]*# Not reached: away/,
    );

    assert.equal((await pristine("--fleet", "inventory/fleet.nix", "lock")).code, 0);
    const { code, stdout } = await pristine("--fleet", "inventory/fleet.nix", "plan", "first", "second");
    assert.equal(code, 0, stdout);
    const { plan } = JSON.parse(stdout) as { plan: { hosts: { name: string; state: string; error: unknown }[] } };
    assert.deepEqual(
      plan.hosts.map(({ name, error }) => [name, error]),
      [
        ["first", null],
        ["second", null],
      ],
    );
  });
});

function assertSame(filesBefore: readonly string[], filesAfter: readonly string[]): void {
  assert.ok(filesBefore.length > 5000);
  const known = new Set(filesBefore);
  assert.deepEqual(
    filesAfter.filter((line) => !known.has(line)),
    [],
  );
  assert.equal(filesAfter.length, filesBefore.length);
}
