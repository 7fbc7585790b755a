/**
 * `pristine probe` of a real host that nothing of ours ever touched: plain Debian with systemd and sshd. No network is
 * needed for it: ssh's connection is a pipe to the host's sshd.
 */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { promisify } from "node:util";
import { labDown } from "../../src/lab/lab.ts";
import type { ProbeAnswer } from "../../src/cli/render/probe.ts";
import { unmetNeed } from "../support/needs.ts";
import { bootPlainHost, listFiles, type PlainHost } from "../support/plain-host.ts";
import { TEST_LAB_NAME } from "../support/test-labs.ts";

const PRISTINE = join(import.meta.dirname, "../../bin/pristine");
suite("probe", { skip: unmetNeed("root", "systemd-nspawn", "debootstrap"), timeout: 5 * 60_000 }, () => {
  const scratch = mkdtempSync(join(tmpdir(), "pristine-probe-"));
  let host: PlainHost;

  before(async () => {
    host = await bootPlainHost(scratch);
  });
  after(async () => {
    await labDown(TEST_LAB_NAME);
    rmSync(scratch, { recursive: true, force: true });
  });

  test("a plain Debian is found as it is, and nothing on it is touched", async () => {
    const { inHost, sshConfig } = host;
    const filesBefore = inHost(listFiles()).split("\n");
    const { stdout } = await promisify(execFile)(PRISTINE, ["--ssh-config", sshConfig, "--json", "probe", "plain"]);
    const filesAfter = inHost(listFiles()).split("\n");
    assert.ok(filesBefore.length > 5000);
    const known = new Set(filesBefore);
    assert.deepEqual(
      filesAfter.filter((line) => !known.has(line)),
      [],
    );
    assert.equal(filesAfter.length, filesBefore.length);
    const { hosts } = JSON.parse(stdout) as { hosts: ProbeAnswer[] };
    const found = hosts[0]?.found;
    assert.deepEqual(found?.os, { id: "debian", name: inHost('. /etc/os-release; printf %s "$PRETTY_NAME"') });
    assert.equal(found.init.name, "systemd");
    assert.ok((found.init.systemdVersion ?? 0) >= 257);
    assert.equal(found.virtualization, "systemd-nspawn");
    assert.deepEqual(found.escalations, ["sudo", "run0"]);
    assert.equal(found.store, undefined);
    assert.ok(found.memory.totalBytes > 0 && found.filesystems.some(({ mount }) => mount === "/"));
    assert.deepEqual(
      hosts[0]?.bases?.map(({ base, possible }) => `${base} ${possible}`),
      ["debian no", "nixos no", "foreign now"],
    );
  });
});
