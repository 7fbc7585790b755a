/**
 * Drives cases of the fault matrix: real deployments to real hosts, each struck at its place, several hosts at the same
 * time; then the hosts are looked at as an operator would, and deployed to once more.
 */

import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { OperationError } from "../../../src/base/errors.ts";
import type { HostOutcome } from "../../../src/fleet/outcome.ts";
import type { HostStatus } from "../../../src/fleet/status.ts";
import type { LabHost } from "../../../src/lab/lab-host.ts";
import type { Receipt } from "../../../src/machine/transaction.ts";
import { RemoteHost } from "../fleet-driver.ts";
import type { CaseResult, DrivenPair, Fault } from "./cases.ts";
import type { FaultFleet } from "./fleet.ts";

const REACH_DEADLINE_MS = 180_000;
const REST_DEADLINE_MS = 60_000;
const BOOT_DEADLINE_MS = 60_000;
/** Where a host's fault points are told what to do, and where its lock is, on its disk. */
const STATE = "nix/var/pristine";

/** What the host says of itself: each line is a version, from a place that another step brings up to date. */
const LOOK = `
  echo "file $(cat /etc/version)"
  echo "tmpfiles $(cat /run/by-tmpfiles)"
  echo "reload $(cat /run/by-reload)"
  for unit in stopped restarted; do
    echo "$unit $(tr '\\0' '\\n' </proc/$(systemctl show --property=MainPID --value $unit)/environ | sed -n 's/^VERSION=//p')"
  done`;

interface Struck {
  readonly pair: DrivenPair;
  readonly host: RemoteHost;
  /** What went wrong before anything could be looked at. */
  problem?: string;
}

/** What hosts are deployed to while they are struck; between that they have one of the others. */
const STRUCK_VERSION = "struck";
const UNDISTURBED_VERSIONS = ["one", "two"] as const;

/** Each deployment changes every host, and nothing is built twice. */
export class FaultDriver {
  readonly #fleet: FaultFleet;
  readonly #hosts: ReadonlyMap<string, RemoteHost>;
  /** Which of the undisturbed versions the hosts have. */
  #turn: 0 | 1 = 0;

  private constructor(fleet: FaultFleet, hosts: ReadonlyMap<string, RemoteHost>) {
    this.#fleet = fleet;
    this.#hosts = hosts;
  }

  /** Starts the lab and deploys the first version. */
  static async start(fleet: FaultFleet): Promise<FaultDriver> {
    await fleet.driver.run(["lab", "up"]);
    const hosts = await Promise.all(fleet.hosts.map(async (name) => [name, await fleet.driver.host(name)] as const));
    const driver = new FaultDriver(fleet, new Map(hosts));
    const unsettled = await driver.#settle(fleet.hosts);
    if (unsettled.size > 0) throw new Error([...unsettled].map(([name, why]) => `${name}: ${why}`).join("\n"));
    return driver;
  }

  /** Strikes as many hosts as there are pairs, all by the same fault in a deployment with the same goal. */
  async strike(pairs: readonly DrivenPair[]): Promise<CaseResult[]> {
    const { fault } = pairs[0]!;
    const names = this.#fleet.hosts.slice(0, pairs.length);
    const struck = pairs.map((pair, index): Struck => ({ pair, host: this.#hosts.get(names[index]!)! }));
    const versions = { old: UNDISTURBED_VERSIONS[this.#turn], new: STRUCK_VERSION };
    for (const { pair, host } of struck) {
      const shutOut = fault === "sshd-broken";
      const sick = pair.phase === "revert" && !shutOut;
      this.#fleet.declare(host.lab.name, { version: versions.new, sick, shutOut });
      mkdirSync(place(host.lab), { recursive: true });
      const action = fault === "executor-killed" ? "kill" : "freeze";
      writeFileSync(place(host.lab, "fault"), `${pair.point} ${action}`);
    }
    const beganAt = new Date().toISOString();
    const outcomes = await this.#deployUnder(struck, names);
    await Promise.all(struck.map(({ host }) => atRest(host.lab)));
    const statuses = await this.#fleet.driver.ask<{ hosts: HostStatus[] }>(["status", "--lab", ...names], {
      exit: [0, 2],
    });
    const results = await Promise.all(
      struck.map(async (one): Promise<CaseResult> => {
        const { name } = one.host.lab;
        const status = statuses.hosts.find(({ host }) => host === name);
        const serves = one.problem ?? (await servedBy(one.host, status, versions));
        const outcome = outcomes.find(({ host }) => host === name);
        const receipt = receiptText(status?.facts?.lastReceipt, beganAt);
        return { ...one.pair, serves, receipt, deployer: outcome?.status ?? "killed" };
      }),
    );
    for (const { host } of struck) {
      rmSync(place(host.lab, "fault"), { force: true });
      if (fault === "disk-full") await host.lab.releaseDisk();
    }
    this.#turn = this.#turn === 0 ? 1 : 0;
    const unsettled = await this.#settle(names);
    if (unsettled.size > 0) {
      // Made anew, so that what comes next is not told of this.
      await this.#fleet.driver.run(["lab", "reset", ...unsettled.keys()]);
      await this.#settle([...unsettled.keys()]);
    }
    return results.map((result, index) => {
      const problem = unsettled.get(names[index]!);
      return problem === undefined ? result : { ...result, serves: `${result.serves}, but then: ${problem}` };
    });
  }

  /** Deploys, strikes each host when it is where its fault waits, and returns what the deployer then says. */
  async #deployUnder(struck: readonly Struck[], names: readonly string[]): Promise<HostOutcome[]> {
    const { fault, goal } = struck[0]!.pair;
    let kill: (signal: NodeJS.Signals) => void = () => undefined;
    const deploying = this.#fleet.driver.run(
      ["--json", "deploy", "--lab", "--yes", "--goal", goal, "--parallel", String(names.length), ...names],
      { exit: fault === "deployer-killed" ? [null] : [0, 2], onStart: (end) => (kill = end) },
    );
    const ended = deploying.then(
      () => true,
      () => true,
    );
    const each = (act: (one: Struck) => Promise<void>): Promise<unknown> =>
      Promise.all(struck.map((one) => noting(one, () => act(one))));
    if (fault === "executor-killed") {
      await ended;
    } else if (fault === "deployer-killed") {
      await each(({ host }) => frozen(host.lab, ended));
      kill("SIGKILL");
      await ended;
      for (const { host } of struck) release(host.lab);
    } else {
      await each(async ({ host }) => {
        await frozen(host.lab, ended);
        await STRIKES[fault]?.(host);
      });
    }
    for (const one of struck) if (existsSync(place(one.host.lab, "fault"))) one.problem ??= NOT_REACHED;
    const { stdout, stderr } = await deploying.catch((error: unknown) => ({ stdout: "", stderr: String(error) }));
    if (stdout !== "") return (JSON.parse(stdout) as { outcomes: HostOutcome[] }).outcomes;
    if (fault !== "deployer-killed") for (const one of struck) one.problem ??= `the deployer failed: ${stderr}`;
    return [];
  }

  /** Deploys the version whose turn it is, undisturbed; says which hosts are not as declared then. */
  async #settle(names: readonly string[]): Promise<Map<string, string>> {
    const version = UNDISTURBED_VERSIONS[this.#turn];
    for (const name of names) this.#fleet.declare(name, { version });
    const outcomes = await this.#fleet.driver.deploy(["--parallel", String(names.length), ...names], {
      exit: [0, 2, 3],
    });
    const unsettled = new Map<string, string>();
    await Promise.all(
      names.map(async (name) => {
        const outcome = outcomes[name];
        const said = await versionsOf(this.#hosts.get(name)!);
        if (outcome?.status === "activated" && said.every((line) => line.endsWith(` ${version}`))) return;
        const why = outcome !== undefined && "reason" in outcome ? outcome.reason : said.join(", ");
        unsettled.set(name, `the next deployment was ${outcome?.status ?? "not reported"}: ${why}`);
      }),
    );
    return unsettled;
  }
}

const NOT_REACHED = "the place of the fault was not reached";

/** What is done to a host that stands still; it goes on, or boots, before this returns. */
const STRIKES: Readonly<Partial<Record<Fault, (host: RemoteHost) => Promise<void>>>> = {
  "ssh-cut": async ({ lab }) => {
    await lab.link("down");
    release(lab);
    try {
      await atRest(lab);
    } finally {
      await lab.link("up");
    }
  },
  "power-cut": async ({ lab }) => {
    await lab.powerCut();
    release(lab);
    const limit = AbortSignal.timeout(BOOT_DEADLINE_MS);
    await lab.powerOn(limit);
    await lab.waitForSsh(limit, BOOT_DEADLINE_MS);
  },
  "disk-full": async ({ lab }) => {
    await lab.fillDisk();
    release(lab);
  },
  "sshd-broken": async ({ lab }) => {
    release(lab);
  },
};

function place(host: LabHost, name: string = ""): string {
  return `${host.diskRoot}/${STATE}/${name}`;
}

async function noting(one: Struck, act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    one.problem ??= error.message;
  }
}

/** Waits until the host stands still at the place of its fault. */
async function frozen(host: LabHost, ended: Promise<boolean>): Promise<void> {
  let over = false;
  void ended.then(() => (over = true));
  if (await comes(REACH_DEADLINE_MS, () => over || existsSync(place(host, "frozen")))) {
    if (existsSync(place(host, "frozen"))) return;
  }
  // Too late it would stand still for ever.
  rmSync(place(host, "fault"), { force: true });
  release(host);
  throw new OperationError("FAULT_NOT_REACHED", NOT_REACHED);
}

function release(host: LabHost): void {
  rmSync(place(host, "frozen"), { force: true });
}

/** Waits until no transaction holds the host. One that was ended by a reboot is told to be over by what asks next. */
async function atRest(host: LabHost): Promise<void> {
  await comes(REST_DEADLINE_MS, () => !existsSync(place(host, "lock")));
}

async function comes(deadlineMs: number, condition: () => boolean): Promise<boolean> {
  const deadline = Date.now() + deadlineMs;
  while (!condition()) {
    if (Date.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return true;
}

function receiptText(receipt: Receipt | null | undefined, beganAt: string): string {
  // Hosts of the lab have this machine's clock.
  if (receipt === undefined || receipt === null || receipt.beganAt < beganAt) return "none";
  return receipt.reason === undefined ? receipt.outcome : `${receipt.outcome}, ${receipt.reason.kind}`;
}

/** What the host's page and everything else on it say, each with the place it was read from. */
async function versionsOf(host: RemoteHost): Promise<string[]> {
  const [page, look] = await Promise.all([host.page().catch(String), host.sh(LOOK).catch(String)]);
  return [`page ${page}`, ...look.split("\n")];
}

/** Which of two versions a host serves, when everything that can be asked agrees; else what does not. */
async function servedBy(
  host: RemoteHost,
  status: HostStatus | undefined,
  versions: { readonly old: string; readonly new: string },
): Promise<string> {
  const { facts, error } = status ?? {};
  if (status === undefined || facts === undefined) return `status has no answer: ${error?.message ?? "none"}`;
  const { system, activated, profile } = facts.systems;
  const problems = [
    ...(system === activated ? [] : [`it runs ${system}, but ${activated} was activated`]),
    ...(profile === activated ? [] : [`it runs ${activated}, but boots ${profile}`]),
    ...status.drift.map(({ kind }) => `drift: ${kind}`),
    ...facts.failedUnits.map((unit) => `${unit} failed`),
    ...(facts.transaction === null ? [] : [`a transaction is ${facts.transaction.state}`]),
  ];
  const said = await versionsOf(host);
  const version = said[0]!.slice("page ".length);
  problems.push(...said.filter((line) => line.slice(line.indexOf(" ") + 1) !== version));
  const serves = version === versions.new ? "new" : version === versions.old ? "old" : undefined;
  if (serves === undefined) problems.push(`it serves ${version}`);
  if (status.differs !== (serves === "old"))
    problems.push(`status says that it ${status.differs ? "differs" : "is as declared"}`);
  return serves !== undefined && problems.length === 0 ? serves : problems.join("; ");
}
