/** A user's first hour: what `pristine init` writes runs unedited, survives a reboot, and leaves nothing behind. */

import assert from "node:assert/strict";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { labDown, openLab } from "../../src/lab/lab.ts";
import { labSshConfig } from "../../src/lab/ssh-config.ts";
import type { HostOutcome } from "../../src/fleet/outcome.ts";
import type { HostStatus } from "../../src/fleet/status.ts";
import { FleetDriver } from "../support/fleet-driver.ts";
import { removeStaleLabs, TEST_LAB_NAME, tracesOfLabs } from "../support/test-labs.ts";
import { labsMissing } from "../support/test-system.ts";

suite("a new fleet", { skip: await labsMissing(), concurrency: 1, timeout: 10 * 60_000 }, () => {
  const scratch = mkdtempSync(join(tmpdir(), "pristine-init-"));
  // Named, because the fleet keeps the name that the template gives it.
  const fleet = new FleetDriver(join(scratch, "fleet"), TEST_LAB_NAME);
  const lab = ["--lab-name", TEST_LAB_NAME];

  before(removeStaleLabs);
  after(async () => {
    await labDown(TEST_LAB_NAME);
    rmSync(scratch, { recursive: true, force: true });
  });

  async function assertAllAsDeclared(): Promise<readonly HostStatus[]> {
    const { hosts } = await fleet.ask<{ hosts: HostStatus[] }>(["status", ...lab]);
    assert.ok(hosts.length >= 2);
    for (const { host, asDeclared } of hosts) assert.equal(asDeclared, true, host);
    return hosts;
  }

  test("init writes a commented fleet, and prints the commands that come next", async () => {
    const outside = new FleetDriver(scratch, TEST_LAB_NAME);
    const { stdout } = await outside.run(["init", "fleet", "--new-key"]);
    for (const command of ["pristine lock", "pristine lab up", "pristine deploy --lab"])
      assert.ok(stdout.includes(command), command);
    for (const path of ["fleet.nix", ".gitignore", "common.nix", "keys/operator.pub"])
      assert.ok(existsSync(join(fleet.directory, path)), path);
    assert.match(readFileSync(join(fleet.directory, "fleet.nix"), "utf8"), /^#/);
    const again = await outside.run(["init", "fleet"], { exit: [1] });
    assert.match(again.stderr, /exists already/);
  });

  test("the first plan asks for what is missing", async () => {
    const unlocked = await fleet.run(["plan", ...lab], { exit: [1] });
    assert.match(unlocked.stderr, /pristine lock/);
    await fleet.run(["lock"]);
    const unborn = await fleet.run(["plan", ...lab], { exit: [1] });
    assert.match(unborn.stderr, /pristine lab up/);
  });

  test("unedited, it is planned, deployed, and as declared", async () => {
    await fleet.run(["lab", "up", ...lab]);
    const { stdout } = await fleet.run(["plan", ...lab]);
    assert.match(stdout, /nginx/);
    const { outcomes } = await fleet.ask<{ outcomes: HostOutcome[] }>(["deploy", ...lab, "--yes"]);
    for (const { host, status } of outcomes) assert.equal(status, "activated", host);
    await assertAllAsDeclared();
  });

  test("a fleet made from one of its hosts keeps its base, and lets in who is let in", async () => {
    const outside = new FleetDriver(scratch, TEST_LAB_NAME);
    const sshConfig = await labSshConfig(TEST_LAB_NAME);
    type Found = { hosts: { base: string; admitted?: { user: string; keys: string[] } }[] };
    const { hosts } = await outside.ask<Found>(["--ssh-config", sshConfig, "init", "again", "--from", "web"]);
    const key = readFileSync(join(fleet.directory, "keys/operator.pub"), "utf8").trim();
    assert.deepEqual(
      hosts.map(({ base, admitted }) => [base, admitted]),
      [["debian", { user: "root", keys: [key] }]],
    );
    for (const part of ["pristine.lock", "pristine.lock.d"])
      cpSync(join(fleet.directory, part), join(scratch, "again", part), { recursive: true });
    const again = new FleetDriver(join(scratch, "again"), TEST_LAB_NAME);
    const { stdout } = await again.run([
      "eval",
      "--raw",
      'hosts.web.config.environment.etc."ssh/authorized_keys.d/root".text',
    ]);
    assert.equal(stdout.trim(), key);
    // Another fleet's host is not taken over by an oversight.
    const refused = await again.run(["--ssh-config", sshConfig, "plan"], { exit: [2] });
    assert.match(refused.stdout, /is the host web of the fleet fleet[^]*--adopt/);
  });

  test("after a reboot it still is", async () => {
    const before = await assertAllAsDeclared();
    await fleet.run(["reboot", ...lab, "--yes"]);
    const now = await assertAllAsDeclared();
    for (const [index, status] of now.entries()) {
      assert.notEqual(status.facts?.bootId, before[index]?.facts?.bootId);
      assert.equal(status.facts?.machineId, before[index]?.facts?.machineId);
      assert.equal(status.facts?.systems.system, before[index]?.facts?.systems.system);
    }
    const { hosts } = await fleet.ask<{ hosts: { answer?: { entries: unknown[]; kept: unknown[] } }[] }>([
      "ephemeral",
      ...lab,
    ]);
    for (const { answer } of hosts) {
      assert.deepEqual(answer?.entries, []);
      assert.deepEqual(answer.kept, []);
    }
  });

  test("down leaves no trace of its hosts", async () => {
    assert.notDeepEqual(tracesOfLabs(), []);
    await fleet.run(["lab", "down", TEST_LAB_NAME]);
    assert.deepEqual(tracesOfLabs(), []);
    assert.equal(await openLab(TEST_LAB_NAME), undefined);
  });
});
