/** The hosts and the operators' machines of one simulation, and what must hold of them at every instant. */

import type { HostInventory } from "../../../src/fleet/inventory.ts";
import type { HostOutcome } from "../../../src/fleet/outcome.ts";
import { hasFailed } from "../../../src/fleet/rollout/rollout.ts";
import type { RolloutEvent, RolloutState } from "../../../src/fleet/rollout/rollout-journal.ts";
import { type RolloutRecord, transactionId } from "../../../src/fleet/rollout/rollout-record.ts";
import type { TransactionRecord } from "../../../src/kit/transaction-record.ts";
import type { DeployerCheck } from "../../../src/machine/health-check.ts";
import { aborts, type Hook, type HookMoment } from "../../../src/machine/hook.ts";
import {
  isFinal,
  type Operator,
  type TransactionGoal,
  type TransactionPlan,
} from "../../../src/machine/transaction.ts";
import type { Random } from "../../support/random.ts";
import { nameOf, systemAt, systemNamed } from "./catalogue.ts";
import type { Safeguard } from "./safeguards.ts";
import { SimulatedHost } from "./simulated-host.ts";
import { Link } from "./simulated-session.ts";
import type { HostStory, Story } from "./story.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** What did not hold. */
export class Violation extends Error {
  override readonly name = "Violation";
  readonly invariant: string;

  constructor(invariant: string, message: string) {
    super(message);
    this.invariant = invariant;
  }
}

/** The activation's own limit, and the time for a return with slow units after the last deadline. */
const ACTIVATION_MS = 300_000;
const RETURN_MS = 900_000;
/** Goals at which what runs becomes the boot default. */
const KEPT_LIVE: ReadonlySet<TransactionGoal> = new Set(["switch", "reboot"]);
const ROOT = /^\/nix\/var\/nix\/(?:gcroots\/pristine|profiles)\//;

/** What a host is remembered by. */
interface Memory {
  bootDefault: string | undefined;
  running: string;
  /** What ran before each transaction. */
  readonly before: Map<string, string>;
  /** Transactions whose beginning was answered. */
  readonly answered: Set<string>;
  /** The rollout that the host was confirmed for last. */
  confirmedFor: string | undefined;
  /** Transactions that have moved the boot default. */
  readonly moved: Set<string>;
}

/** Told of a rollout's host: nothing was changed by this transaction. */
interface Claim {
  readonly rollout: string;
  readonly host: SimulatedHost;
  readonly transaction: string;
  readonly status: string;
}

export class World {
  readonly time: VirtualTime;
  readonly hosts: readonly SimulatedHost[];
  readonly lines: string[] = [];
  /** Rejects with the first violation. */
  readonly violated: Promise<never>;
  readonly #fail: (error: Violation) => void;
  readonly #byName: ReadonlyMap<
    string,
    { readonly host: SimulatedHost; readonly link: Link; readonly story: HostStory }
  >;
  readonly #memories = new Map<SimulatedHost, Memory>();
  /** When each rollout was approved. */
  readonly #rollouts = new Map<string, number>();
  #claims: Claim[] = [];

  constructor(story: Story, time: VirtualTime, random: Random, without: Safeguard | undefined) {
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => undefined);
    this.violated = promise;
    this.#fail = reject;
    this.time = time;
    const system = systemNamed("v0");
    const observer = {
      linked: (host: SimulatedHost) => this.#linked(host),
      began: (host: SimulatedHost, plan: TransactionPlan, isAnswered: boolean) => this.#began(host, plan, isAnswered),
      trace: (host: SimulatedHost, text: string) => this.trace(host.name, text),
    };
    const members = story.hosts.map((one) => ({
      story: one,
      host: new SimulatedHost(one.name, one.fate, { time, random: random.fork(), without, observer, system }),
      link: new Link(one.link, random.fork()),
    }));
    this.#byName = new Map(members.map((member) => [member.story.name, member]));
    this.hosts = members.map(({ host }) => host);
    for (const host of this.hosts) {
      this.#memories.set(host, {
        bootDefault: system.path,
        running: system.path,
        before: new Map(),
        answered: new Set(),
        confirmedFor: undefined,
        moved: new Set(),
      });
    }
  }

  trace(who: string, text: string): void {
    this.lines.push(`${(this.time.nowMs / 1000).toFixed(1).padStart(8)} s  ${who}  ${text}`);
  }

  require(holds: boolean, invariant: string, message: () => string): void {
    if (!holds) this.#fail(new Violation(invariant, message()));
  }

  linkTo(host: string): Link {
    return this.#byName.get(host)!.link;
  }

  hostNamed(name: string): SimulatedHost {
    return this.#byName.get(name)!.host;
  }

  inventoryOf(name: string): HostInventory {
    const { wave, confirmTimeoutSeconds, isLookedAt } = this.#byName.get(name)!.story;
    return {
      name,
      base: "debian",
      system: "x86_64-linux",
      tags: [],
      wave,
      target: { host: name },
      confirmTimeoutSeconds,
      keepGenerations: 3,
      preflight: { freeBytesMin: 0, freeInodesMin: 0, clockSkewSecondsMax: 60 },
      healthChecks: [],
      deployerChecks: isLookedAt ? [servedCheck(name)] : [],
      primaryAddress: undefined,
      warnings: [],
    };
  }

  /** What nothing on the host tells is wrong only for who looks. */
  #isWell(host: string, system: string): boolean {
    const trait = systemAt(system)?.trait;
    return trait === "good" || (trait === "unseen" && !this.#byName.get(host)!.story.isLookedAt);
  }

  newRollout(desk: string, at: Date): { id: string; operator: Operator } {
    const stamp = at.toISOString().replace(/[-:]/g, "").slice(0, 15);
    const number = this.#rollouts.size + 1;
    const id = `${stamp}-${desk}${String(number).padStart(2, "0")}`;
    this.#rollouts.set(id, this.time.nowMs);
    return { id, operator: { user: desk, host: "desk", pid: number } };
  }

  /** The rollout that a transaction is a part of. */
  rolloutOf(transaction: string): string | undefined {
    return [...this.#rollouts.keys()].find((id) => transaction.startsWith(`${id}-`));
  }

  /** A transaction was recorded on a host. */
  #began(host: SimulatedHost, plan: TransactionPlan, isAnswered: boolean): void {
    const memory = this.#memories.get(host)!;
    const record = host.record(plan.id);
    if (record === undefined) return;
    if (!memory.before.has(plan.id)) {
      this.trace(
        host.name,
        `begins ${plan.id}: ${nameOf(record.facts.previous)} → ${nameOf(plan.system)} (${plan.goal})`,
      );
      const { supersedes } = record.facts;
      memory.before.set(
        plan.id,
        (supersedes === undefined ? undefined : memory.before.get(supersedes)) ?? host.activated!,
      );
    }
    if (!isAnswered || memory.answered.has(plan.id)) return;
    memory.answered.add(plan.id);
    const holders = host.unfinished();
    this.require(
      holders.length <= 1,
      "no two deployers hold one host",
      () => `${host.name} is held by ${holders.map(({ id }) => id).join(" and ")}`,
    );
    this.require(
      host.brokenObject() === undefined,
      "an interrupted push is never registered as valid",
      () => `${host.name} has ${host.brokenObject()!}`,
    );
    // The same system again takes nothing back.
    if (record.facts.previous === plan.system) return;
    const rollout = this.rolloutOf(plan.id);
    const later = memory.confirmedFor;
    if (
      rollout === undefined ||
      later === undefined ||
      !KEPT_LIVE.has(plan.goal) ||
      plan.id.startsWith(`${rollout}-back-`)
    )
      return;
    // By the clocks of the deployers, which may be wrong.
    const isNewer = this.#rollouts.get(later)! <= this.#rollouts.get(rollout)! || later <= rollout;
    this.require(
      isNewer,
      "the newest plan wins",
      () => `${host.name} gets ${rollout} although ${later} was confirmed, which is newer`,
    );
  }

  /** What runs or boots has changed. */
  #linked(host: SimulatedHost): void {
    const memory = this.#memories.get(host)!;
    const { machine } = host;
    const bootDefault = host.bootDefault;
    const running = host.running;
    const isWhole = (path: string | undefined): boolean =>
      systemAt(path)?.closure.every(({ path: { baseName } }) => host.valid.has(baseName)) === true;
    this.require(
      isWhole(bootDefault),
      "a host always has a bootable generation",
      () => `${host.name} boots ${nameOf(bootDefault)}`,
    );
    this.require(isWhole(running), "what runs is whole", () => `${host.name} runs ${nameOf(running)}`);
    const isRooted = [...machine.files].some(
      ([path, entry]) => entry.kind === "link" && entry.target === running && ROOT.test(path),
    );
    this.require(isRooted, "what runs has a root", () => `${host.name} runs ${nameOf(running)}`);
    const transaction = host.unfinished().at(-1);
    if (bootDefault !== memory.bootDefault) this.#bootDefaultMoved(host, memory, bootDefault!, transaction);
    if (running !== memory.running) this.#flipped(host, memory, { running, bootDefault, transaction });
    memory.bootDefault = bootDefault;
    memory.running = running;
  }

  #bootDefaultMoved(
    host: SimulatedHost,
    memory: Memory,
    bootDefault: string,
    transaction: TransactionRecord | undefined,
  ): void {
    this.trace(host.name, `boots ${nameOf(bootDefault)} from now on`);
    this.require(
      transaction?.state === "confirming" && transaction.plan.system === bootDefault,
      "the boot default moves at confirmation only",
      () =>
        `${host.name} boots ${nameOf(bootDefault)}; ${transaction?.id ?? "no transaction"} is ${transaction?.state ?? "there"}`,
    );
    if (transaction !== undefined) memory.moved.add(transaction.id);
    const isLive = transaction !== undefined && KEPT_LIVE.has(transaction.plan.goal);
    this.require(
      !isLive || this.#isWell(host.name, bootDefault),
      "what is confirmed is well and lets us in",
      () => `${host.name} keeps ${nameOf(bootDefault)}`,
    );
    const rollout = transaction === undefined ? undefined : this.rolloutOf(transaction.id);
    if (isLive) memory.confirmedFor = transaction.id === `${rollout}-${host.name}` ? rollout : undefined;
  }

  #flipped(
    host: SimulatedHost,
    memory: Memory,
    now: {
      readonly running: string;
      readonly bootDefault: string | undefined;
      readonly transaction: TransactionRecord | undefined;
    },
  ): void {
    const { running, bootDefault, transaction } = now;
    this.trace(host.name, `runs ${nameOf(running)}`);
    const before = transaction === undefined ? undefined : memory.before.get(transaction.id);
    const known = [bootDefault, transaction?.plan.system, before];
    this.require(
      known.includes(running),
      "a host runs the old or the new system",
      () => `${host.name} runs ${nameOf(running)}, and neither ${known.map(nameOf).join(" nor ")}`,
    );
    // What ran before as well has nothing to return to.
    if (transaction === undefined || running !== transaction.plan.system || running === before) return;
    const { id } = transaction;
    const { boots } = machine(host);
    const { confirmTimeoutSeconds, temporarySeconds } = transaction.plan;
    const requireEnd = (
      afterMs: number,
      invariant: string,
      mayBe: (record: TransactionRecord) => boolean = () => false,
    ): void =>
      this.time.at(this.time.nowMs + afterMs, () => {
        const isSame = host.isUp && machine(host).boots === boots && host.running === running;
        const record = isSame ? host.record(id) : undefined;
        // Confirmed, and only not written down: a full disk keeps it from that.
        if (record?.state === "confirming" && host.bootDefault === running) return;
        this.require(
          record === undefined || record.receipt !== undefined || isFinal(record.state) || mayBe(record),
          invariant,
          () => `${host.name} still runs ${nameOf(running)}, and ${id} is ${record?.state ?? "gone"}`,
        );
      });
    const limitMs = ACTIVATION_MS + confirmTimeoutSeconds * 1000 + RETURN_MS;
    // What was confirmed to stay for a time may be on its way back by then.
    const isTemporary = (record: TransactionRecord): boolean => record.expiryAtSeconds() !== undefined;
    requireEnd(limitMs, "an unconfirmed host returns within its limit", isTemporary);
    if (temporarySeconds !== undefined) requireEnd(limitMs + temporarySeconds * 1000, "a temporary system ends");
  }

  /** Follows one execution of a rollout, by what the deployer writes and tells. */
  watch(
    rollout: RolloutRecord,
    before: RolloutState | undefined,
  ): {
    journalled(event: RolloutEvent): void;
    finished(outcome: HostOutcome): void;
    ended(outcomes: readonly HostOutcome[]): void;
  } {
    this.checkClaims(rollout.id);
    const { policy, waves } = rollout;
    const settled = new Map(before?.outcomes);
    const active = new Set<string>();
    return {
      journalled: (event) => {
        if (event.kind !== "host") return;
        const { host } = event;
        active.add(host);
        this.require(active.size <= policy.concurrencyMax, "no more hosts at a time than may be", () =>
          [...active].join(" "),
        );
        const wave = waves.findIndex((names) => names.includes(host));
        const early = waves
          .slice(0, wave)
          .flat()
          .filter((name) => !settled.has(name));
        this.require(
          early.length === 0,
          "a wave begins when the one before it is finished",
          () => `${host} begins before ${early.join(" ")}`,
        );
        const failures = [...settled.values()].filter(hasFailed).length;
        this.require(
          policy.onFailure === "continue" || failures <= policy.failuresMax || before?.begun.has(host) === true,
          "no host begins after too many have failed",
          () => `${host} begins after ${failures} failures`,
        );
      },
      finished: (outcome) => {
        active.delete(outcome.host);
        settled.set(outcome.host, outcome);
        this.told(rollout, outcome);
      },
      ended: (outcomes) => {
        const hosts = outcomes.map(({ host }) => host).join(" ");
        this.require(hosts === waves.flat().join(" "), "one outcome per host", () => hosts);
        if (policy.onFailure === "rollBackWave") this.#requireWaveBack(rollout, outcomes);
      },
    };
  }

  #requireWaveBack({ waves, policy }: RolloutRecord, outcomes: readonly HostOutcome[]): void {
    let failures = 0;
    for (const wave of waves) {
      const own = outcomes.filter(({ host }) => wave.includes(host));
      failures += own.filter((outcome) => hasFailed(outcome) && !isTakenBack(outcome)).length;
      if (failures <= policy.failuresMax) continue;
      const isLeft = ({ status }: HostOutcome): boolean => ["activated", "tested", "temporary"].includes(status);
      const left = own.filter((outcome) => isLeft(outcome) && !("notTakenBack" in outcome));
      this.require(
        left.length === 0,
        "a failing wave is taken back",
        () => `${left.map(({ host }) => host).join(" ")} is left`,
      );
      return;
    }
  }

  /** What a deployer says of a host is what the host did. */
  told(rollout: RolloutRecord, outcome: HostOutcome): void {
    const host = this.hostNamed(outcome.host);
    const id = transactionId(rollout, outcome.host, "forth");
    const forth = host.record(id)?.receipt?.outcome;
    const back = host.record(transactionId(rollout, outcome.host, "back"))?.receipt?.outcome;
    const isTrue = {
      activated: () => forth === "confirmed",
      tested: () => forth === "tested",
      "rolled-back": () =>
        isTakenBack(outcome) ? back === "confirmed" || back === "tested" : forth?.startsWith("revert") === true,
      temporary: () =>
        host.record(id)?.records.some((record) => record.kind === "state" && record.state === "temporary") === true,
      planned: () => false,
      unknown: () => true,
      unchanged: () => !isBegun(host, id),
      unreachable: () => !isBegun(host, id),
      failed: () => !isBegun(host, id),
      skipped: () => !isBegun(host, id),
    }[outcome.status]();
    const truth = (): string =>
      `${id} is ${forth ?? host.record(id)?.state ?? "not there"}, the way back ${back ?? "not there"}`;
    this.require(
      isTrue,
      "what is told is true",
      () => `${outcome.host} is told to be ${outcome.status}, but ${truth()}`,
    );
    if (["activated", "tested", "temporary"].includes(outcome.status)) {
      const { system, host: inventory } = rollout.hosts.find((one) => one.host.name === outcome.host)!;
      const objecting = (inventory.hooks ?? []).filter((hook) => objects(hook, rollout.goal));
      this.require(
        objecting.length === 0,
        "what a hook objects to is not kept",
        () =>
          `${host.name} is told to be ${outcome.status} although ${objecting.map(({ name }) => name).join(" ")} failed`,
      );
      this.require(
        system !== undefined && this.#isWell(host.name, system),
        "what is told to be well is well",
        () => `${host.name} is told to be ${outcome.status} on ${nameOf(system)}`,
      );
    }
    if (["unreachable", "failed", "skipped"].includes(outcome.status))
      this.#claims.push({ rollout: rollout.id, host, transaction: id, status: outcome.status });
  }

  /** What a host boots from now on was confirmed, and nothing else is on record. */
  requireKept(): void {
    for (const [host, { moved }] of this.#memories) {
      for (const id of moved) {
        const outcome = host.record(id)?.receipt?.outcome;
        const holds = outcome === undefined || outcome === "confirmed";
        this.require(
          holds,
          "what moved the boot default is confirmed",
          () => `${host.name} says that ${id} is ${outcome!}`,
        );
      }
    }
  }

  /** A claim may not hold any more once its transaction is asked for again. */
  checkClaims(rollout?: string): void {
    const isDue = (claim: Claim): boolean => rollout === undefined || claim.rollout === rollout;
    for (const { host, transaction, status } of this.#claims.filter(isDue)) {
      const message = (): string => `${host.name} was told to be ${status}, and then ${transaction} changed it`;
      this.require(!isBegun(host, transaction), "what is told is true", message);
    }
    this.#claims = this.#claims.filter((claim) => !isDue(claim));
  }
}

function servedCheck(host: string): DeployerCheck {
  const command = ["is-served", host];
  return { name: "served", kind: "command", command, timeoutSeconds: 5, retries: 2, intervalSeconds: 1 };
}

/** Whether a hook fails at a moment before the confirmation, and ends what it fails at. */
function objects(hook: Hook, goal: TransactionGoal): boolean {
  const isCalled = (moment: HookMoment): boolean =>
    aborts(hook, moment) &&
    (goal === "reboot" || !moment.endsWith("Reboot")) &&
    (goal !== "boot" || !moment.endsWith("Activation"));
  return hook.command[0] !== "done" && hook.when.some(isCalled);
}

function machine(host: SimulatedHost): SimulatedHost["machine"] {
  return host.machine;
}

function isTakenBack(outcome: HostOutcome): boolean {
  return outcome.status === "rolled-back" && outcome.reason.startsWith("its wave is taken back");
}

/** Whether a transaction has touched what runs. */
function isBegun(host: SimulatedHost, id: string): boolean {
  const record = host.record(id);
  return record !== undefined && (hasTouched(record) || record.state === "confirmed");
}

/** Whether a transaction has begun to change what runs, or what runs next. */
export function hasTouched(record: TransactionRecord): boolean {
  return record.hasBegun("stop") || record.hasBegun("boot-once");
}
