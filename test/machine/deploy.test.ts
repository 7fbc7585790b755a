/**
 * Deployments to real hosts, by the commands that users have: what is declared is what runs, whatever goes wrong on the
 * way. The hosts are booted once, and each test leaves them as declared.
 */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { labDown } from "../../src/lab/lab.ts";
import { labPaths } from "../../src/lab/lab-names.ts";
import type { HostOutcome } from "../../src/fleet/outcome.ts";
import type { Side } from "../../src/fleet/compare.ts";
import type { HostCheck, HostCheckHistory } from "../../src/fleet/status.ts";
import type { SystemDiff } from "../../src/machine/system-diff.ts";
import type { EphemeralAnswer } from "../../src/machine/facts.ts";
import type { Receipt } from "../../src/machine/transaction.ts";
import { FleetDriver, type RemoteHost } from "../support/fleet-driver.ts";
import { makeShop, type Shop } from "../support/shop.ts";
import { removeStaleLabs, takeTestSubnet, TEST_LAB_NAME } from "../support/test-labs.ts";
import { labsMissing } from "../support/test-system.ts";

const TEST_SUBNET = takeTestSubnet();

const GENERATIONS_MAX = 3;
const limit = (seconds: number): AbortSignal => AbortSignal.timeout(seconds * 1000);
const sleep = (seconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

let shop: Shop;
let fleet: FleetDriver;
let web1: RemoteHost;
let web2: RemoteHost;
/** Makes web1 and web2 differ from what they run by one greeting each time. */
let greeting = "Good morning";

const SERVES = "imports = [ ../web.nix ];";
const ERROR_500 = 'services.nginx.virtualHosts.shop.locations."/".return = 500;';

/** Two web servers of the example, which is enough to tell one host from the other. */
function shrink(directory: string): void {
  const fleetFile = join(directory, "fleet.nix");
  const shopFile = join(directory, "shop.nix");
  const text = readFileSync(fleetFile, "utf8");
  writeFileSync(fleetFile, text.replace('name = "shop"', `name = "${TEST_LAB_NAME}"`).replace(/\n *lb = .*/, ""));
  const common = readFileSync(shopFile, "utf8");
  writeFileSync(
    shopFile,
    common.replace(
      /deployment\.confirmTimeout = 60;/,
      `$& deployment.keepGenerations = ${GENERATIONS_MAX};
       security.sudo = { enable = true; wheelNeedsPassword = false; };
       users.users.deployer = {
         isNormalUser = true;
         extraGroups = [ "wheel" ];
         openssh.authorizedKeys.keyFiles = [ ./keys/operator.pub ];
       };`,
    ),
  );
}

/** A host of `pristine --json plan`. */
interface PlannedHost {
  readonly name: string;
  readonly state: string;
  readonly copy: { readonly paths: readonly { readonly path: string }[]; readonly bytes: number };
  readonly diff: SystemDiff;
  readonly reboot: readonly object[];
}

function greet(text: string): () => void {
  const undo = fleet.edit("hosts/web1.nix", greeting, text);
  const earlier = greeting;
  greeting = text;
  return () => {
    greeting = earlier;
    undo();
  };
}

function statusOf(outcomes: Record<string, HostOutcome>): Record<string, string> {
  return Object.fromEntries(Object.entries(outcomes).map(([host, { status }]) => [host, status]));
}

async function assertAsDeclared(): Promise<void> {
  const statuses = await fleet.statuses();
  for (const status of Object.values(statuses)) {
    const { host, asDeclared, drift, health, differs, error, facts } = status;
    const failed = facts?.failedUnits;
    assert.equal(asDeclared, true, JSON.stringify({ host, drift, health, differs, error, failed }));
  }
}

/** A host that does not answer is as good as one that is not ready. */
async function waitForReturn(host: RemoteHost, reason: NonNullable<Receipt["reason"]>["kind"]): Promise<void> {
  const deadline = Date.now() + 90_000;
  for (;;) {
    const seen = await host.receipts().catch((error: unknown) => String(error));
    if (typeof seen !== "string" && seen[0]?.reason?.kind === reason) return;
    assert.ok(Date.now() < deadline, `the host does not return: ${JSON.stringify(seen)}`);
    await sleep(1);
  }
}

/** The newest receipt says that the host returned, and the journal leads there. */
async function assertReturned(
  host: RemoteHost,
  before: string,
  reason: NonNullable<Receipt["reason"]>["kind"],
  outcome: Receipt["outcome"] = "reverted",
): Promise<Receipt> {
  const facts = await host.facts();
  assert.equal(facts.systems.system, before);
  assert.equal(facts.systems.activated, before);
  assert.equal(facts.systems.profile, before);
  assert.equal(facts.transaction, null);
  assert.equal(facts.lock, null);
  assert.deepEqual(facts.failedUnits, []);
  const receipt = facts.lastReceipt;
  assert.ok(receipt !== null);
  assert.equal(receipt.outcome, outcome, JSON.stringify(receipt.reason));
  assert.equal(receipt.reason?.kind, reason, JSON.stringify(receipt.reason));
  assert.equal(receipt.previous, before);
  const journal = await host.journal(receipt.id);
  const [first] = journal;
  assert.ok(first?.kind === "recorded" && first.facts.previous === before);
  const states = journal.flatMap((record) => (record.kind === "state" ? [record.state] : []));
  assert.equal(states.at(-1), outcome);
  return receipt;
}

suite("deployments to real hosts", { skip: await labsMissing(), concurrency: 1, timeout: 15 * 60_000 }, () => {
  before(async () => {
    await removeStaleLabs();
    shop = makeShop({ subnet: TEST_SUBNET, edit: shrink });
    fleet = new FleetDriver(shop.directory, TEST_LAB_NAME);
    const up = await fleet.ask<{ name: string; hosts: { name: string; power: string }[] }>(["lab", "up"]);
    assert.equal(up.name, TEST_LAB_NAME);
    assert.deepEqual(
      up.hosts.map(({ name, power }) => [name, power]),
      [
        ["web1", "running"],
        ["web2", "running"],
      ],
    );
    web1 = await fleet.host("web1");
    web2 = await fleet.host("web2");
  });
  after(async () => {
    await labDown(TEST_LAB_NAME);
    shop[Symbol.dispose]();
  });

  test("the first deployment goes from the generic system to the declared one", async () => {
    const { plan } = await fleet.ask<{ plan: { goal: string; hosts: PlannedHost[] } }>(["plan", "--lab"]);
    assert.deepEqual(
      plan.hosts.map(({ name, state }) => [name, state]),
      [
        ["web1", "change"],
        ["web2", "change"],
      ],
    );
    const [{ copy, diff, reboot } = assert.fail()] = plan.hosts;
    await web1.sh(`for path in ${copy.paths.map(({ path }) => path).join(" ")}; do test ! -e $path || exit 1; done`);
    assert.ok(diff.packages.every(({ sizeBefore, sizeAfter }) => (sizeBefore ?? 0) + (sizeAfter ?? 0) > 0));
    assert.deepEqual([diff.inhibitors, reboot], [[], []]);
    const outcomes = await fleet.deploy();
    assert.deepEqual(statusOf(outcomes), { web1: "activated", web2: "activated" });
    assert.deepEqual(outcomes["web1"]?.copied, { paths: copy.paths.length, bytes: copy.bytes });
    for (const outcome of Object.values(outcomes)) {
      assert.ok(outcome.status === "activated");
      assert.equal(outcome.receipt.outcome, "confirmed");
      assert.equal(outcome.receipt.generation, 2);
      assert.ok((outcome.copied?.bytes ?? 0) > 1_000_000);
    }
    assert.match(await web1.page(), /Good morning[^]*Served by web1/);
    assert.match(await web2.page(), /Good evening[^]*Served by web2/);
    await assertAsDeclared();
  });

  test("a second deployment copies nothing and touches nothing", async () => {
    const look = `systemctl show --property=MainPID,ActiveEnterTimestampMonotonic nginx sshd ssh 2>/dev/null;
      ls /nix/store | sort | sha256sum; ls /nix/var/pristine/transactions; ls -l --time-style=full-iso /nix/var/nix/profiles`;
    const before = [await web1.sh(look), await web2.sh(look)];
    const outcomes = await fleet.deploy();
    assert.deepEqual(statusOf(outcomes), { web1: "unchanged", web2: "unchanged" });
    assert.equal(outcomes["web1"]?.copied, undefined);
    assert.deepEqual([await web1.sh(look), await web2.sh(look)], before);
  });

  test("check, exec and ephemeral answer in JSON, and a host as deployed has nothing to lose", async () => {
    const check = await fleet.ask<{ hosts: { host: string; healthy: boolean; results: unknown[] }[] }>([
      "check",
      "--lab",
    ]);
    for (const host of check.hosts) {
      assert.equal(host.healthy, true);
      assert.equal(host.results.length, 1);
    }
    const exec = await fleet.ask<{ hosts: { host: string; exitCode: number; stdout: string; stderr: string }[] }>(
      ["exec", "--lab", "--on", "web1", "--", "sh", "-c", "echo 'a  b'; echo c >&2; exit 7"],
      { exit: [2] },
    );
    assert.deepEqual(exec.hosts, [{ host: "web1", exitCode: 7, stdout: "a  b\n", stderr: "c\n" }]);
    const clean = await fleet.ask<{ hosts: { host: string; answer: EphemeralAnswer }[] }>(["ephemeral", "--lab"]);
    for (const { answer } of clean.hosts) {
      assert.deepEqual(
        answer.entries.map(({ path }) => path),
        [],
      );
      assert.deepEqual(
        answer.kept.map(({ path }) => path),
        [],
      );
    }
  });

  test("what was written by hand is listed: what a reboot erases, and what it does not", async () => {
    const store = "/nix/store";
    await web2.sh(
      `echo 1 >/root/stray; mkdir -p /persist/etc/dirt /persist/dirt; echo 1 >/persist/dirt/file; echo 1 >/nix/dirt
       mount -o remount,bind,rw ${store}; echo 1 >${store}/dirt; mkdir ${store}/${"0".repeat(32)}-dirt; mount -o remount,bind,ro ${store}`,
    );
    const { hosts } = await fleet.ask<{ hosts: { answer: EphemeralAnswer }[] }>(["ephemeral", "web2", "--lab"]);
    assert.deepEqual(
      hosts[0]?.answer.entries.map(({ path }) => path),
      ["/root/stray"],
    );
    const dirt = [
      "/nix/dirt",
      `${store}/${"0".repeat(32)}-dirt`,
      `${store}/dirt`,
      "/persist/dirt",
      "/persist/etc/dirt",
    ];
    assert.deepEqual(
      hosts[0]?.answer.kept.map(({ path }) => path),
      dirt,
    );
    const { stdout } = await fleet.run(["ephemeral", "web2", "--lab"]);
    assert.match(stdout, /kept although nothing declares it/);
    await web2.sh(
      `mount -o remount,bind,rw ${store}; rm -r ${dirt.join(" ")} /root/stray; mount -o remount,bind,ro ${store}`,
    );
  });

  test("dry-activate says what would be done to units, and does nothing", async () => {
    const undo = greet("Good afternoon");
    const before = await web1.facts();
    const outcomes = await fleet.deploy(["--goal", "dry-activate", "web1"]);
    assert.ok(outcomes["web1"]?.status === "planned");
    assert.ok(outcomes["web1"].units.changes.some(({ unit }) => unit === "nginx.service"));
    const now = await web1.facts();
    assert.deepEqual(now.systems, before.systems);
    assert.deepEqual(now.lastReceipt, before.lastReceipt);
    assert.match(await web1.page(), /Good morning/);
    undo();
  });

  test("a change on one host is a change on that host only", async () => {
    greet("Good day");
    const outcomes = await fleet.deploy();
    assert.deepEqual(statusOf(outcomes), { web1: "activated", web2: "unchanged" });
    assert.ok((outcomes["web1"]?.copied?.paths ?? 99) < 12);
    assert.match(await web1.page(), /Good day/);
  });

  test("a build that fails for one host is no matter of the others", async () => {
    const undos = [
      fleet.edit(
        "hosts/web1.nix",
        "imports",
        `environment.etc.broken.source = derivation { name = "broken"; system = builtins.currentSystem; builder = "/none"; };
         imports`,
      ),
      fleet.edit("hosts/web2.nix", "Good evening", "Good night"),
    ];
    const refused = await fleet.run(["deploy", "--lab", "--yes"], { exit: [1] });
    assert.match(refused.stderr, /cannot be evaluated or built: web1 \[FLEET_INCOMPLETE\]/);
    const outcomes = await fleet.deploy(["--on-failure", "continue"], { exit: [2] });
    assert.deepEqual(statusOf(outcomes), { web1: "failed", web2: "activated" });
    assert.ok(outcomes["web1"]?.status === "failed");
    assert.match(outcomes["web1"].reason, /broken\.drv' cannot be executed/);
    assert.match(await web2.page(), /Good night/);
    for (const undo of undos) undo();
    assert.deepEqual(statusOf(await fleet.deploy()), { web1: "unchanged", web2: "activated" });
  });

  test("what hosts keep is compared, their journals are read, and watching them ends by Ctrl-C", async () => {
    type Answer = { from: Side; to: Side; diff: SystemDiff; files?: { path: string; lines: unknown[] }[] };
    const change = await fleet.ask<Answer>(["diff", "--lab", "web1", "--diff"]);
    const { generations, systems } = await web1.facts();
    assert.deepEqual([change.to.isRunning, change.to.system], [true, systems.activated]);
    assert.equal(change.from.system, generations.find(({ number }) => number === change.from.generation)?.path);
    assert.notEqual(change.from.system, change.to.system);
    assert.deepEqual(
      change.files?.map(({ path }) => path),
      change.diff.etc.map(({ path }) => path),
    );
    const hosts = await fleet.ask<Answer>(["diff", "--lab", "web1", "web2"]);
    assert.ok(hosts.diff.etc.some(({ path, kind }) => path === "/etc/hostname" && kind === "changed"));

    await fleet.run(["exec", "--lab", "--", "sh", "-c", "echo a mark | systemd-cat -t everyday"]);
    const logs = await fleet.run(["logs", "--lab", "-n", "200", "--since", "-1min"]);
    for (const name of ["web1", "web2"])
      assert.match(logs.stdout, new RegExp(`^${name} \\| .* everyday\\[\\d+\\]: a mark$`, "m"));

    const [receipt] = await web1.receipts();
    const told = await fleet.run(["logs", "--lab", "web1", "--deployment", receipt!.id.slice(0, 15)]);
    assert.match(told.stdout, /^web1: .* confirmed\n  by +.*: deploy \(switch\)\n[^]*Z {2}healthy: /);

    let asked = 0;
    const args = ["status", "--lab", "--watch", "--every", "0.5", "--no-health", "--show-commands", "web1"];
    const watched = await fleet.run(args, {
      exit: [130],
      onLine: (line, kill) => {
        if (/^web1 \+ .*pristine-kit facts$/.test(line) && ++asked === 3) kill("SIGINT");
      },
    });
    assert.match(
      watched.stdout,
      /^\S+ \S+ web1: as declared, generation \d+, .*\n$/,
      "one line, because nothing changed",
    );
  });

  test("goal test lasts until the next reboot; identity and declared directories outlive it, strays do not", async () => {
    const undo = greet("Just looking");
    const before = await web1.facts();
    const outcomes = await fleet.deploy(["--goal", "test", "web1"]);
    assert.deepEqual(statusOf(outcomes), { web1: "tested" });
    assert.match(await web1.page(), /Just looking/);
    const drift = (await fleet.statuses())["web1"]?.drift ?? [];
    assert.deepEqual(
      drift.map(({ kind }) => kind),
      ["running-not-default"],
    );
    const identity = "cat /etc/machine-id /persist/etc/ssh/ssh_host_ed25519_key.pub; cat /var/lib/shop/kept";
    const known = await web1.sh(
      `echo kept >/var/lib/shop/kept; touch /root/stray /var/stray /home/stray /srv/stray; ${identity}`,
    );
    const reboot = await fleet.ask<{ hosts: { host: string; healthy: boolean; downMs: number; problems: string[] }[] }>(
      ["reboot", "web1", "--lab", "--yes"],
    );
    assert.deepEqual(
      reboot.hosts.map(({ host, healthy, problems }) => ({ host, healthy, problems })),
      [{ host: "web1", healthy: true, problems: [] }],
    );
    const now = await web1.facts();
    assert.notEqual(now.bootId, before.bootId);
    assert.equal(now.systems.system, before.systems.system);
    assert.match(await web1.page(), /Good day/);
    assert.equal(await web1.sh(identity), known);
    assert.equal(await web1.sh("ls -d /root/stray /var/stray /home/stray /srv/stray 2>/dev/null || true"), "");
    undo();
    await assertAsDeclared();
  });

  test("a temporary system is drift with an end, is gone by itself, and gives way to a deployment", async () => {
    const page = await web1.page();
    const undo = greet("For a while");
    const before = (await web1.facts()).systems.system ?? "";
    const outcome = (await fleet.deploy(["--temporary", "20s", "web1"]))["web1"];
    assert.ok(outcome?.status === "temporary", JSON.stringify(outcome));
    const confirmedAt = Date.now();
    assert.equal(outcome.previous, before);
    assert.ok(Math.abs(Date.parse(outcome.until) - confirmedAt - 20_000) < 10_000, outcome.until);
    assert.match(await web1.page(), /For a while/);
    const status = (await fleet.statuses())["web1"];
    assert.equal(status?.asDeclared, false);
    const [drift, ...others] = status.drift;
    assert.deepEqual(others, []);
    assert.ok(drift?.kind === "temporary");
    assert.deepEqual([drift.previous, drift.operator.pid > 0], [before, true]);
    const shown = (await fleet.run(["status", "web1", "--lab"], { exit: [2] })).stdout;
    assert.match(
      shown,
      /web1 +temporary[^]*drift: runs \S+-system-web1 of \S+ until \S+ \S+, then \S+-system-web1 again/,
    );
    for (let tries = 0; (await web1.facts()).transaction !== null && tries < 60; tries++) await sleep(0.5);
    assert.ok(Date.now() - confirmedAt > 10_000, "it lasted for its time");
    await assertReturned(web1, before, "expired");
    assert.equal(await web1.page(), page);

    await fleet.deploy(["--temporary", "10m", "web1"]);
    undo();
    const replaced = await fleet.deploy(["web1"]);
    assert.deepEqual(statusOf(replaced), { web1: "activated" });
    assert.equal(await web1.sh("systemctl list-timers --all 'pristine-*' --no-legend"), "");
    assert.equal(await web1.page(), page);
    await assertAsDeclared();
  });

  test("goal boot changes nothing now, and the next reboot runs it", async () => {
    greet("Good night");
    const before = await web1.facts();
    const outcomes = await fleet.deploy(["--goal", "boot", "web1"]);
    assert.ok(outcomes["web1"]?.status === "activated");
    const { receipt } = outcomes["web1"];
    assert.equal(receipt.goal, "boot");
    assert.equal(receipt.outcome, "confirmed");
    assert.match(await web1.page(), /Good day/);
    const pending = await web1.facts();
    assert.equal(pending.systems.system, before.systems.system);
    assert.equal(pending.systems.profile, receipt.system);
    assert.equal(pending.generations.find(({ isDefault }) => isDefault)?.number, receipt.generation);
    await fleet.run(["reboot", "web1", "--lab", "--yes"]);
    assert.equal((await web1.facts()).systems.booted, receipt.system);
    assert.match(await web1.page(), /Good night/);
    await assertAsDeclared();
  });

  test("goal reboot boots the new system once: unhealthy or unconfirmed it is left again, else it stays", async () => {
    const before = (await web1.facts()).systems.system ?? "";
    const undoSick = fleet.edit("hosts/web1.nix", SERVES, `${SERVES} ${ERROR_500}`);
    const sick = await fleet.deploy(["--goal", "reboot", "web1"], { exit: [2] });
    undoSick();
    assert.equal(sick["web1"]?.status, "rolled-back");
    await assertReturned(web1, before, "health-failed", "reverted-by-reboot");

    greet("Good heavens");
    const isKilled = fleet.run(["deploy", "web1", "--lab", "--yes", "--goal", "reboot", "--confirm-timeout", "5"], {
      exit: [null],
      onLine: (line, kill) => {
        if (line.includes("waiting for it to boot")) kill("SIGKILL");
      },
    });
    await isKilled;
    await waitForReturn(web1, "deadline");
    await assertReturned(web1, before, "deadline", "reverted-by-reboot");

    const outcomes = await fleet.deploy(["--goal", "reboot", "web1"]);
    assert.ok(outcomes["web1"]?.status === "activated");
    const { system, generation } = outcomes["web1"].receipt;
    const facts = await web1.facts();
    assert.deepEqual([facts.systems.booted, facts.systems.activated, facts.systems.profile], [system, system, system]);
    assert.equal(facts.generations.find(({ isDefault }) => isDefault)?.number, generation);
    assert.match(await web1.page(), /Good heavens/);
    await assertAsDeclared();
  });

  test("a package, a user, a service and a file that are no longer declared are gone", async () => {
    const present = "test -e /usr/bin/tree; getent passwd mara; test -e /etc/shop/opening-hours; systemctl cat diary";
    await web1.sh(`set -e; ${present}`);
    fleet.edit("shop.nix", /\n {4}environment\.etc\."shop\/opening-hours"\.text = ''[^']*'';/, "");
    fleet.edit("shop.nix", /\n {4}environment\.systemPackages = \[ pkgs\.tree \];/, "");
    fleet.edit("shop.nix", /\n {4}users\.users\.mara = \{[^}]*\};/, "");
    fleet.edit("shop.nix", /\n {4}# A line in the diary[^\n]*\n {4}systemd\.services\.diary = \{[\s\S]*?\n {4}\};/, "");
    assert.deepEqual(statusOf(await fleet.deploy()), { web1: "activated", web2: "activated" });
    for (const host of [web1, web2]) {
      for (const command of present.split("; ")) await host.sh(`! { ${command}; } >/dev/null 2>&1`);
      assert.equal(await host.sh("systemctl list-units --all --plain --no-legend 'diary*'"), "");
    }
    await assertAsDeclared();
  });

  test("a rollback goes to the generation that was asked for, and no more are kept than declared", async () => {
    const before = await web1.facts();
    assert.ok(before.generations.length <= GENERATIONS_MAX, JSON.stringify(before.generations));
    const target = before.generations.findLast(({ path }) => path !== before.systems.system);
    assert.ok(target !== undefined);
    const missing = await fleet.run(["rollback", "web1", "--to", "999", "--lab", "--yes"], { exit: [1] });
    assert.match(missing.stderr, /no generation 999[^]*it keeps/);
    const { outcomes } = await fleet.ask<{ outcomes: HostOutcome[] }>([
      "rollback",
      "web1",
      "--to",
      String(target.number),
      "--lab",
      "--yes",
    ]);
    assert.ok(outcomes[0]?.status === "activated");
    assert.equal(outcomes[0].receipt.system, target.path);
    assert.equal(outcomes[0].receipt.planReason, `rollback to generation ${target.number}`);
    const statuses = await fleet.statuses({ exit: [2] });
    assert.equal(statuses["web1"]?.differs, true);
    assert.deepEqual(statuses["web1"].drift, []);
    assert.equal(statuses["web2"]?.differs, false);
    assert.deepEqual(statusOf(await fleet.deploy()), { web1: "activated", web2: "unchanged" });
    assert.ok((await web1.facts()).generations.length <= GENERATIONS_MAX);
  });

  test("several hosts go back at once, each to what it ran before", async () => {
    const targets = await Promise.all(
      [web1, web2].map(async (host) => {
        const { generations, systems } = await host.facts();
        return generations.findLast(({ path }) => path !== systems.system)?.path;
      }),
    );
    const several = await fleet.run(["rollback", "web?", "--to", "1", "--lab", "--yes"], { exit: [1] });
    assert.match(several.stderr, /'web\?' names several hosts/);
    const { outcomes } = await fleet.ask<{ outcomes: HostOutcome[] }>(["rollback", "web?", "--lab", "--yes"]);
    const received = outcomes.map((outcome) => (outcome.status === "activated" ? outcome.receipt : undefined));
    assert.deepEqual(
      received.map((receipt) => [receipt?.system, receipt?.planReason]),
      targets.map((target) => [target, "rollback"]),
    );
    assert.deepEqual(statusOf(await fleet.deploy()), { web1: "activated", web2: "activated" });
  });

  test("a killed deployer: others are refused meanwhile, the collector spares what is needed, the host returns", async () => {
    greet("Nobody confirms");
    const before = (await web1.facts()).systems.system ?? "";
    await fleet.run(["deploy", "web1", "--lab", "--yes", "--confirm-timeout", "15"], {
      exit: [null, 137],
      onLine: (line, kill) => {
        if (line.includes("switch /system")) kill("SIGKILL");
      },
    });
    const refused = await fleet.run(["deploy", "web1", "--lab", "--yes"], { exit: [3] });
    assert.match(
      `${refused.stderr}${refused.stdout}`,
      /transaction \S+ of \S+@\S+ \(process \d+, deploy\) is \S+ since \d{4}-/,
    );

    const during = await web1.facts();
    assert.ok(during.transaction !== null);
    const kit = await web1.sh("readlink /nix/var/nix/gcroots/pristine/kit");
    const { booted, profile } = during.systems;
    const needed = [booted, profile, during.transaction.previous, during.transaction.system, kit];
    await web1.sh(`nix-store --gc >/dev/null 2>&1; nix-store --check-validity ${needed.join(" ")}`);
    assert.notEqual((await web1.facts()).transaction, null, "the collector ran while the transaction was pending");

    while ((await web1.facts()).transaction !== null) await sleep(0.5);
    await assertReturned(web1, before, "deadline");
    await web1.sh(`nix-store --gc >/dev/null 2>&1; nix-store --check-validity ${before} ${kit}`);
    assert.deepEqual(statusOf(await fleet.deploy()), { web1: "activated", web2: "unchanged" });
  });

  test("a host that is unhealthy afterwards returns, and says why", async () => {
    const before = (await web1.facts()).systems.system ?? "";
    const undo = fleet.edit("hosts/web1.nix", SERVES, `${SERVES} ${ERROR_500}`);
    const outcomes = await fleet.deploy(["web1"], { exit: [2] });
    undo();
    assert.ok(outcomes["web1"]?.status === "rolled-back");
    assert.match(outcomes["web1"].reason, /page/);
    const receipt = await assertReturned(web1, before, "health-failed");
    assert.deepEqual(
      receipt.health.map(({ name, healthy }) => [name, healthy]),
      [["page", false]],
    );
    assert.match(await web1.page(), /Nobody confirms/);
  });

  test("a host that looks unhealthy from the deployer is asked to return, and says why", async () => {
    const before = (await web1.facts()).systems.system ?? "";
    const undoMistake = fleet.edit(
      "hosts/web1.nix",
      "imports = [ ../web.nix ];",
      'imports = [ ../web.nix ]; deployment.healthChecks.worker.unit = "wroker.service";',
    );
    const mistaken = (await fleet.deploy(["web1"], { exit: [2] }))["web1"];
    assert.ok(mistaken?.status === "failed" && mistaken.code === "HEALTH_CHECK_IMPOSSIBLE", JSON.stringify(mistaken));
    assert.match(mistaken.reason, /'worker' wants the unit wroker\.service, .*defined in .*hosts\/web1\.nix:\d+/);
    undoMistake();

    greet("Seen from outside");
    const declare = (body: string): (() => void) =>
      fleet.edit(
        "hosts/web1.nix",
        "imports = [ ../web.nix ];",
        `imports = [ ../web.nix ];
        deployment.healthChecks.outside = {
          runFrom = "deployer";
          retries = 1;
          http = { url = "http://${web1.lab.address}/"; body = "${body}"; };
        };`,
      );
    const undo = declare("Good riddance");
    const outcomes = await fleet.deploy(["web1", "--confirm-timeout", "120"], { exit: [2] });
    assert.ok(outcomes["web1"]?.status === "rolled-back");
    const receipt = await assertReturned(web1, before, "health-failed");
    assert.match(receipt.reason?.message ?? "", /^health check 'outside' from the deployer failed: status 200, but/);
    assert.equal(outcomes["web1"].reason, receipt.reason?.message);
    const lasted = Date.parse(receipt.endedAt) - Date.parse(receipt.beganAt);
    assert.ok(lasted < 100_000, `it returned after ${lasted} ms, by its timer`);
    undo();
    // It travels with an approved plan, whatever the fleet says by then.
    let undoRight = declare("Seen from outside");
    await fleet.run(["plan", "web1", "--lab", "--out", "checked.json"]);
    undoRight();
    const approved = await fleet.ask<{ outcomes: HostOutcome[] }>(["deploy", "--lab", "--plan", "checked.json"]);
    assert.equal(approved.outcomes[0]?.status, "activated");
    const told = approved.outcomes[0].timeline.map(({ text }) => text);
    assert.ok(told.includes("healthy from the deployer: outside (status 200)"), told.join("\n"));
    undoRight = declare("Seen from outside");
    const { hosts } = await fleet.ask<{ hosts: HostCheck[] }>(["check", "web1", "--lab"]);
    assert.deepEqual(
      hosts[0]?.results.map(({ name, from, healthy }) => [name, from, healthy]),
      [
        ["page", undefined, true],
        ["outside", "deployer", true],
      ],
    );
    undoRight();
    assert.deepEqual(statusOf(await fleet.deploy(["web1"])), { web1: "unchanged" }, "the host has no part of it");
  });

  test("a check on a timer is a unit that fails, keeps its history, and keeps nobody from deploying", async () => {
    const undo = fleet.edit(
      "hosts/web1.nix",
      "imports = [ ../web.nix ];",
      `imports = [ ../web.nix ];
      deployment.healthChecks.flag = { command = [ "test" "-e" "/run/flag" ]; every = 5; retries = 0; };`,
    );
    await web1.sh("touch /run/flag");
    assert.deepEqual(statusOf(await fleet.deploy(["web1"])), { web1: "activated" });
    assert.match(await web1.sh("systemctl list-timers --no-pager 'pristine-check-*'"), /pristine-check-flag\.timer/);
    const spans = async (): Promise<boolean[]> => {
      const { hosts } = await fleet.ask<{ hosts: HostCheckHistory[] }>(["check", "web1", "--history", "--lab"]);
      return hosts[0]?.checks.flatMap((check) => check.spans.map(({ healthy }) => healthy)) ?? [];
    };
    const until = async (state: string): Promise<void> => {
      const shown = "systemctl show --property=Result pristine-check-flag.service";
      await web1.sh(
        `for i in $(seq 60); do ${shown} | grep -q '${state}' && exit 0; sleep 0.5; done; ${shown}; exit 1`,
      );
    };
    await web1.sh(
      "for i in $(seq 60); do test -e /nix/var/pristine/checks/flag.json && exit 0; sleep 0.5; done; exit 1",
    );
    assert.deepEqual(await spans(), [true]);
    await web1.sh("rm /run/flag");
    await until("Result=exit-code");
    assert.deepEqual(await spans(), [true, false]);
    const sick = (await fleet.statuses({ exit: [2] }))["web1"];
    assert.deepEqual(sick?.facts?.failedUnits, [], "its health is told, and no unit's failure");
    assert.match(sick.health.find(({ name }) => name === "flag")?.since ?? "", /^\d{4}-/);

    // The unit has failed, and the check holds again: a deployment goes by the check.
    await web1.sh("systemctl stop pristine-check-flag.timer; touch /run/flag");
    const undoGreeting = greet("Flagged");
    assert.deepEqual(statusOf(await fleet.deploy(["web1"])), { web1: "activated" });
    await until("Result=success");
    undoGreeting();
    undo();
    assert.deepEqual(statusOf(await fleet.deploy(["web1"])), { web1: "activated" });
    assert.equal(await web1.sh("systemctl list-units --all --plain --no-legend 'pristine-check-*.timer'"), "");
  });

  test("a host that locks its operator out returns", async () => {
    const before = (await web1.facts()).systems.system ?? "";
    const undo = fleet.edit(
      "hosts/web1.nix",
      "imports = [ ../web.nix ];",
      "imports = [ ../web.nix ]; services.openssh.openFirewall = false;",
    );
    const outcomes = await fleet.deploy(["web1", "--confirm-timeout", "5"], { exit: [2] });
    undo();
    assert.equal(outcomes["web1"]?.status, "rolled-back");
    await assertReturned(web1, before, "deadline");
  });

  test("a host that loses power in the middle boots what it ran before", async () => {
    const before = (await web1.facts()).systems.system ?? "";
    const undo = greet("Lights out");
    let cut: Promise<void> | undefined;
    const outcomes = await fleet.deploy(["web1", "--confirm-timeout", "10"], {
      exit: [2],
      onLine: (line) => {
        if (!line.includes("switch /system")) return;
        cut ??= (async () => {
          await web1.lab.powerCut();
          await web1.lab.powerOn(limit(60));
          await web1.lab.waitForSsh(limit(60), 60_000);
        })();
      },
    });
    await cut;
    undo();
    assert.equal(outcomes["web1"]?.status, "rolled-back");
    await assertReturned(web1, before, "reboot", "reverted-by-reboot");
    await assertAsDeclared();
  });

  test("a host that is down over two deployments gets the newest one when it is back", async () => {
    const undoFirst = fleet.edit("web.nix", "<h1>", "<h1>Dear guest: ");
    await web2.lab.link("down");
    const first = await fleet.deploy([], { exit: [2] });
    assert.deepEqual(statusOf(first), { web1: "activated", web2: "unreachable" });
    undoFirst();
    const undoSecond = fleet.edit("web.nix", "<h1>", "<h1>Dear friend: ");
    const second = await fleet.deploy([], { exit: [2] });
    assert.ok(second["web2"]?.status === "unreachable" && second["web2"].pendingUntil !== undefined);
    const { pending } = await fleet.ask<{ pending: { host: string }[] }>(["status", "--lab", "web1"]);
    assert.deepEqual(
      pending.map(({ host }) => host),
      ["web2"],
    );
    assert.match((await fleet.run(["converge", "--lab"], { exit: [2] })).stderr, /web2: not reached, pending until/);
    await web2.lab.link("up");
    const before = (await web2.receipts()).length;
    await fleet.run(["converge", "--lab", "--watch", "--every", "1"]);
    assert.match(await web2.page(), /Dear friend/);
    assert.equal((await web2.receipts()).length, before + 1);
    assert.match((await fleet.run(["converge", "--lab"])).stdout, /nothing is pending/);
    await assertAsDeclared();
    undoSecond();
    assert.deepEqual(statusOf(await fleet.deploy()), { web1: "activated", web2: "activated" });
  });

  test("a failing host halts later waves, and takes its own wave back where that is wanted", async () => {
    const before = await Promise.all([web1, web2].map(async (host) => (await host.facts()).systems.activated));
    const undoGreeting = greet("In waves");
    const undoBreaking = fleet.edit(
      "hosts/web2.nix",
      "imports = [ ../web.nix ];",
      'imports = [ ../web.nix ]; services.nginx.virtualHosts.shop.locations."/".return = 500;',
    );
    const halted = await fleet.deploy(["--wave", "web2"], { exit: [2] });
    assert.deepEqual(statusOf(halted), { web2: "rolled-back", web1: "skipped" });
    const back = await fleet.deploy(["--parallel", "1", "--on-failure", "rollBackWave"], { exit: [2] });
    assert.deepEqual(statusOf(back), { web1: "rolled-back", web2: "rolled-back" });
    assert.ok(back["web1"]?.status === "rolled-back" && /its wave is taken back/.test(back["web1"].reason));
    assert.deepEqual(
      await Promise.all([web1, web2].map(async (host) => (await host.facts()).systems.activated)),
      before,
    );
    undoBreaking();
    undoGreeting();
    await assertAsDeclared();
  });

  test("a plan in a file is executed once, and refused when a host is not what it was", async () => {
    greet("As planned");
    await fleet.run(["plan", "--lab", "--out", "plan.json"]);
    const undo = greet("Not as planned");
    await fleet.run(["deploy", "--lab", "--plan", "plan.json"]);
    undo();
    assert.match(await web1.page(), /As planned/);
    const refused = await fleet.run(["deploy", "--lab", "--plan", "plan.json"], { exit: [1] });
    assert.match(refused.stderr, /the plan does not fit any more: web1 runs [^]*PLAN_STALE/);
  });

  test("a deployer that is killed goes on where it was", async () => {
    const undo = fleet.edit("web.nix", "<h1>", "<h1>Again: ");
    let confirmed = false;
    await fleet.run(["deploy", "--lab", "--yes", "--parallel", "1"], {
      exit: [null, 137],
      onLine: (line, kill) => {
        confirmed ||= line.includes("web1: confirmed");
        if (confirmed && line.includes("web2: switch /system")) kill("SIGKILL");
      },
    });
    const status = await fleet.ask<{ rollouts: { done: number; begun: number; isRunning: boolean }[] }>(
      ["status", "--lab", "--no-health"],
      { exit: [0, 2] },
    );
    assert.deepEqual(
      status.rollouts.map(({ done, begun, isRunning }) => ({ done, begun, isRunning })),
      [{ done: 1, begun: 1, isRunning: false }],
    );
    const { outcomes } = await fleet.ask<{ outcomes: HostOutcome[] }>(["deploy", "--lab", "--resume"]);
    assert.deepEqual(
      outcomes.map(({ host, status: became }) => [host, became]),
      [
        ["web1", "activated"],
        ["web2", "activated"],
      ],
    );
    assert.match(await web2.page(), /Again/);
    await fleet.run(["deploy", "--lab", "--resume"], { exit: [1] });
    await assertAsDeclared();
    undo();
  });

  test("a wrong host key is refused", async () => {
    const { knownHosts } = labPaths(TEST_LAB_NAME);
    const known = readFileSync(knownHosts, "utf8");
    const [, other = ""] =
      known
        .split("\n")
        .find((line) => line.startsWith("web2"))
        ?.split(" ssh-ed25519 ") ?? [];
    writeFileSync(knownHosts, known.replace(/^(web1\S* ssh-ed25519 )\S+/m, `$1${other}`));
    const outcomes = await fleet.deploy(["web1"], { exit: [2] });
    writeFileSync(knownHosts, known);
    assert.ok(outcomes["web1"]?.status === "failed");
    assert.equal(outcomes["web1"].code, "HOST_KEY_MISMATCH");
    assert.match(outcomes["web1"].hint ?? "", /ssh-keygen -R/);
  });

  test("a key that the host does not know is refused", async () => {
    const key = join(shop.directory, "keys/operator");
    renameSync(key, `${key}.away`);
    const outcomes = await fleet.deploy(["web1"], { exit: [2] });
    renameSync(`${key}.away`, key);
    assert.ok(outcomes["web1"]?.status === "failed");
    assert.equal(outcomes["web1"].code, "HOST_PERMISSION_DENIED");
  });

  test("a full disk is refused before anything is activated", async () => {
    const { systems, lastReceipt } = await web1.facts();
    await web1.lab.fillDisk();
    const outcomes = await fleet.deploy(["web1"], { exit: [2] });
    assert.ok(outcomes["web1"]?.status === "failed", JSON.stringify(outcomes["web1"]));
    assert.match(outcomes["web1"].code, /DISK_FULL/);
    assert.deepEqual((await web1.facts()).systems, systems);
    await web1.lab.releaseDisk();
    assert.equal((await web1.facts()).lastReceipt?.id, lastReceipt?.id);
    await web1.sh("systemctl is-system-running");
    assert.deepEqual(statusOf(await fleet.deploy()), { web1: "activated", web2: "activated" });
  });

  test("a copy that was cut off leaves a valid store, and the next run goes on", async () => {
    const system = (await web1.facts()).systems.system;
    for (const name of ["one", "two", "three"]) writeFileSync(join(shop.directory, name), randomBytes(2_000_000));
    fleet.edit(
      "hosts/web1.nix",
      "imports = [ ../web.nix ];",
      `imports = [ ../web.nix ]; ${["one", "two", "three"].map((name) => `environment.etc."${name}".source = ../${name};`).join(" ")}`,
    );
    await web1.lab.shape({ rateKbit: 8_000 });
    let copying = false;
    const killed = await fleet.run(["deploy", "web1", "--lab", "--yes"], {
      exit: [null, 137],
      onLine: (line, kill) => {
        if (copying || !line.includes("web1: copying")) return;
        copying = true;
        setTimeout(() => kill("SIGKILL"), 3_500);
      },
    });
    assert.doesNotMatch(killed.stderr, /copied \d+ paths/);
    assert.equal((await web1.facts()).systems.system, system);
    await web1.sh("nix-store --verify --check-contents");
    let cut: Promise<unknown> | undefined;
    const outcomes = await fleet.deploy(["web1"], {
      onLine: (line) => {
        if (line.includes("web1: copying")) cut ??= sleep(1.5).then(() => web1.sh("pkill -f '[n]ix-daemon --stdio'"));
      },
    });
    await cut;
    await web1.lab.shape({});
    const outcome = outcomes["web1"];
    assert.ok(outcome?.status === "activated", JSON.stringify(outcome));
    assert.ok((outcome.copied?.bytes ?? Infinity) < 5_000_000, "what the first run brought is not sent again");
    const interruptions = outcome.timeline.filter(({ text }) => text.startsWith("copying was interrupted"));
    assert.equal(interruptions.length, 1, JSON.stringify(outcome.timeline));
    await web1.sh("nix-store --verify --check-contents; test $(stat -Lc %s /etc/one) = 2000000");
    assert.deepEqual(
      (await fleet.ask<{ hosts: { answer: EphemeralAnswer }[] }>(["ephemeral", "web1", "--lab"])).hosts[0]?.answer.kept,
      [],
    );
  });

  test("Ctrl-C while a host activates: that host is reported, the next one is not begun", async () => {
    fleet.edit("web.nix", "<h1>", "<h1>Once more: ");
    const run = await fleet.run(["--json", "deploy", "--lab", "--yes", "--parallel", "1"], {
      exit: [130],
      onLine: (line, kill) => {
        if (line.includes("web1: switch /system")) kill("SIGINT");
      },
    });
    const { outcomes } = JSON.parse(run.stdout) as { outcomes: HostOutcome[] };
    assert.deepEqual(
      outcomes.map(({ host, status }) => [host, status]),
      [
        ["web1", "activated"],
        ["web2", "skipped"],
      ],
    );
    assert.match(run.stderr, /interrupted/);
    assert.match(await web1.page(), /Once more/);
    assert.deepEqual(statusOf(await fleet.deploy()), { web1: "unchanged", web2: "activated" });
    await assertAsDeclared();
  });

  test("of several addresses the one that answers is used, by a user who may become root", async () => {
    greet("Round the corner");
    const undo = fleet.edit(
      "hosts/web1.nix",
      "imports = [ ../web.nix ];",
      `imports = [ ../web.nix ];
       deployment.target = { user = "deployer"; hosts = [ "${TEST_SUBNET}.250" "${web1.lab.address}" ]; };`,
    );
    const way = ["--ssh-config", labPaths(TEST_LAB_NAME).sshConfig];
    const { plan, outcomes } = await fleet.ask<{
      plan: { hosts: { warnings: string[] }[] };
      outcomes: HostOutcome[];
    }>([...way, "deploy", "web1", "--yes"]);
    undo();
    const [outcome] = outcomes;
    assert.ok(outcome?.status === "activated", JSON.stringify(outcome));
    const reached = outcome.timeline.find(({ text }) => text.startsWith("reached at"))?.text ?? "";
    assert.match(reached, new RegExp(`^reached at ${web1.lab.address}; ${TEST_SUBNET}.250 cannot be reached`));
    assert.deepEqual(plan.hosts[0]?.warnings, [reached]);
    assert.match(await web1.page(), /Round the corner/);
  });

  test("a host of another fleet is refused before anything is copied to it", async () => {
    const store = "ls /nix/store | sort | sha256sum";
    const before = await web1.sh(store);
    const undo = fleet.edit("fleet.nix", `name = "${TEST_LAB_NAME}"`, 'name = "depot"');
    const { outcomes } = await fleet.ask<{ outcomes: HostOutcome[] }>(
      ["--lab-name", TEST_LAB_NAME, "deploy", "web1", "--yes"],
      { exit: [2] },
    );
    const [outcome] = outcomes;
    assert.ok(outcome?.status === "failed" && outcome.code === "HOST_IS_ANOTHER", JSON.stringify(outcome));
    assert.equal(await web1.sh(store), before);
    const { plan } = await fleet.ask<{ plan: { hosts: { state: string }[] } }>([
      "--lab-name",
      TEST_LAB_NAME,
      "plan",
      "web1",
      "--adopt",
    ]);
    assert.deepEqual(
      plan.hosts.map(({ state }) => state),
      ["change"],
    );
    undo();
  });
});
