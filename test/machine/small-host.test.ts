/**
 * A host with 512 MB, one processor and no swap, and one that has no more than what docs/manual/hosts.md asks for:
 * deployments of any size fit, and what does not fit leaves the host as it was.
 */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { processesIn } from "../../src/lab/cgroup.ts";
import { hostPaths } from "../../src/lab/lab-names.ts";
import { labDown } from "../../src/lab/lab.ts";
import type { LabHost } from "../../src/lab/lab-host.ts";
import type { HostOutcome } from "../../src/fleet/outcome.ts";
import { FleetDriver } from "../support/fleet-driver.ts";
import { makeShop, type Shop } from "../support/shop.ts";
import { removeStaleLabs, takeTestSubnet, TEST_LAB_NAME } from "../support/test-labs.ts";
import { labsMissing } from "../support/test-system.ts";

const MIB = 1024 ** 2;
/** What docs/manual/hosts.md says must be available. */
const AVAILABLE_BYTES = 48 * MIB;
/** Beyond the new paths: the journal, links, the store's database, and what a restarted service writes. */
const WRITTEN_BESIDES_BYTES = 8 * MIB;
const HOST_FILE = "hosts/web1.nix";

let shop: Shop;
let fleet: FleetDriver;
let host: LabHost;

/** Leaves one web server of the example. */
function shrink(directory: string): void {
  const file = join(directory, "fleet.nix");
  const text = readFileSync(file, "utf8").replace('name = "shop"', `name = "${TEST_LAB_NAME}"`);
  writeFileSync(file, text.replace(/\n *(?:lb|web2) = .*/g, ""));
}

/** Adds to the host's declaration; returns what undoes it. */
const declare = (text: string): (() => void) => fleet.edit(HOST_FILE, /\}\s*$/, `${text}\n}\n`);

/** Limits the running host's memory to what it cannot give back and `availableBytes`. */
async function leave(availableBytes: number): Promise<void> {
  const { heldBytes } = (await host.memory())!;
  await fleet.ask(["lab", "up", "--memory", String(heldBytes + availableBytes), "--cpus", "1"]);
}

/** Deploys while looking at the host, which must go on without losing a program. */
async function deploy(): Promise<{
  outcome: HostOutcome;
  writtenBytes: number;
  peakBytes: number;
  transfersMax: number;
}> {
  const killedBefore = (await host.memory())!.outOfMemory;
  const writtenBefore = await host.writtenBytes();
  let [peakBytes, transfersMax] = [0, 0];
  const watch = setInterval(() => {
    void host.memory().then((memory) => (peakBytes = Math.max(peakBytes, memory?.anonymousBytes ?? 0)));
    void daemonsOn(host).then((count) => (transfersMax = Math.max(transfersMax, count)));
  }, 100);
  try {
    const { web1: outcome } = await fleet.deploy();
    assert.ok(outcome !== undefined);
    assert.equal(outcome.status, "activated", JSON.stringify(outcome));
    assert.doesNotMatch(JSON.stringify(outcome.timeline), /interrupted|lost/);
    assert.equal((await host.memory())!.outOfMemory, killedBefore);
    return { outcome, writtenBytes: (await host.writtenBytes()) - writtenBefore, peakBytes, transfersMax };
  } finally {
    clearInterval(watch);
  }
}

/** How many Nix daemons take something in at this moment. */
async function daemonsOn({ lab, name }: LabHost): Promise<number> {
  const programs = (await processesIn(hostPaths(lab, name).cgroup)).map((pid) => {
    try {
      return readFileSync(`/proc/${pid}/comm`, "utf8");
    } catch {
      // It has ended in the meantime.
      return "";
    }
  });
  return programs.filter((program) => program === "nix-daemon\n").length;
}

suite("small hosts", { skip: await labsMissing(), concurrency: 1, timeout: 10 * 60_000 }, () => {
  before(async () => {
    await removeStaleLabs();
    shop = makeShop({ subnet: takeTestSubnet(), edit: shrink });
    fleet = new FleetDriver(shop.directory, TEST_LAB_NAME);
    await fleet.ask(["lab", "up", "--memory", "512M", "--cpus", "1"]);
    host = (await fleet.host("web1")).lab;
  });
  after(async () => {
    await labDown(TEST_LAB_NAME);
    shop[Symbol.dispose]();
  });

  test("a host with 512 MB and one processor gets its system", async () => {
    const { outcome } = await deploy();
    assert.ok("copied" in outcome && (outcome.copied?.bytes ?? 0) > 1_000_000);
  });

  test("however much is copied, the memory that the manual asks for is enough, and the disk is written once", async (t) => {
    await leave(AVAILABLE_BYTES);
    const { anonymousBytes: idleBytes } = (await host.memory())!;
    mkdirSync(join(shop.directory, "many"));
    for (let at = 0; at < 100; at++) writeFileSync(join(shop.directory, `many/${at}`), randomBytes(MIB));
    writeFileSync(join(shop.directory, "large"), randomBytes(100 * MIB));
    declare(`
      environment.etc = { large.source = ../large; }
        // builtins.listToAttrs (builtins.genList (n: {
          name = "many/\${toString n}";
          value.source = ../many + "/\${toString n}";
        }) 100);`);
    const { outcome, writtenBytes, peakBytes, transfersMax } = await deploy();
    assert.equal(transfersMax, 1);
    const copiedBytes = ("copied" in outcome ? outcome.copied?.bytes : undefined) ?? 0;
    assert.ok(copiedBytes > 200 * MIB);
    t.diagnostic(
      `${renderMib(copiedBytes)} copied, ${renderMib(writtenBytes)} written; ` +
        `programs' memory ${renderMib(idleBytes)} before and ${renderMib(peakBytes)} at most`,
    );
    assert.ok(writtenBytes < copiedBytes * 1.1 + WRITTEN_BESIDES_BYTES, `${writtenBytes} bytes were written`);
  });

  test("a service that needs more than there is fails, and the host returns to what it ran", async () => {
    const before = await (await fleet.host("web1")).facts();
    const undo = declare(`
      systemd.services.hungry = {
        wantedBy = [ "multi-user.target" ];
        serviceConfig.Type = "oneshot";
        script = "tail /dev/zero";
      };`);
    const { web1: outcome } = await fleet.deploy([], { exit: [2] });
    undo();
    assert.equal(outcome?.status, "rolled-back", JSON.stringify(outcome));
    assert.match(JSON.stringify(outcome), /hungry\.service/);
    assert.ok((await host.memory())!.outOfMemory > 0);
    const facts = await (await fleet.host("web1")).facts();
    assert.equal(facts.systems.activated, before.systems.activated);
    assert.deepEqual(facts.failedUnits, []);
    const { web1: again } = await fleet.deploy();
    assert.equal(again?.status, "unchanged");
  });
});

function renderMib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}
