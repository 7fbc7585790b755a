/**
 * Makes derivations' outputs valid: plans what has to be built, then builds it in parallel, inputs first.
 *
 * The queue is driven by events: a derivation becomes ready when its last input is done, and nothing is ever polled.
 */

import { OperationError } from "../base/errors.ts";
import { type Derivation, isDynamic, outputPathOf } from "../format/derivation.ts";
import type { StorePath } from "../format/store-path.ts";
import type { LocalStore } from "../store/local-store.ts";
import { processorCount } from "../system/machine.ts";
import type { BuildActivity, BuildEvent } from "./build-event.ts";
import { buildOne, type BuildSettings, isFetch } from "./build-one.ts";

export interface RealiseOptions {
  readonly store: LocalStore;
  /** Valid derivations whose outputs are wanted. */
  readonly drvPaths: readonly StorePath[];
  /** By the derivation's base name; all outputs when absent. */
  readonly outputs?: ReadonlyMap<string, readonly string[]> | undefined;
  readonly signal: AbortSignal;
  readonly onEvent?: ((event: BuildEvent) => void) | undefined;
  /** Builders at the same time. */
  readonly jobs?: number | undefined;
  /** Downloads at the same time, besides the builders. */
  readonly fetches?: number | undefined;
  /** What builders are told as NIX_BUILD_CORES. */
  readonly cores?: number | undefined;
  /** Go on with what does not depend on a failure. */
  readonly keepGoing?: boolean | undefined;
  readonly keepFailed?: boolean | undefined;
  readonly timeoutMs?: number | undefined;
  readonly silenceMs?: number | undefined;
  /** Only plan: nothing is built. */
  readonly dryRun?: boolean | undefined;
  readonly downloadsDir?: string | undefined;
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly bwrap?: string | undefined;
}

export interface RealiseOutcome {
  /** Wanted outputs by name, by the derivation's base name. */
  readonly outputs: ReadonlyMap<string, ReadonlyMap<string, StorePath>>;
  /** Why wanted derivations have no outputs, by base name. */
  readonly failures: ReadonlyMap<string, Error>;
  /** What was built, or would be. */
  readonly built: number;
  readonly fetched: number;
  readonly fetchedBytes: number;
}

const FETCHES = 8;

/** Throws the first failure; with `keepGoing`, after everything else is done. */
export async function realise(options: RealiseOptions): Promise<RealiseOutcome> {
  const outcome = await realiseWhatCan(options);
  for (const failure of outcome.failures.values()) throw failure;
  return outcome;
}

/** The same, but with `keepGoing` a failure is told instead of thrown. */
export async function realiseWhatCan(options: RealiseOptions): Promise<RealiseOutcome> {
  const { store, drvPaths, signal } = options;
  const onEvent = options.onEvent ?? ((): void => undefined);
  let plan = await planGoals(options);
  if (options.dryRun !== true) {
    // Outputs by what they are; derivations because what a build leaves in the store directory is named after them.
    const drvPaths = [...plan.goals.values()].map((goal) => goal.drvPath);
    await store.addTempRoots([...options.drvPaths, ...drvPaths, ...plan.touched], signal);
    // A collector may have taken what was valid before it was protected: only now it counts.
    plan = await planGoals(options);
  }
  const goals = [...plan.goals.values()];
  const fetches = goals.filter((goal) => goal.activity === "fetch").length;
  onEvent({ kind: "planned", builds: goals.length - fetches, fetches });
  let fetchedBytes = 0;
  const failures = new Map<string, Error>();
  if (goals.length > 0 && options.dryRun !== true) {
    fetchedBytes = await new Schedule(goals, options, onEvent).run();
    for (const { baseName } of drvPaths) {
      const failure = plan.goals.get(baseName)?.failure;
      if (failure !== undefined) failures.set(baseName, failure);
    }
  }
  const outputs = new Map<string, ReadonlyMap<string, StorePath>>();
  for (const drvPath of drvPaths) {
    if (failures.has(drvPath.baseName)) continue;
    const drv = await store.derivation(drvPath);
    const names = options.outputs?.get(drvPath.baseName) ?? [...drv.outputs.keys()];
    outputs.set(drvPath.baseName, new Map(names.map((name) => [name, outputPathOf(drv, name, store.storeDir)!])));
  }
  return { outputs, failures, built: goals.length - fetches, fetched: fetches, fetchedBytes };
}

/** A derivation that has to be realised. */
interface Goal {
  readonly drvPath: StorePath;
  readonly drv: Derivation;
  readonly activity: BuildActivity;
  readonly dependents: Goal[];
  /** Inputs that are not done. */
  waitingFor: number;
  /** Why it has no outputs: its own failure, or the first one of its inputs. */
  failure?: Error;
}

interface Plan {
  readonly goals: ReadonlyMap<string, Goal>;
  /** Outputs that are or will be used, to be kept from collectors meanwhile. */
  readonly touched: readonly StorePath[];
}

/** Finds what is not valid, from the wanted outputs down to inputs that are. */
async function planGoals(options: RealiseOptions): Promise<Plan> {
  const { store, signal } = options;
  const goals = new Map<string, Goal>();
  const touched = new Map<string, StorePath>();
  const stack: {
    readonly drvPath: StorePath;
    readonly outputs: readonly string[] | undefined;
    readonly dependent: Goal | undefined;
  }[] = options.drvPaths.map((drvPath) => ({
    drvPath,
    outputs: options.outputs?.get(drvPath.baseName),
    dependent: undefined,
  }));
  for (let item = stack.pop(); item !== undefined; item = stack.pop()) {
    signal.throwIfAborted();
    const { drvPath, dependent } = item;
    const drv = await store.derivation(drvPath);
    const paths = (item.outputs ?? [...drv.outputs.keys()]).map((name) => outputPathOf(drv, name, store.storeDir));
    for (const path of paths) if (path !== undefined) touched.set(path.baseName, path);
    if (paths.every((path) => path !== undefined && store.isValid(path))) continue;
    let goal = goals.get(drvPath.baseName);
    if (goal === undefined) {
      goal = { drvPath, drv, activity: isFetch(drv) ? "fetch" : "build", dependents: [], waitingFor: 0 };
      goals.set(drvPath.baseName, goal);
      requireSources(drvPath, drv, store);
      if (isDynamic(drv)) {
        throw new OperationError(
          "DERIVATION_UNSUPPORTED",
          `'${drvPath.render(store.storeDir)}' needs an output of a derivation that is built by another one, which is not supported`,
        );
      }
      for (const input of drv.inputDerivations) {
        stack.push({ drvPath: input.path, outputs: input.outputs, dependent: goal });
      }
    }
    if (dependent !== undefined && !goal.dependents.includes(dependent)) {
      goal.dependents.push(dependent);
      dependent.waitingFor++;
    }
  }
  return { goals, touched: [...touched.values()] };
}

function requireSources(drvPath: StorePath, drv: Derivation, store: LocalStore): void {
  const absent = drv.inputSources.find((path) => !store.isValid(path));
  if (absent === undefined) return;
  throw new OperationError(
    "PATH_INVALID",
    `'${drvPath.render(store.storeDir)}' needs '${absent.render(store.storeDir)}', which is not valid in the store and cannot be built`,
    { hint: "evaluate again, which adds sources to the store" },
  );
}

/** Runs goals as they become ready. */
class Schedule {
  readonly #goals: readonly Goal[];
  readonly #settings: BuildSettings;
  readonly #slots: Record<BuildActivity, number>;
  readonly #ready: Record<BuildActivity, Goal[]> = { build: [], fetch: [] };
  readonly #keepGoing: boolean;
  /** Ends what still runs after a failure. */
  readonly #stop = new AbortController();
  #firstFailure: Error | undefined;
  #running = 0;
  #fetchedBytes = 0;
  #onIdle: () => void = () => undefined;

  constructor(goals: readonly Goal[], options: RealiseOptions, onEvent: (event: BuildEvent) => void) {
    this.#goals = goals;
    this.#keepGoing = options.keepGoing ?? false;
    this.#slots = { build: options.jobs ?? processorCount(), fetch: options.fetches ?? FETCHES };
    const references = new Map<string, readonly StorePath[]>();
    const { store } = options;
    this.#settings = {
      store,
      signal: AbortSignal.any([options.signal, this.#stop.signal]),
      onEvent,
      cores: options.cores ?? processorCount(),
      keepFailed: options.keepFailed ?? false,
      timeoutMs: options.timeoutMs,
      silenceMs: options.silenceMs,
      downloadsDir: options.downloadsDir,
      outerEnv: options.env ?? process.env,
      bwrap: options.bwrap,
      referencesOf: (path) => {
        let known = references.get(path.baseName);
        if (known === undefined) {
          known = store.database.references(path);
          references.set(path.baseName, known);
        }
        return known;
      },
    };
  }

  /** Returns the bytes that were downloaded. */
  async run(): Promise<number> {
    const idle = new Promise<void>((resolve) => (this.#onIdle = resolve));
    for (const goal of this.#goals) if (goal.waitingFor === 0) this.#ready[goal.activity].push(goal);
    this.#startReady();
    if (this.#running > 0) await idle;
    const first = this.#firstFailure;
    if (first !== undefined && !this.#keepGoing) throw first;
    // Interrupted between two goals, nothing has failed; but not everything is done.
    this.#settings.signal.throwIfAborted();
    const stuck = this.#goals.find((goal) => goal.waitingFor > 0 && goal.failure === undefined);
    if (stuck !== undefined) {
      throw new OperationError(
        "BUILD_FAILED",
        `the derivation '${stuck.drvPath.render(this.#settings.store.storeDir)}' depends on itself`,
      );
    }
    return this.#fetchedBytes;
  }

  #startReady(): void {
    for (const activity of ["fetch", "build"] as const) {
      while (this.#slots[activity] > 0 && !this.#isStopping) {
        const goal = this.#ready[activity].shift();
        if (goal === undefined) break;
        this.#slots[activity]--;
        this.#running++;
        void this.#realiseGoal(goal).then(() => {
          this.#slots[activity]++;
          this.#running--;
          this.#startReady();
          if (this.#running === 0) this.#onIdle();
        });
      }
    }
  }

  get #isStopping(): boolean {
    return this.#settings.signal.aborted;
  }

  async #realiseGoal(goal: Goal): Promise<void> {
    const { drvPath, drv, activity, dependents } = goal;
    const { onEvent } = this.#settings;
    const startedMs = performance.now();
    try {
      onEvent({ kind: "started", drvPath, activity });
      const { fetchedBytes } = await buildOne(drvPath, drv, this.#settings);
      this.#fetchedBytes += fetchedBytes;
      onEvent({ kind: "finished", drvPath, activity, durationMs: performance.now() - startedMs, fetchedBytes });
      for (const dependent of dependents) {
        if (--dependent.waitingFor === 0) this.#ready[dependent.activity].push(dependent);
      }
    } catch (caught) {
      const error = caught instanceof Error ? caught : new Error(String(caught));
      this.#firstFailure ??= error;
      fail(goal, error);
      // What was ended because something else failed has nothing to say of its own.
      if (!this.#isStopping) onEvent({ kind: "failed", drvPath, activity, error });
      if (!this.#keepGoing) this.#stop.abort(error);
    }
  }
}

/** What depends on a failure has failed by it. */
function fail(failed: Goal, error: Error): void {
  for (let pending = [failed], goal = pending.pop(); goal !== undefined; goal = pending.pop()) {
    if (goal.failure !== undefined) continue;
    goal.failure = error;
    pending.push(...goal.dependents);
  }
}
