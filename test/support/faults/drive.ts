/**
 * Drives cases of the fault matrix: real deployments to real hosts, each struck at its place, several hosts at the same
 * time; then the hosts are looked at as an operator would, and deployed to once more.
 */

import { OperationError } from "../../../src/base/errors.ts";
import type { HostOutcome } from "../../../src/fleet/outcome.ts";
import type { HostStatus } from "../../../src/fleet/status.ts";
import { labPaths } from "../../../src/lab/lab-names.ts";
import type { Receipt } from "../../../src/machine/transaction.ts";
import type { RemoteHost } from "../fleet-driver.ts";
import type { CaseResult, DrivenPair, Fault } from "./cases.ts";
import type { FaultFleet } from "./fleet.ts";
import { VirtualHost } from "./virtual-host.ts";
import { virtualKernel } from "./virtual-kernel.ts";
import { LabStruckHost, NOT_REACHED, type StruckHost } from "./struck-host.ts";

/** What the host says of itself: each line is a version, from a place that another step brings up to date. */
const LOOK = `
  echo "file $(cat /etc/version)"
  # The script of a system that switches to itself leaves this to systemd.
  [ -e /etc/NIXOS ] || echo "tmpfiles $(cat /run/by-tmpfiles)"
  echo "reload $(cat /run/by-reload)"
  for unit in stopped restarted; do
    echo "$unit $(tr '\\0' '\\n' </proc/$(systemctl show --property=MainPID --value $unit)/environ | sed -n 's/^VERSION=//p')"
  done`;

interface Struck {
  readonly pair: DrivenPair;
  readonly host: StruckHost;
  /** What went wrong before anything could be looked at. */
  problem?: string;
}

/** What hosts are deployed to while they are struck; between that they have one of the others. */
const STRUCK_VERSION = "struck";
const UNDISTURBED_VERSIONS = ["one", "two"] as const;
/** An emulated processor makes a connection in seconds. */
const VIRTUAL_CONFIRM_TIMEOUT_SECONDS = 60;
/** Long enough to be confirmed; the case waits for its end, after which the host serves what it boots. */
const TEMPORARY = "15s";
/** The host is alone then: it must be one or the other by itself. */
const LOSES_DEPLOYER: readonly Fault[] = ["deployer-killed", "clock-backwards"];

/** Each deployment changes every host; containers have nothing built twice. */
export class FaultDriver implements AsyncDisposable {
  readonly #fleet: FaultFleet;
  readonly #hosts: ReadonlyMap<string, StruckHost>;
  readonly #isVirtual: boolean;
  /** Which of the undisturbed versions each host has; hosts that a small group leaves out keep theirs. */
  readonly #turns = new Map<string, 0 | 1>();
  #strikes = 0;

  private constructor(fleet: FaultFleet, hosts: ReadonlyMap<string, StruckHost>, isVirtual: boolean) {
    this.#fleet = fleet;
    this.#hosts = hosts;
    this.#isVirtual = isVirtual;
  }

  /** Starts the lab and deploys the first version. */
  static async start(fleet: FaultFleet): Promise<FaultDriver> {
    await fleet.up();
    const hosts = await Promise.all(
      fleet.hosts.map(async (name) => [name, new LabStruckHost(await fleet.driver.host(name), fleet)] as const),
    );
    const driver = new FaultDriver(fleet, new Map(hosts), false);
    const unsettled = await driver.#settle(fleet.hosts);
    if (unsettled.size > 0) throw new Error([...unsettled].map(([name, why]) => `${name}: ${why}`).join("\n"));
    return driver;
  }

  /** A virtual host has not seen it: what arrives with the deployment is not on its disk already. */
  #struckVersion(): string {
    return this.#isVirtual ? `${STRUCK_VERSION}-${++this.#strikes}` : STRUCK_VERSION;
  }

  /** Takes the first hosts of the lab and makes them virtual machines; a driver of containers must not be used any more. */
  async virtual(count: number): Promise<FaultDriver> {
    const kernel = await virtualKernel(labPaths(this.#fleet.driver.name).data);
    const hosts = [...this.#hosts.values()].slice(0, count);
    const taken = hosts.map(async ({ name, remote }) => [name, await VirtualHost.take(remote, kernel)] as const);
    const driver = new FaultDriver(this.#fleet, new Map(await Promise.all(taken)), true);
    this.#fleet.confirmTimeoutSeconds = VIRTUAL_CONFIRM_TIMEOUT_SECONDS;
    for (const [name, turn] of this.#turns) driver.#turns.set(name, turn);
    return driver;
  }

  /** Ends what goes not with the lab. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const host of this.#hosts.values()) await host.stop();
  }

  /** How many pairs can be struck at the same time. */
  get count(): number {
    return this.#hosts.size;
  }

  /** Strikes as many hosts as there are pairs, all by the same fault in a deployment with the same goal. */
  async strike(pairs: readonly DrivenPair[]): Promise<CaseResult[]> {
    const { fault } = pairs[0]!;
    const names = [...this.#hosts.keys()].slice(0, pairs.length);
    const struck = pairs.map((pair, index): Struck => ({ pair, host: this.#hosts.get(names[index]!)! }));
    const version = this.#struckVersion();
    for (const { pair, host } of struck) {
      const shutOut = fault === "sshd-broken";
      const sick = pair.phase === "revert" && !shutOut;
      this.#fleet.declare(host.name, { version, sick, shutOut });
      await host.arm(`${pair.point} ${fault === "executor-killed" ? "kill" : "freeze"}`);
    }
    const beganAt = new Date().toISOString();
    const outcomes = await this.#deployUnder(struck, names);
    await Promise.all(struck.map(({ host }) => host.atRest()));
    const statuses = await this.#fleet.driver.ask<{ hosts: HostStatus[] }>(["status", "--lab", ...names], {
      exit: [0, 2],
    });
    const results = await Promise.all(
      struck.map(async (one): Promise<CaseResult> => {
        const { name } = one.host;
        const status = statuses.hosts.find(({ host }) => host === name);
        const versions = { old: UNDISTURBED_VERSIONS[this.#turns.get(name)!], new: version };
        const serves = one.problem ?? (await servedBy(one.host.remote, status, versions));
        const outcome = outcomes.find(({ host }) => host === name);
        const receipt = receiptText(status?.facts?.lastReceipt, beganAt);
        return { ...one.pair, serves, receipt, deployer: outcome?.status ?? "killed" };
      }),
    );
    for (const { host } of struck) {
      await host.disarm();
      await host.mend(fault);
    }
    const unsettled = await this.#settle(names);
    if (unsettled.size > 0) {
      // Made anew, so that what comes next is not told of this.
      for (const name of unsettled.keys()) await this.#hosts.get(name)!.reset();
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
    const how = goal === "temporary" ? ["--temporary", TEMPORARY] : ["--goal", goal];
    let kill: (signal: NodeJS.Signals) => void = () => undefined;
    const deploying = this.#fleet.driver.run(
      ["--json", "deploy", "--lab", "--yes", ...how, "--parallel", String(names.length), ...names],
      { exit: LOSES_DEPLOYER.includes(fault) ? [null] : [0, 2], onStart: (end) => (kill = end) },
    );
    const ended = deploying.then(
      () => true,
      () => true,
    );
    const each = (act: (one: Struck) => Promise<void>): Promise<unknown> =>
      Promise.all(struck.map((one) => noting(one, () => act(one))));
    if (fault === "executor-killed") {
      await ended;
    } else if (LOSES_DEPLOYER.includes(fault)) {
      await each(async ({ host }) => {
        await host.frozen(ended);
        await host.strike(fault);
      });
      kill("SIGKILL");
      await ended;
      for (const { host } of struck) await host.release();
    } else {
      await each(async ({ host }) => {
        await host.frozen(ended);
        await host.strike(fault);
      });
    }
    await each(async (one) => {
      if (await one.host.disarm()) one.problem ??= NOT_REACHED;
    });
    const { stdout, stderr } = await deploying.catch((error: unknown) => ({ stdout: "", stderr: String(error) }));
    if (stdout !== "") return (JSON.parse(stdout) as { outcomes: HostOutcome[] }).outcomes;
    if (!LOSES_DEPLOYER.includes(fault)) for (const one of struck) one.problem ??= `the deployer failed: ${stderr}`;
    return [];
  }

  /** Deploys the other undisturbed version to each of these hosts; says which are not as declared then. */
  async #settle(names: readonly string[]): Promise<Map<string, string>> {
    for (const name of names) {
      const turn = this.#turns.get(name) === 0 ? 1 : 0;
      this.#turns.set(name, turn);
      this.#fleet.declare(name, { version: UNDISTURBED_VERSIONS[turn] });
    }
    const outcomes = await this.#fleet.driver.deploy(["--parallel", String(names.length), ...names], {
      exit: [0, 2, 3],
    });
    const unsettled = new Map<string, string>();
    await Promise.all(
      names.map(async (name) => {
        const outcome = outcomes[name];
        const said = await versionsOf(this.#hosts.get(name)!.remote);
        const version = UNDISTURBED_VERSIONS[this.#turns.get(name)!];
        if (outcome?.status === "activated" && said.every((line) => line.endsWith(` ${version}`))) return;
        const why = outcome !== undefined && "reason" in outcome ? outcome.reason : said.join(", ");
        unsettled.set(name, `the next deployment was ${outcome?.status ?? "not reported"}: ${why}`);
      }),
    );
    return unsettled;
  }
}

async function noting(one: Struck, act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    one.problem ??= error.message;
  }
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
