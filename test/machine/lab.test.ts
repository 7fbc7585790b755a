/** Labs on this machine: hosts boot, fail in every way a lab offers, and leave no trace. */

import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { promisify } from "node:util";
import { labDown, labList, labUp, openLab, type Lab, type LabHostRequest } from "../../src/lab/lab.ts";
import type { LabHost } from "../../src/lab/lab-host.ts";
import { hostPaths, labPaths } from "../../src/lab/lab-names.ts";
import { writeLabRecord } from "../../src/lab/lab-record.ts";
import { tcpGreeting } from "../../src/system/tcp.ts";
import { PRISTINE } from "../support/shop.ts";
import { removeStaleLabs, TEST_LAB_NAME, tracesOfLabs } from "../support/test-labs.ts";
import { labsMissing, testSystem } from "../support/test-system.ts";

const system = await testSystem();
const NAME = TEST_LAB_NAME;
const HOSTS: readonly LabHostRequest[] = [
  { name: "web1", memoryBytes: 512 * 1024 ** 2 },
  { name: "web2" },
  { name: "a-host-with-a-very-long-name" },
];

const limit = (seconds: number): AbortSignal => AbortSignal.timeout(seconds * 1000);

async function up(hosts: readonly LabHostRequest[] = HOSTS, name: string = NAME): Promise<Lab> {
  if (system === undefined) throw new Error("no system");
  return labUp({ name, hosts, bootstrap: system, signal: limit(180) });
}

async function output(host: LabHost, script: string): Promise<string> {
  const outcome = await host.run(["sh", "-c", script], { deadlineMs: 30_000 });
  assert.equal(outcome.code, 0, `${script}: ${outcome.stderr.toString()}`);
  return outcome.stdout.toString().trim();
}

async function answers(host: LabHost, timeoutMs: number = 2_000): Promise<boolean> {
  return (await tcpGreeting(host.address, 22, { timeoutMs }))?.startsWith("SSH-") === true;
}

suite("lab", { skip: await labsMissing(), concurrency: 1, timeout: 10 * 60_000 }, () => {
  let lab: Lab;
  let web1: LabHost;
  let web2: LabHost;

  before(async () => {
    await removeStaleLabs();
    lab = await up();
    web1 = lab.host("web1");
    web2 = lab.host("web2");
  });
  after(async () => {
    await labDown(NAME);
  });

  test("hosts run, each with the same system, a key of its own and no failed unit", async () => {
    for (const host of lab.hosts) {
      await output(host, "systemctl is-system-running --wait >/dev/null; systemctl --failed --no-legend --plain").then(
        (failed) => assert.equal(failed, ""),
      );
      assert.equal(await output(host, "readlink /system"), system?.system.slice(1));
      assert.match(await output(host, "cat /persist/etc/ssh/ssh_host_ed25519_key.pub"), /^ssh-ed25519 /);
      assert.equal(await host.bootCount(), 1);
    }
  });

  test("the store is read-only, the root is a tmpfs, /nix and /persist are the disk", async () => {
    assert.match(await output(web1, "touch /nix/store/x 2>&1 || true"), /Read-only/);
    assert.equal(await output(web1, "stat -f -c %T /"), "tmpfs");
    await output(web1, "echo kept >/persist/kept; mkdir -p /nix/var/test; rmdir /nix/var/test; sync");
    assert.equal(readFileSync(`${web1.diskRoot}/persist/kept`, "utf8"), "kept\n");
  });

  test("hosts reach each other", async () => {
    const greeting = await output(web1, `bash -c 'exec 3<>/dev/tcp/${web2.address}/22; head -c 4 <&3'`);
    assert.equal(greeting, "SSH-");
  });

  test("up again changes nothing and starts nothing anew", async () => {
    lab = await up();
    assert.equal(await lab.host("web1").bootCount(), 1);
  });

  test("a reboot empties the root and keeps the disk", async () => {
    const id = await output(web1, "echo gone >/root/stray; cat /etc/machine-id");
    await web1.reboot(limit(60));
    await web1.waitForSsh(limit(60), 60_000);
    assert.equal(await web1.bootCount(), 2);
    assert.equal(await output(web1, "ls /root/stray 2>/dev/null || cat /persist/kept"), "kept");
    assert.equal(await output(web1, "cat /etc/machine-id"), id);
  });

  test("a reboot asked for inside is one", async () => {
    const count = await web1.bootCount();
    await web1.run(["systemctl", "reboot"], { deadlineMs: 10_000 });
    await web1.waitForBoot(count, limit(60));
    await web1.waitForSsh(limit(60), 60_000);
  });

  test("a power cut ends everything at once, and the next boot finds what was written", async () => {
    await output(web1, "echo written >/persist/written");
    await web1.powerCut();
    assert.equal(await web1.powerState(), "off");
    assert.equal(await answers(web1, 500), false);
    assert.equal(readFileSync(`${web1.diskRoot}/persist/written`, "utf8"), "written\n");
    await web1.powerOn(limit(30));
    await web1.waitForSsh(limit(60), 60_000);
    assert.equal(await output(web1, "cat /persist/written"), "written");
    assert.equal(await answers(web2), true);
  });

  test("power off in order", async () => {
    assert.equal(await web1.powerOff(limit(30)), true);
    assert.equal(await web1.powerState(), "off");
    await web1.powerOn(limit(30));
    await web1.waitForSsh(limit(60), 60_000);
  });

  test("a killed supervisor takes its host with it, and up mends it", async () => {
    const [pid] = readFileSync(`${hostPaths(NAME, "web2").runtime}/supervisor`, "utf8").split(" ");
    process.kill(Number(pid), "SIGKILL");
    for (let tries = 0; (await answers(web2, 500)) && tries < 20; tries += 1);
    assert.equal(await web2.powerState(), "off");
    await up();
    assert.equal(await web2.powerState(), "running");
  });

  test("a pulled cable stays pulled across a reboot", async () => {
    await web2.link("down");
    assert.equal(await answers(web2, 1_000), false);
    await web2.powerCut();
    await web2.powerOn(limit(30));
    assert.equal(await answers(web2, 1_500), false);
    await web2.link("up");
    await web2.waitForSsh(limit(60), 60_000);
  });

  test("loss, rate and delay act on one host, and can be lifted", async () => {
    await web2.shape({ lossPercent: 100 });
    assert.equal(await answers(web2, 1_000), false);
    assert.equal(await answers(web1), true);
    await web2.shape({ lossPercent: 10 });
    await web2.waitForSsh(limit(60), 60_000);

    const secondsToCopy = async (): Promise<number> => {
      const started = performance.now();
      await output(web2, "head -c 1000000 /dev/zero");
      return (performance.now() - started) / 1000;
    };
    await web2.shape({ rateKbit: 4_000 });
    const limited = await secondsToCopy();
    assert.ok(limited > 1.7, "1 MB at 4 Mbit/s takes two seconds");

    await web2.shape({ delayMs: 150, jitterMs: 20 });
    const started = performance.now();
    assert.equal(await answers(web2, 5_000), true);
    const delayed = performance.now() - started;
    assert.ok(delayed > 500, `two round trips at 300 ms, not ${delayed} ms`);

    await web2.shape({});
    const lifted = await secondsToCopy();
    assert.ok(lifted < limited, `${lifted} s, and ${limited} s when it was limited`);
    assert.deepEqual(await web2.faults(), { link: "up" });
  });

  test("a full disk is full for its host only", async () => {
    await web1.fillDisk();
    assert.match(await output(web1, "head -c 100000 /dev/zero 2>&1 >/persist/more || true"), /No space left/);
    await output(web2, "head -c 100000 /dev/zero >/persist/more");
    await web1.releaseDisk();
    await output(web1, "head -c 100000 /dev/zero >/persist/more");
  });

  test("a host that its disk cannot boot says so, and one boot can differ from the default", async () => {
    const profile = `${web1.diskRoot}/nix/var/nix/profiles/system`;
    const target = readlinkSync(profile);
    await web1.powerCut();
    rmSync(profile);
    await web1.powerOn(limit(30));
    for (let tries = 0; (await web1.powerState()) === "running" && tries < 50; tries += 1)
      await new Promise((next) => setTimeout(next, 100));
    assert.equal(await web1.powerState(), "failed");
    assert.match(await web1.consoleLog(), /web1 cannot boot: the disk names no system/);
    writeFileSync(`${web1.diskRoot}/nix/var/pristine/boot-once`, `${system?.system}\n`);
    await web1.powerOn(limit(30));
    await web1.waitForSsh(limit(60), 60_000);
    assert.equal(existsSync(`${web1.diskRoot}/nix/var/pristine/boot-once`), false);
    symlinkSync(target, profile);
  });

  test("a host made anew has an empty disk and the key it had", async () => {
    const key = await output(web1, "echo old >/persist/old; cat /persist/etc/ssh/ssh_host_ed25519_key.pub");
    const count = await web2.bootCount();
    if (system === undefined) return;
    await labUp({ name: NAME, hosts: HOSTS, reset: ["web1"], bootstrap: system, signal: limit(180) });
    assert.equal(await output(web1, "ls /persist/old 2>/dev/null; cat /persist/etc/ssh/ssh_host_ed25519_key.pub"), key);
    assert.equal(await web2.bootCount(), count);
  });

  test("the list shows what there is, and a host no longer asked for goes", async () => {
    await up(HOSTS.slice(0, 2));
    const [summary] = (await labList()).filter(({ name }) => name === NAME);
    assert.deepEqual(
      summary?.hosts.map(({ name, power }) => [name, power]),
      [
        ["web1", "running"],
        ["web2", "running"],
      ],
    );
    assert.deepEqual(readdirSync(`/var/lib/pristine/lab/${NAME}/hosts`), ["web1", "web2"]);
  });

  test("two labs stand side by side", async () => {
    const other = `${NAME}b`;
    const second = await up([{ name: "web1" }], other);
    assert.notEqual(second.gateway, lab.gateway);
    assert.equal(await answers(second.host("web1")), true);
    await labDown(other);
    assert.equal(await answers(web1), true);
  });

  test("down leaves no trace", async () => {
    assert.equal(await labDown(NAME), true);
    assert.deepEqual(tracesOfLabs(), []);
    assert.equal(await openLab(NAME), undefined);
    assert.equal(await labDown(NAME), false);
  });

  test("an aborted start leaves no trace", async () => {
    const abort = new AbortController();
    const seed = (): Promise<void> => {
      abort.abort(new Error("enough"));
      return Promise.resolve();
    };
    const bootstrap = { system: system?.system ?? "", seed };
    await assert.rejects(labUp({ name: NAME, hosts: HOSTS, bootstrap, signal: abort.signal }), /enough|was not copied/);
    assert.deepEqual(tracesOfLabs(), []);
  });

  test("a start killed half-way is mended by the next, and removed by down", async () => {
    const program = `
      import { labUp } from ${JSON.stringify(new URL("../../src/lab/lab.ts", import.meta.url).href)};
      const seed = () => new Promise(() => { process.stdout.write("seeding"); setInterval(() => {}, 1000); });
      await labUp({ name: ${JSON.stringify(NAME)}, hosts: [{ name: "web1" }], bootstrap: { system: "/nix/store/x", seed }, signal: AbortSignal.timeout(60000) });`;
    const killed = async (): Promise<void> => {
      const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      await new Promise((resolve) => child.stdout.once("data", resolve));
      child.kill("SIGKILL");
      await new Promise((resolve) => child.once("exit", resolve));
    };
    await killed();
    assert.notDeepEqual(tracesOfLabs(), []);
    const [summary] = (await labList()).filter(({ name }) => name === NAME);
    assert.equal(summary?.complete, false);
    const mended = await up([{ name: "web1" }]);
    assert.equal(await answers(mended.host("web1")), true);
    await labDown(NAME);
    await killed();
    await labDown(NAME);
    assert.deepEqual(tracesOfLabs(), []);
  });

  test("beside other labs, a command finds the lab that was made of its fleet file, else the one of its fleet's name", async () => {
    const letters = ["a", "b", "c"];
    const directory = mkdtempSync(join(tmpdir(), "pristine-lab-"));
    const fleetFile = join(directory, "fleet.nix");
    const found = async (records: readonly { letter: string; isOwn: boolean }[]): Promise<string> => {
      for (const { letter, isOwn } of records) {
        const name = `${NAME}${letter}`;
        mkdirSync(labPaths(name).data, { recursive: true });
        await writeLabRecord({
          version: 1,
          name,
          subnet: "10.77.1",
          gateway: "10.77.1.1",
          hosts: [],
          fleetFile: isOwn ? fleetFile : "/another/fleet.nix",
          authorizedKeys: [],
          identityFiles: [],
        });
      }
      try {
        const { stdout } = await promisify(execFile)(PRISTINE, ["--json", "lab", "status"], { cwd: directory });
        return (JSON.parse(stdout) as { name: string }).name;
      } catch (error) {
        return (error as { stdout: string }).stdout;
      } finally {
        for (const { letter } of records) await labDown(`${NAME}${letter}`);
      }
    };
    try {
      writeFileSync(fleetFile, `{ meta.name = "${NAME}b"; hosts.web = { }; }`);
      assert.equal(await found(letters.map((letter) => ({ letter, isOwn: letter === "c" }))), `${NAME}c`);
      assert.equal(await found(letters.map((letter) => ({ letter, isOwn: false }))), `${NAME}b`);
      assert.equal(await found(letters.map((letter) => ({ letter, isOwn: true }))), `${NAME}b`);
      writeFileSync(fleetFile, `{ meta.name = "other"; hosts.web = { }; }`);
      const own = ["a", "b"].map((letter) => ({ letter, isOwn: true }));
      assert.match(await found(own), new RegExp(`LAB_UNKNOWN.*there are several labs: ${NAME}a, ${NAME}b"`));
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test("labs that go at the same time do not take each other's locks away", () => {
    const program = `
      import { labDown } from ${JSON.stringify(new URL("../../src/lab/lab.ts", import.meta.url).href)};
      await Promise.all(Array.from({ length: 12 }, (_, i) => labDown("test" + (i % 3))));`;
    // On a machine that has no other labs: those of other tests would keep the directories of all.
    const alone = [
      "mount -t cgroup2 none /sys/fs/cgroup",
      "for directory in /run /var/lib; do mount -t tmpfs none $directory; done",
      'exec "$@"',
    ].join(" && ");
    const node = [process.execPath, "--input-type=module", "-e", program];
    execFileSync("unshare", ["--mount", "--cgroup", "sh", "-c", alone, "sh", ...node], { stdio: "pipe" });
  });
});
