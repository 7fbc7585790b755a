/**
 * An operator's machine: a disk with journals of rollouts and hosts that wait, and processes that deploy.
 *
 * A process plans by what hosts answer, then runs what ships: `approvedPlan`, `deployFleet`, the journal's format,
 * `PendingHosts` and `convergeHosts`.
 */

import { mapConcurrently } from "../../../src/base/concurrency.ts";
import { OperationError } from "../../../src/base/errors.ts";
import { deployFleet, type DeployObserver } from "../../../src/fleet/deploy.ts";
import type { HostOutcome } from "../../../src/fleet/outcome.ts";
import type { HookDisplay } from "../../../src/fleet/hooks.ts";
import { type HostPlan, planHash } from "../../../src/fleet/plan.ts";
import { convergeHosts, dropPending } from "../../../src/fleet/rollout/converge.ts";
import { PendingHosts, type PendingFiles } from "../../../src/fleet/rollout/pending.ts";
import {
  begunEvent,
  encodeEvent,
  type InterruptedJournal,
  newestFirst,
  openOf,
  parseRollout,
  type RolloutEvent,
  type RolloutState,
} from "../../../src/fleet/rollout/rollout-journal.ts";
import { approvedPlan, refusal, type RolloutRecord } from "../../../src/fleet/rollout/rollout-record.ts";
import type { ProcessOutcome, RunOptions } from "../../../src/system/process.ts";
import type { HealthCheck } from "../../../src/machine/health-check.ts";
import { DeployerProcess, Gone } from "./deployer-process.ts";
import type { Safeguard } from "./safeguards.ts";
import { HOOK_MS } from "./simulated-host.ts";
import { LOCAL_STORE, SimulatedSession } from "./simulated-session.ts";
import { type Act, DRAIN, type Order } from "./story.ts";
import type { World } from "./world.ts";

const FLEET = "shop";
const HEALTH_CHECKS: readonly HealthCheck[] = [
  { name: "well", kind: "command", command: ["check-health"], timeoutSeconds: 5, retries: 1, intervalSeconds: 1 },
];

/** A file, and how much of it a power cut cannot take. */
interface DeskFile {
  text: string;
  syncedChars: number;
}

export class Desk {
  readonly name: string;
  readonly #world: World;
  readonly #without: Safeguard | undefined;
  readonly #files = new Map<string, DeskFile>();
  /** Rollouts that a living process is at work on. */
  readonly #atWork = new Map<string, DeployerProcess>();
  wallOffsetMs = 0;
  readonly #drained = new Set<string>();
  #process: DeployerProcess | undefined;

  constructor(name: string, world: World, without: Safeguard | undefined) {
    this.name = name;
    this.#world = world;
    this.#without = without;
  }

  /** The rollouts on this disk, the newest first. */
  rollouts(): RolloutState[] {
    const paths = [...this.#files.keys()].filter((path) => path.startsWith("rollouts/"));
    const states = paths.flatMap((path) => {
      const state = parseRollout(this.#files.get(path)!.text);
      const isRunning = this.#atWork.get(path)?.isAlive === true;
      return state === undefined ? [] : [{ ...state, isRunning }];
    });
    return newestFirst(states);
  }

  /** What changed a host can be told from this disk. */
  requireWhatBegan(): void {
    const known = new Set(this.rollouts().map(({ rollout }) => rollout.id));
    for (const host of this.#world.hosts) {
      for (const { id, plan } of host.transactions()) {
        const rollout = this.#world.rolloutOf(id);
        const isTold = plan.operator.user !== this.name || (rollout !== undefined && known.has(rollout));
        this.#world.require(isTold, "a deployer remembers what it began", () => `${this.name} knows nothing of ${id}`);
      }
    }
  }

  drain(host: string, moment: string): void {
    if (moment === "finally") this.#drained.delete(host);
    else this.#drained.add(host);
  }

  /** Nobody is left out who was taken out. */
  requireNobodyDrained(): void {
    const isNobody = this.#drained.size === 0;
    this.#world.require(isNobody, "what was drained is put back", () => [...this.#drained].join(" "));
  }

  openRollouts(): RolloutState[] {
    return openOf(this.rollouts());
  }

  /** Does something in a process of its own, until that is done or gone; answers what it told of the hosts. */
  async do(act: Act): Promise<readonly HostOutcome[] | undefined> {
    const { time } = this.#world;
    const process = new DeployerProcess(this.name, time, () => this.wallOffsetMs);
    this.#process = process;
    const cancel = new AbortController();
    const abandon = new AbortController();
    const after = (ms: number | undefined, then: () => void): void => {
      if (ms !== undefined) time.at(time.nowMs + ms, () => (process.isAlive ? then() : undefined));
    };
    const kill = (): void => {
      this.#world.trace(this.name, act.byPowerCut ? "loses power" : "the process is killed");
      process.kill();
      if (act.byPowerCut) this.#loseUnsynced();
    };
    after(act.killedAfterMs, kill);
    after(act.interruptedAfterMs, () => {
      this.#world.trace(this.name, "interrupts");
      cancel.abort(new DOMException("interrupted", "AbortError"));
    });
    after(act.abandonedAfterMs, () => {
      this.#world.trace(this.name, "interrupts again");
      abandon.abort(new DOMException("interrupted", "AbortError"));
    });
    const work = new Work(this, this.#world, process, {
      cancel: cancel.signal,
      abandon: abandon.signal,
      without: this.#without,
      killedAt: act.killedAt,
      kill,
    });
    this.#world.trace(this.name, act.order === undefined ? act.kind : describe(act.order));
    try {
      const outcomes = await work[act.kind](act.order as Order);
      this.#world.trace(this.name, `is done: ${outcomes.map(({ host, status }) => `${host} ${status}`).join(", ")}`);
      return outcomes;
    } catch (error) {
      if (error instanceof Gone || (error as Error).name === "AbortError") return undefined;
      throw error;
    } finally {
      process.kill();
    }
  }

  /** Ends what is under way, for good. */
  stop(): void {
    this.#process?.kill();
  }

  /** Takes the journal of a rollout, which nobody else may be at work on. */
  open(id: string, process: DeployerProcess): (text: string) => void {
    const path = `rollouts/${id}.jsonl`;
    if (this.#atWork.get(path)?.isAlive === true) throw new OperationError("LOCK_HELD", "another process is at work");
    this.#atWork.set(path, process);
    return (text) => {
      const file = this.#files.get(path) ?? { text: "", syncedChars: 0 };
      file.text += text;
      if (this.#without !== "rollout-sync") file.syncedChars = file.text.length;
      this.#files.set(path, file);
    };
  }

  close(id: string): void {
    this.#atWork.delete(`rollouts/${id}.jsonl`);
  }

  pendingOf(process: DeployerProcess): PendingHosts {
    const files: PendingFiles = {
      names: async () => {
        process.requireAlive();
        return [...this.#files.keys()].filter((path) => path.startsWith("pending/")).map((path) => path.slice(8));
      },
      read: async (name) => this.#files.get(`pending/${name}`)?.text,
      write: async (name, text) => {
        process.requireAlive();
        this.#files.set(`pending/${name}`, { text, syncedChars: text.length });
      },
      remove: async (name) => {
        process.requireAlive();
        this.#files.delete(`pending/${name}`);
      },
    };
    return new PendingHosts(FLEET, process.clock, files);
  }

  #loseUnsynced(): void {
    for (const file of this.#files.values()) file.text = file.text.slice(0, file.syncedChars);
  }
}

function describe({ goal, system, others, hosts, policy }: Order): string {
  const rest = [...others].map(([host, { name }]) => `, ${host}: ${name}`).join("");
  return `deploys ${system.name}${rest} to ${hosts.join(" ")} (${goal}, ${policy.onFailure}, at most ${policy.failuresMax} may fail, ${policy.concurrencyMax} at a time)`;
}

interface WorkOptions {
  readonly cancel: AbortSignal;
  readonly abandon: AbortSignal;
  readonly without: Safeguard | undefined;
  readonly killedAt: Act["killedAt"];
  readonly kill: () => void;
}

/** What one process does. */
class Work {
  readonly #desk: Desk;
  readonly #world: World;
  readonly #process: DeployerProcess;
  readonly #options: WorkOptions;
  readonly #sessions: ReadonlyMap<string, SimulatedSession>;
  readonly #display: HookDisplay = {
    directory: ".",
    output: () => undefined,
    run: async (argv, options) => await this.#run(argv, options),
  };
  #events = 0;

  constructor(desk: Desk, world: World, process: DeployerProcess, options: WorkOptions) {
    this.#desk = desk;
    this.#world = world;
    this.#process = process;
    this.#options = options;
    this.#sessions = new Map(
      world.hosts.map((host) => [
        host.name,
        new SimulatedSession(host, world.linkTo(host.name), process, options.without),
      ]),
    );
  }

  async deploy(order: Order): Promise<HostOutcome[]> {
    const hosts = await mapConcurrently(order.hosts, 10, (name) => this.#plan(name, order));
    const plan = { goal: order.goal, hosts, hooks: [], hash: planHash(order.goal, hosts, []) };
    const approved = approvedPlan(plan, {
      fleet: FLEET,
      reason: "deploy",
      policy: order.policy,
      adopt: false,
      temporarySeconds: order.temporarySeconds,
      hooks: [],
      kitOf: () => "/nix/store/kit",
    });
    this.#process.requireAlive();
    const { id, operator } = this.#world.newRollout(this.#desk.name, this.#process.clock.wallClock());
    return await this.#execute({ ...approved, id, operator, ignoreInhibitors: false });
  }

  async #plan(name: string, order: Order): Promise<HostPlan> {
    const host = { ...this.#world.inventoryOf(name), hooks: order.hooks };
    const system = (order.others.get(name) ?? order.system).path;
    const base = { host, system, healthChecks: HEALTH_CHECKS, hooks: order.hooks.filter(({ on }) => on === "host") };
    try {
      const facts = await (
        await this.#sessions.get(name)!.kit(this.#options.cancel)
      ).facts({
        signal: this.#options.cancel,
      });
      const { activated, profile } = facts.systems;
      const isSettled = activated === system && profile === system && facts.transaction === null;
      const state = isSettled ? "unchanged" : "change";
      return { ...base, facts, state, ...(activated === null ? {} : { previous: activated }) };
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      const isUnreachable = error.code === "HOST_UNREACHABLE" || error.code === "HOST_TIMEOUT";
      return { ...base, state: isUnreachable ? "unreachable" : "failed", error };
    }
  }

  async resume(): Promise<HostOutcome[]> {
    const state = this.#desk.openRollouts().find(({ isRunning }) => !isRunning);
    if (state === undefined) return [];
    const names = state.rollout.hosts.map(({ host }) => host.name);
    const rollout = { ...state.rollout, refused: await this.#refused(names) };
    return await this.#execute(rollout, state);
  }

  async #refused(names: readonly string[]): Promise<RolloutRecord["refused"]> {
    const { cancel } = this.#options;
    const looked = await mapConcurrently(names, 10, async (name) => {
      try {
        await this.#sessions.get(name)!.exchange({ signal: cancel }, 30_000, async () => undefined);
        return [];
      } catch (error) {
        if (!(error instanceof OperationError)) throw error;
        return [refusal(name, error)];
      }
    });
    return looked.flat();
  }

  async #execute(rollout: RolloutRecord, before?: RolloutState): Promise<HostOutcome[]> {
    const { cancel, abandon } = this.#options;
    const write = this.#desk.open(rollout.id, this.#process);
    const watch = this.#world.watch(rollout, before);
    const pending = this.#desk.pendingOf(this.#process);
    const begun = before === undefined ? begunEvent(rollout, this.#desk.rollouts(), await pending.list()) : undefined;
    const append = (event: RolloutEvent): void => {
      this.#process.requireAlive();
      const { killedAt } = this.#options;
      const isLast = ++this.#events === killedAt?.event;
      if (isLast && killedAt.when === "before") this.#die();
      write(encodeEvent(event, this.#process.clock.wallClock()));
      watch.journalled(event);
      if (isLast) this.#die();
    };
    if (begun !== undefined) append(begun);
    const outcomes = await deployFleet(rollout, this.#sessions, {
      clock: this.#process.clock,
      localStore: LOCAL_STORE,
      ...(before === undefined ? {} : { known: before.outcomes, begun: before.begun }),
      journal: { append },
      onOutcome: (host, outcome) => pending.note(rollout, host, outcome),
      cancel,
      abandon,
      hooks: this.#display,
      owed: before?.owed ?? new Set(begun?.owed),
      observer: this.#observerOf((outcome) => watch.finished(outcome)),
    });
    this.#process.requireAlive();
    watch.ended(outcomes);
    return outcomes;
  }

  #interrupted(id: string): InterruptedJournal | undefined {
    const state = this.#desk.openRollouts().find(({ rollout }) => rollout.id === id);
    if (state === undefined || state.isRunning) return undefined;
    const write = this.#desk.open(id, this.#process);
    return {
      begun: state.begun,
      outcomes: state.outcomes,
      append: (event) => {
        this.#process.requireAlive();
        write(encodeEvent(event, this.#process.clock.wallClock()));
      },
      [Symbol.dispose]: () => this.#desk.close(id),
    };
  }

  async converge(): Promise<HostOutcome[]> {
    const { cancel, abandon } = this.#options;
    const pending = this.#desk.pendingOf(this.#process);
    const listed = await pending.list();
    const onDropped = (host: string, text: string): void => this.#world.trace(this.#desk.name, `${host}: ${text}`);
    for (const entry of listed.filter((one) => pending.isOver(one)))
      await dropPending(entry, "it has expired", { pending, hooks: this.#display, onDropped });
    return await convergeHosts(
      listed.filter((one) => !pending.isOver(one)),
      {
        pending,
        sessions: this.#sessions,
        interrupted: async (id) => await Promise.resolve(this.#interrupted(id)),
        look: (rollout, hosts) => {
          this.#world.checkClaims(rollout.id);
          return this.#refused(hosts);
        },
        observerOf: (part) => this.#observerOf((outcome) => this.#world.told(part, outcome)),
        hooks: this.#display,
        onDropped,
        clock: this.#process.clock,
        localStore: LOCAL_STORE,
        cancel,
        abandon,
      },
    );
  }

  /** Programs on the operator's machine are what they are called. */
  async #run([program = "", host = ""]: readonly string[], options: RunOptions = {}): Promise<ProcessOutcome> {
    const { deadlineMs = Infinity, extraEnv, signal } = options;
    const { time } = this.#world;
    this.#process.requireAlive();
    if (extraEnv?.["PRISTINE_HOOK"] === DRAIN.name)
      this.#desk.drain(extraEnv["PRISTINE_HOST"]!, extraEnv["PRISTINE_MOMENT"]!);
    const timedOut = program === "hangs";
    await this.#process.wait(time.sleep(timedOut ? deadlineMs : HOOK_MS), signal == null ? {} : { signal });
    const isOk = program === "is-served" ? this.#sessions.get(host)!.isServed() : program !== "fails";
    const nothing = Buffer.alloc(0);
    return { code: isOk ? 0 : 1, signal: undefined, timedOut, stdout: nothing, stderr: nothing };
  }

  #die(): never {
    this.#options.kill();
    throw new Gone("killed while the journal was written");
  }

  #observerOf(finished: (outcome: HostOutcome) => void): DeployObserver {
    const { name } = this.#desk;
    const say = (text: string): void => {
      this.#process.requireAlive();
      this.#world.trace(name, text);
    };
    return {
      phase: (host, text, options) => {
        // Hooks on the deployer are timed by a real clock.
        if (options?.minor !== true) say(`${host}: ${text.replace(/ after [\d.]+ s/, "")}`);
      },
      wave: (index, hosts) => say(`wave ${index + 1}: ${hosts.join(" ")}`),
      pause: (seconds) => say(`pauses ${seconds} s`),
      halted: (reason) => say(`halts: ${reason}`),
      finished: (outcome) => {
        const why = "reason" in outcome ? ` (${outcome.reason})` : "";
        say(`${outcome.host} is told to be ${outcome.status}${why}`);
        finished(outcome);
      },
    };
  }
}
