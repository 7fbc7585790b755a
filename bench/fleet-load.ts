/**
 * How long does a fleet take to deploy, and how much goes over the wire, against `nix copy` and Ansible?
 *
 *   bin/node bench/fleet-load.ts [--tiny] [--hosts N] [--loss PERCENT] [--delay MS] [--json FILE]
 *
 * Local hosts (`pristine lab`), a quarter of them behind a bad line: that share of packets lost and that delay, each way.
 * All are deployed at once from the generic system; then the same closures are moved to the same hosts, emptied again,
 * by a real Nix's `nix copy`, one after the other. Between the two, up to ten hosts with good lines get nothing new, and
 * then one changed file whose service reloads, and the same from Ansible. Bytes are what both ends of the hosts' cables
 * sent, as the lab's network counts them. What is slow on the day is slow for all of them: only ratios mean anything.
 *
 * Needs root; makes Ansible's tree with debootstrap when it is missing. `--tiny` is two hosts and a line that is a little
 * bad, and does without the peers that are not there.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { setUpOracle, oracleTree } from "../scripts/oracle.ts";
import type { HostOutcome } from "../src/fleet/outcome.ts";
import { type Lab, labDown, openLab } from "../src/lab/lab.ts";
import { openLocalStore } from "../src/store/open-store.ts";
import { PRISTINE } from "../test/support/shop.ts";
import { removeStaleLabs, TEST_LAB_NAME } from "../test/support/test-labs.ts";
import { TEST_STORE } from "../test/support/test-store.ts";
import { labsMissing } from "../test/support/test-system.ts";
import { ansibleProgram, findAnsible, nixCopyProgram } from "./fleet-peers.ts";
import { measure, type Measurement, type Program, type Said } from "./measure.ts";

const { values: options } = parseArgs({
  options: {
    tiny: { type: "boolean", default: false },
    hosts: { type: "string" },
    loss: { type: "string" },
    delay: { type: "string" },
    json: { type: "string" },
  },
});
const hostCount = Number(options.hosts ?? (options.tiny ? 2 : 20));
const badLine = {
  lossPercent: Number(options.loss ?? (options.tiny ? 1 : 10)),
  delayMs: Number(options.delay ?? (options.tiny ? 5 : 100)),
};
const PEER_HOSTS_MAX = 10;

const names = Array.from({ length: hostCount }, (_, at) => `h${String(at + 1).padStart(2, "0")}`);
const flaky = names.slice(hostCount - Math.ceil(hostCount / 4));
const peers = names.filter((name) => !flaky.includes(name)).slice(0, PEER_HOSTS_MAX);

interface Row {
  readonly hosts: number;
  readonly seconds: number;
  readonly maxRssMb: number;
  /** Over all cables of the hosts concerned. */
  readonly toHostsBytes: number;
  readonly fromHostsBytes: number;
  /** What ran over ssh, on the host that took most. */
  readonly commandsPerHost?: number;
  /** Connections that were lost and made again, as the outcomes tell. */
  readonly retries?: number;
}

const FLEET = `
{
  meta = { name = "${TEST_LAB_NAME}"; base = "debian"; };
  defaults = { config, lib, name, pkgs, ... }: {
    users.users.root.openssh.authorizedKeys.keyFiles = [ ./keys/operator.pub ];
    environment.etc."load.conf".source = ./load.conf;
    systemd.services = lib.genAttrs [ "load" "peer" ] (service: {
      wantedBy = [ "multi-user.target" ];
      serviceConfig = {
        ExecStart = "/usr/bin/sleep infinity";
        ExecReload = "/usr/bin/cp \${if service == "load" then "/etc/load.conf" else "/run/peer.conf"} /run/\${service}.loaded";
      };
      reloadTriggers = lib.optional (service == "load") ./load.conf;
    });
    # Ansible runs on it.
    environment.systemPackages = lib.optional (builtins.elem name [ ${peers.map((name) => `"${name}"`).join(" ")} ]) pkgs.python3;
  };
  hosts = { ${names.map((name) => `${name} = { };`).join(" ")} };
}
`;

/** Keeps what is remembered with the fleet, and away from what its user has. */
function pristine(directory: string, ...args: readonly string[]): Program {
  const env = {
    PRISTINE_CACHE: "on",
    XDG_STATE_HOME: join(directory, "state"),
    XDG_CONFIG_HOME: join(directory, "config"),
  };
  return { argv: [PRISTINE, "--store", TEST_STORE, "--json", "--show-commands", ...args], cwd: directory, env };
}

function makeFleet(directory: string): void {
  mkdirSync(join(directory, "keys"), { recursive: true });
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f", join(directory, "keys/operator")]);
  writeFileSync(join(directory, "load.conf"), "first\n");
  writeFileSync(join(directory, "fleet.nix"), FLEET);
  measure(pristine(directory, "lock"));
}

async function trafficOf(lab: Lab, hosts: readonly string[]): Promise<{ to: number; from: number }> {
  const all = await Promise.all(hosts.map((name) => lab.host(name).traffic()));
  return {
    to: all.reduce((sum, { toHostBytes }) => sum + toHostBytes, 0),
    from: all.reduce((sum, { fromHostBytes }) => sum + fromHostBytes, 0),
  };
}

/** Runs programs one after the other and counts what they send to hosts and get from them. */
async function row(lab: Lab, hosts: readonly string[], programs: readonly Program[]): Promise<Row & { said: Said[] }> {
  const before = await trafficOf(lab, hosts);
  const measured: (Measurement & Said)[] = [];
  for (const program of programs) measured.push(measure(program));
  const after = await trafficOf(lab, hosts);
  return {
    hosts: hosts.length,
    seconds: round(measured.reduce((sum, { wallSeconds }) => sum + wallSeconds, 0)),
    maxRssMb: Math.max(...measured.map(({ maxRssMb }) => maxRssMb)),
    toHostsBytes: after.to - before.to,
    fromHostsBytes: after.from - before.from,
    said: measured,
  };
}

/** A deployment that must end well on every host. */
async function deploy(
  lab: Lab,
  directory: string,
  hosts: readonly string[],
): Promise<Row & { outcomes: HostOutcome[] }> {
  const args = [
    "deploy",
    "--lab",
    "--yes",
    ...(hosts.length === names.length ? ["--parallel", String(hosts.length)] : hosts),
  ];
  const { said, ...measured } = await row(lab, hosts, [pristine(directory, ...args)]);
  const { outcomes } = JSON.parse(said[0]!.stdout) as { outcomes: HostOutcome[] };
  assert.equal(outcomes.length, hosts.length);
  const commands = hosts.map(
    (name) => said[0]!.stderr.split("\n").filter((line) => line.startsWith(`${name} + `)).length,
  );
  const notes = outcomes.flatMap(({ timeline }) => timeline.map(({ text }) => text));
  const retries = notes.filter((text) => /interrupted|connection was lost|connection failed/.test(text)).length;
  return { ...measured, commandsPerHost: Math.max(...commands), retries, outcomes };
}

async function assertLoaded(lab: Lab, hosts: readonly string[], file: string, wanted: string): Promise<void> {
  for (const name of hosts) {
    const outcome = await lab.host(name).run(["cat", file]);
    assert.equal(outcome.stdout.toString("utf8"), wanted, `${file} of ${name}`);
  }
}

async function compare(directory: string): Promise<Record<string, unknown>> {
  const skipped: string[] = [];
  makeFleet(directory);
  say(`starting ${hostCount} hosts`);
  measure(pristine(directory, "lab", "up", "--new-addresses"));
  const lab = await openLab(TEST_LAB_NAME);
  assert.ok(lab !== undefined);
  await Promise.all(flaky.map((name) => lab.host(name).shape(badLine)));

  say("deploying to all of them at once");
  const { outcomes, ...first } = await deploy(lab, directory, names);
  const systems = new Map(
    outcomes.map((outcome) => [outcome.host, "receipt" in outcome ? outcome.receipt?.system : undefined]),
  );
  const status = JSON.parse(measure(pristine(directory, "status", "--lab")).stdout) as {
    hosts: { asDeclared: boolean }[];
  };
  assert.ok(
    status.hosts.every(({ asDeclared }) => asDeclared),
    JSON.stringify(status),
  );
  const kit = (await lab.host(names[0]!).run(["readlink", "/nix/var/nix/gcroots/pristine/kit"])).stdout
    .toString()
    .trim();

  say("deploying nothing, then one file");
  const { outcomes: unchanged, ...nothing } = await deploy(lab, directory, peers);
  assert.ok(unchanged.every(({ status }) => status === "unchanged"));
  writeFileSync(join(directory, "load.conf"), "second\n");
  const { outcomes: changed, ...oneFile } = await deploy(lab, directory, peers);
  assert.ok(changed.every(({ status }) => status === "activated"));
  await assertLoaded(lab, peers, "/run/load.loaded", "second\n");

  const ansible = await compareAnsible(lab, join(directory, "ansible"));
  if (ansible === undefined) skipped.push("ansible");

  const nixDir = dirname((await openLocalStore(TEST_STORE, AbortSignal.timeout(10_000))).layout.realStoreDir);
  let nixCopy: Row | undefined;
  if (options.tiny && !existsSync(join(oracleTree(), "usr/bin/nix"))) skipped.push("nix");
  else {
    setUpOracle();
    say("the same closures by nix copy, to emptied hosts");
    measure(pristine(directory, "lab", "reset", ...names));
    const copies = names.map((host) =>
      nixCopyProgram({ nixDir, paths: [systems.get(host)!, kit], host, sshConfig: lab.sshConfig }),
    );
    const { said: ___, ...copied } = await row(lab, names, copies);
    nixCopy = copied;
  }
  if (skipped.length > 0) say(`SKIPPED, for want of their trees: ${skipped.join(", ")}`);
  return {
    question: "fleet-load",
    machine: { processors: availableParallelism() },
    badLine: { hosts: flaky.length, ...badLine },
    first,
    nothing,
    oneFile,
    ...(ansible && { ansibleFirst: ansible.first, ansibleNothing: ansible.nothing, ansibleOneFile: ansible.oneFile }),
    ...(nixCopy && { nixCopy }),
    ratio: {
      ...(ansible && { nothing: ratio(nothing, ansible.nothing), oneFile: ratio(oneFile, ansible.oneFile) }),
      ...(nixCopy && { first: ratio(first, nixCopy) }),
    },
  };
}

async function compareAnsible(
  lab: Lab,
  directory: string,
): Promise<{ first: Row; nothing: Row; oneFile: Row } | undefined> {
  const tree = findAnsible({ mayMake: !options.tiny });
  if (tree === undefined) return undefined;
  say("the same by Ansible");
  const program = ansibleProgram({ tree, directory, hosts: peers, forks: PEER_HOSTS_MAX, sshConfig: lab.sshConfig });
  const play = async (text: string): Promise<Row> => {
    writeFileSync(join(directory, "load.conf"), text);
    const { said: _, ...measured } = await row(lab, peers, [program]);
    await assertLoaded(lab, peers, "/run/peer.loaded", text);
    return measured;
  };
  return { first: await play("first\n"), nothing: await play("first\n"), oneFile: await play("second\n") };
}

/** How many times as much ours takes. */
function ratio(ours: Row, theirs: Row): Record<string, number> {
  return {
    seconds: round(ours.seconds / theirs.seconds),
    bytes: round((ours.toHostsBytes + ours.fromHostsBytes) / (theirs.toHostsBytes + theirs.fromHostsBytes)),
  };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

function say(text: string): void {
  console.error(`fleet-load: ${text}`);
}

const missing = await labsMissing();
if (missing !== false) {
  console.log(JSON.stringify({ question: "fleet-load", skipped: missing, ratio: 0 }));
  process.exit(0);
}
await removeStaleLabs();
const scratch = mkdtempSync(join(tmpdir(), "pristine-bench-"));
try {
  const result = JSON.stringify(await compare(scratch), undefined, 2);
  if (options.json !== undefined) writeFileSync(options.json, `${result}\n`);
  console.log(result);
} finally {
  await labDown(TEST_LAB_NAME);
  rmSync(scratch, { recursive: true, force: true });
}
