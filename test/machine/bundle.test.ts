/** A host that is deployed to by files: its sshd is down, and what runs on it is started from its console. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { cpSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { generateKeyPair } from "../../src/format/signature.ts";
import { processesIn } from "../../src/lab/cgroup.ts";
import { hostPaths } from "../../src/lab/lab-names.ts";
import { labDown } from "../../src/lab/lab.ts";
import type { HostFacts } from "../../src/machine/facts.ts";
import type { KitFailure, Receipt } from "../../src/machine/transaction.ts";
import { textFileSync } from "../../src/system/files-sync.ts";
import { FleetDriver, type RemoteHost } from "../support/fleet-driver.ts";
import { nixCopy } from "../support/nix-copy.ts";
import { makeShop, type Shop } from "../support/shop.ts";
import { removeStaleLabs, takeTestSubnet, TEST_LAB_NAME } from "../support/test-labs.ts";
import { labsMissing } from "../support/test-system.ts";

const MIB = 1024 ** 2;
const KEY = generateKeyPair("shop-1");
const KIT = "/nix/var/nix/gcroots/pristine/kit/bin/pristine-kit";
const HOST_FILE = "hosts/web1.nix";
const LARGE_BYTES = 48 * MIB;
/** A program of the host's reads a large file piece by piece. */
const MEMORY_BYTES_MAX = 24 * MIB;
const REBOOTS_MS_MAX = 120_000;
const REBOOT_PAUSE_MS = 300;

let shop: Shop;
let fleet: FleetDriver;
let host: RemoteHost;
let init: number;

/** What is said on the host's console; nobody has to let us in. */
async function onConsole(
  ...words: readonly string[]
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const inside = ["--target", String(init), "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd=/"];
  const env = ["env", "-i", "PATH=/usr/bin:/usr/sbin", ...words];
  const child = spawn("nsenter", [...inside, ...env], { stdio: ["ignore", "pipe", "pipe"], timeout: 120_000 });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}

/** The stick: written here, and read there. */
const stick = (name: string): string => join(host.lab.diskRoot, "persist/stick", name);

/** Makes a bundle on the stick. */
async function bundle(name: string, ...args: readonly string[]): Promise<{ bytes: number; paths: { path: string }[] }> {
  return await fleet.ask(["bundle", "web1", "--output", stick(name), ...args]);
}

interface Applied {
  readonly code: number | null;
  readonly told: string;
  readonly receipt?: Receipt;
  readonly error?: KitFailure["error"];
}

/** Applies it there: the exit status and the answer. */
async function apply(name: string): Promise<Applied> {
  const { code, stdout, stderr } = await onConsole(KIT, "apply", `/persist/stick/${name}`);
  assert.match(stdout, /^\{/, stderr);
  return { code, told: stderr, ...(JSON.parse(stdout) as Omit<Applied, "code" | "told">) };
}

/** The host's init, while it is up. */
async function findInit(): Promise<number | undefined> {
  const all = await processesIn(hostPaths(host.lab.lab, host.lab.name).cgroup);
  // One may have ended since.
  const found = all.find((pid) => /^NSpid:.*\t1$/m.test(textFileSync(`/proc/${pid}/status`) ?? ""));
  return found === undefined ? undefined : Number(found);
}

/** Has units of the host's apply a bundle that reboots it, one in each boot, until one of them answers. */
async function applyAcrossReboot(name: string): Promise<Receipt | undefined> {
  const file = `/persist/stick/${name}`;
  const output = ["Output", "Error"].map((stream) => `--property=Standard${stream}=append:${file}.log`);
  let isStarted = false;
  for (const until = Date.now() + REBOOTS_MS_MAX; Date.now() < until; await setTimeout(REBOOT_PAUSE_MS)) {
    const found = (await findInit()) ?? init;
    if (found !== init) [init, isStarted] = [found, false];
    // Until its manager listens, a host that boots starts nothing.
    if (!isStarted) isStarted = (await onConsole("systemd-run", ...output, KIT, "apply", file)).code === 0;
    const answer = /^\{.*/m.exec(textFileSync(stick(`${name}.log`)) ?? "")?.[0];
    if (answer !== undefined) return (JSON.parse(answer) as Applied).receipt;
  }
  throw new Error(`there is no answer to ${name}`);
}

suite("without ssh", { skip: await labsMissing(), concurrency: 1, timeout: 5 * 60_000 }, () => {
  before(async () => {
    await removeStaleLabs();
    shop = makeShop({
      subnet: takeTestSubnet(),
      edit: (directory) => {
        const file = join(directory, "fleet.nix");
        const text = readFileSync(file, "utf8").replace('name = "shop"', `name = "${TEST_LAB_NAME}"`);
        writeFileSync(file, text.replace(/\n *(?:lb|web2) = .*/g, ""));
        writeFileSync(join(directory, "signing.key"), `${KEY.secret}\n`, { mode: 0o600 });
      },
    });
    fleet = new FleetDriver(shop.directory, TEST_LAB_NAME);
    const signing = `deployment.signingKeyFile = builtins.replaceStrings [ "keys" ] [ "signing.key" ] (toString ../keys);`;
    fleet.edit(HOST_FILE, /\}\s*$/, `nix.settings.trusted-public-keys = [ "${KEY.public}" ];\n${signing}\n}\n`);
    await fleet.ask(["lab", "up", "--memory", "512M", "--cpus", "1"]);
    host = await fleet.host("web1");
    const { web1: outcome } = await fleet.deploy();
    assert.equal(outcome?.status, "activated", JSON.stringify(outcome));
    const hostKey = await host.sh("cut -d' ' -f1,2 /persist/etc/ssh/ssh_host_ed25519_key.pub");
    fleet.edit(HOST_FILE, /\}\s*$/, `deployment.hostKey = "${hostKey}";\n}\n`);
    const found = await findInit();
    assert.ok(found !== undefined, "the host has an init");
    init = found;
    mkdirSync(join(host.lab.diskRoot, "persist/stick"));
    writeFileSync(stick("facts"), (await onConsole(KIT, "facts")).stdout);
    assert.equal((await onConsole("systemctl", "stop", "ssh.service")).code, 0);
  });
  after(async () => {
    await labDown(TEST_LAB_NAME);
    shop[Symbol.dispose]();
  });

  test("a bundle brings the difference, in little memory, and its receipt says so", async (t) => {
    writeFileSync(join(shop.directory, "large"), randomBytes(LARGE_BYTES));
    fleet.edit(HOST_FILE, /\}\s*$/, `environment.etc.large.source = ../large;\n}\n`);
    const { bytes, paths } = await bundle("one", "--from", stick("facts"));
    assert.ok(bytes < LARGE_BYTES + 10 * MIB && paths.length < 40, `${bytes} bytes, ${paths.length} paths`);

    // A byte of the payload changes on the way.
    const whole = readFileSync(stick("one"));
    whole[20 * MIB] = (whole[20 * MIB] ?? 0) ^ 1;
    writeFileSync(stick("damaged"), whole);
    const damaged = await apply("damaged");
    assert.deepEqual([damaged.code, damaged.error?.code], [2, "KIT_BUNDLE_INVALID"]);
    const large = paths.find(({ path }) => path.endsWith("-large"))?.path ?? "none";
    assert.equal((await onConsole("ls", large)).code, 2, "nothing came into the store");

    const idle = (await host.lab.memory())!.anonymousBytes;
    let peak = 0;
    const watching = setInterval(() => {
      void host.lab.memory().then((memory) => (peak = Math.max(peak, memory?.anonymousBytes ?? 0)));
    }, 50);
    const { code, receipt, told } = await apply("one").finally(() => clearInterval(watching));
    assert.deepEqual([code, receipt?.outcome], [0, "confirmed"], told);
    t.diagnostic(`${bytes} bytes; programs' memory on the host ${idle} before, ${peak} at most`);
    assert.ok(peak - idle < MEMORY_BYTES_MAX);
    const facts = JSON.parse((await onConsole(KIT, "facts")).stdout) as HostFacts;
    assert.deepEqual([facts.systems.activated, facts.systems.profile], [receipt?.system, receipt?.system]);
    assert.equal((await onConsole("cmp", "/etc/large", large)).code, 0);
    assert.match((await fleet.run(["receipt", stick("one.receipt")])).stdout, /confirmed as generation \d/);
    const again = await apply("one");
    assert.deepEqual([again.code, again.error?.code], [2, "KIT_BUNDLE_REPLAYED"]);
  });

  test("what fails its checks goes back by itself, and its receipt says why", async () => {
    const before = await host.page();
    const undo = fleet.edit(HOST_FILE, /\}\s*$/, `services.nginx.virtualHosts.shop.locations."/".return = 500;\n}\n`);
    await bundle("two", "--from", stick("one.receipt"));
    undo();
    const { code, receipt } = await apply("two");
    assert.deepEqual([code, receipt?.outcome, receipt?.reason?.kind], [3, "reverted", "health-failed"]);
    assert.equal(await host.page(), before);
    const { stdout } = await fleet.run(["receipt", stick("two.receipt")], { exit: [2] });
    assert.match(stdout, /reverted[\s\S]*because/);
  });

  test("a bundle with everything needs to know nothing of the host", async () => {
    fleet.edit(HOST_FILE, /\}\s*$/, `environment.etc.third.text = "yes";\n}\n`);
    await bundle("three");
    const { code, receipt, told } = await apply("three");
    assert.deepEqual([code, receipt?.outcome], [0, "confirmed"], told);
    assert.equal((await onConsole("cat", "/etc/third")).stdout, "yes");
    // Of what is there already nothing was added.
    assert.match(told, /adding \d+ store objects/);
    assert.ok(statSync(stick("three")).size > LARGE_BYTES);
  });

  test("a bundle whose goal is a reboot is decided in the new boot, without anybody", async () => {
    const undo = fleet.edit(HOST_FILE, /\}\s*$/, `services.nginx.virtualHosts.shop.locations."/".return = 500;\n}\n`);
    await bundle("sick", "--goal", "reboot", "--from", stick("three.receipt"));
    undo();
    const before = JSON.parse((await onConsole(KIT, "facts")).stdout) as HostFacts;
    const sick = await applyAcrossReboot("sick");
    assert.deepEqual([sick?.outcome, sick?.reason?.kind], ["reverted-by-reboot", "health-failed"]);
    await fleet.run(["receipt", stick("sick.receipt")], { exit: [2] });

    fleet.edit(HOST_FILE, /\}\s*$/, `environment.etc.rebooted.text = "yes";\n}\n`);
    await bundle("reboot", "--goal", "reboot", "--from", stick("sick.receipt"));
    const { outcome, previous, system } = (await applyAcrossReboot("reboot")) ?? {};
    assert.deepEqual([outcome, previous], ["confirmed", before.systems.system]);
    const { systems } = JSON.parse((await onConsole(KIT, "facts")).stdout) as HostFacts;
    assert.deepEqual([systems.booted, systems.activated, systems.profile], [system, system, system]);
    assert.match((await fleet.run(["receipt", stick("reboot.receipt")])).stdout, /confirmed as generation \d/);
    assert.equal((await apply("reboot")).error?.code, "KIT_BUNDLE_REPLAYED");
  });

  const withoutNix = process.env["NIX_ORACLE"] === undefined && "NIX_ORACLE is not set";
  test("what nix copy brought is switched to by its own switch-to-configuration", { skip: withoutNix }, async () => {
    const first = await buildWith("fourth");
    const nix = { sshConfig: host.lab.sshConfig, directory: shop.scratch };
    const cache = join(shop.scratch, "cache");
    nixCopy(first, `file://${cache}?compression=none`, nix);
    cpSync(cache, stick("cache"), { recursive: true });
    const fromFile =
      "nix --extra-experimental-features nix-command copy --no-check-sigs --from file:///persist/stick/cache";
    const copied = await onConsole(...fromFile.split(" "), first);
    assert.equal(copied.code, 0, copied.stderr);
    const dry = await onConsole(`${first}/bin/switch-to-configuration`, "dry-activate");
    assert.equal(dry.code, 0, dry.stderr);
    await switchTo(first, "fourth");

    await onConsole("systemctl", "start", "ssh.service");
    const second = await buildWith("fifth");
    nixCopy(second, "ssh://root@web1", nix);
    await switchTo(second, "fifth");
    const { web1: status } = await fleet.statuses({ exit: [0] });
    assert.deepEqual([status?.asDeclared, status?.drift], [true, []]);
  });

  /** The path of the host's system, built with a file more in /etc. */
  async function buildWith(name: string): Promise<string> {
    fleet.edit(HOST_FILE, /\}\s*$/, `environment.etc.${name}.text = "no";\n}\n`);
    const { hosts } = await fleet.ask<{ hosts: { path: string }[] }>(["build", "web1"]);
    return hosts[0]?.path ?? "";
  }

  async function switchTo(system: string, name: string): Promise<void> {
    const { code, stderr } = await onConsole(`${system}/bin/switch-to-configuration`, "switch");
    assert.equal(code, 0, stderr);
    assert.equal((await onConsole("cat", `/etc/${name}`)).stdout, "no");
  }
});
