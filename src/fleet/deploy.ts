/**
 * Executes a rollout: per host copy, activate, check, confirm or see it return; one outcome per host, in the order of the
 * waves. Each step is in the journal before it is taken, and what is not reached becomes pending.
 */

import type { Clock } from "../base/clock.ts";
import { invariant, OperationError } from "../base/errors.ts";
import { StorePath } from "../format/store-path.ts";
import type { DeployerCheck, HealthResult } from "../machine/health-check.ts";
import type { JournalRecord, StepName, TransactionPlan } from "../machine/transaction.ts";
import { TRANSACTION_STEPS } from "../machine/transaction.ts";
import type { ReadStore } from "../store/store.ts";
import { activateHost, type ActivationKit } from "./activate-host.ts";
import { copyToHost, type CopyTarget } from "./copy-to-host.ts";
import { runDeployerChecks } from "./deployer-checks.ts";
import { type HostOutcome, type HostResult, NOT_REACHED, type TimelineEntry } from "./outcome.ts";
import { hasFailed, rollOut, type RolloutObserver } from "./rollout/rollout.ts";
import type { RolloutEvent } from "./rollout/rollout-journal.ts";
import { type ApprovedHost, refusalOf, type RolloutRecord, transactionId } from "./rollout/rollout-record.ts";

export interface DeployOptions {
  readonly clock: Clock;
  readonly localStore: ReadStore;
  /** Outcomes of the same rollout from before it was interrupted. */
  readonly known?: ReadonlyMap<string, HostOutcome>;
  /** Hosts on which something may have happened then: one that cannot be asked now is not as it was. */
  readonly begun?: ReadonlySet<string>;
  /** Hears of everything before it is done, and has it on disk when it returns. */
  readonly journal?: { append(event: RolloutEvent): void };
  /** Told of every outcome: a host that was not reached may become pending, which is answered as the time it ends. */
  readonly onOutcome?: (host: ApprovedHost, outcome: HostOutcome) => Promise<string | undefined>;
  /** Hosts whose activation has not begun are skipped once this is aborted. */
  readonly cancel: AbortSignal;
  /** Stops watching altogether. */
  readonly abandon: AbortSignal;
  readonly observer: DeployObserver;
}

/** What a deployment asks of a host: a `HostSession`, or a model of one. */
export interface DeploySession extends CopyTarget {
  readonly connection: { readonly address: string; readonly passedOver: readonly string[] };
  kit(signal: AbortSignal): Promise<ActivationKit>;
}

/** How the command line hears of progress. */
export interface DeployObserver extends RolloutObserver {
  phase(host: string, text: string, options?: { readonly minor?: boolean }): void;
}

export async function deployFleet(
  rollout: RolloutRecord,
  sessions: Sessions,
  options: DeployOptions,
): Promise<HostOutcome[]> {
  const { journal, clock, cancel, observer } = options;
  const approved = new Map(rollout.hosts.map((entry) => [entry.host.name, entry]));
  const waves = rollout.waves.map((names) => names.map((name) => ({ name, entry: approved.get(name)! })));
  const known = new Map([...(options.known ?? [])].filter(([, outcome]) => isSettled(outcome)));
  const noted = async (entry: ApprovedHost, outcome: HostOutcome): Promise<HostOutcome> => {
    const pendingUntil = await options.onOutcome?.(entry, outcome);
    const told =
      outcome.status === "unreachable" && pendingUntil !== undefined ? { ...outcome, pendingUntil } : outcome;
    if (isSettled(told)) journal?.append({ kind: "outcome", outcome: told });
    return told;
  };
  const outcomes = await rollOut(
    waves,
    {
      deploy: async ({ entry }) =>
        await noted(entry, withDoubt(await deployHost(entry, rollout, sessions, options), rollout, options.begun)),
      rollBack: async ({ entry }, changed, reason) =>
        await noted(entry, await takeBack(entry, { rollout, changed, reason }, sessions, options)),
      skip: async ({ name, entry }, because) =>
        await noted(entry, { status: "skipped", because, host: name, goal: rollout.goal, timeline: [] }),
    },
    { policy: rollout.policy, clock, cancel, known, observer },
  );
  if (outcomes.every(isSettled)) journal?.append({ kind: "ended" });
  return outcomes;
}

/** Whether an outcome stays true; a host that was not heard of again has to be asked. */
function isSettled(outcome: HostOutcome): boolean {
  return outcome.status !== "unknown" && !(outcome.status === "skipped" && outcome.because === "cancelled");
}

type Note = (text: string, minor?: boolean, transient?: boolean) => void;
type Sessions = ReadonlyMap<string, DeploySession>;

/** Makes a host's story while `act` works on it; what befalls the host is its outcome. */
async function tell(
  name: string,
  { goal }: Pick<RolloutRecord, "goal">,
  options: DeployOptions,
  act: (note: Note, onCopied: (amount: { paths: number; bytes: number }) => void) => Promise<HostResult>,
): Promise<HostOutcome> {
  const startedMs = options.clock.nowMs();
  const timeline: TimelineEntry[] = [];
  const note: Note = (text, minor = false, transient = false) => {
    if (!transient) timeline.push({ atMs: Math.round(options.clock.nowMs() - startedMs), text });
    options.observer.phase(name, text, { minor });
  };
  let copied: { paths: number; bytes: number } | undefined;
  let result: HostResult;
  try {
    result = await act(note, (amount) => (copied = amount));
  } catch (error) {
    result = failureOf(error, options.cancel);
  }
  return { ...result, host: name, goal, timeline, ...(copied && { copied }) };
}

async function deployHost(
  entry: ApprovedHost,
  rollout: RolloutRecord,
  sessions: Sessions,
  options: DeployOptions,
): Promise<HostOutcome> {
  const { name } = entry.host;
  return await tell(name, rollout, options, async (note, onCopied) => {
    if (options.cancel.aborted) return { status: "skipped", because: "cancelled" };
    if (entry.isUnchanged && rollout.goal !== "dry-activate") return { status: "unchanged" };
    const refusal = refusalOf(rollout, name);
    if (refusal !== undefined) throw refusal;
    const session = sessions.get(name);
    if (session === undefined) throw new OperationError("HOST_UNREACHABLE", `no session for ${name}`);
    options.journal?.append({ kind: "host", host: name });
    const kit = await session.kit(options.cancel);
    const { address, passedOver } = session.connection;
    if (passedOver.length > 0) note(`reached at ${address}; ${passedOver.join("; ")}`);
    const plan = transactionPlan(entry, rollout);
    onCopied(await copySystem(plan.system, session, options, note));
    // What becomes the system at the next boot cannot be looked at now.
    const checks = rollout.goal === "boot" ? [] : (entry.host.deployerChecks ?? []);
    return await activate(kit, plan, options, note, checks);
  });
}

/** Of a host whose activation may have begun before an interruption, nothing is known until it can be asked. */
function withDoubt(outcome: HostOutcome, rollout: RolloutRecord, begun: ReadonlySet<string> | undefined): HostOutcome {
  const { host, goal, timeline } = outcome;
  const isAsked = outcome.status !== "unreachable" && refusalOf(rollout, host) === undefined;
  if (isAsked || begun?.has(host) !== true || !("reason" in outcome)) return outcome;
  const reason = `${host} cannot be asked what became of its activation: ${outcome.reason}`;
  return { status: "unknown", reason, host, goal, timeline };
}

/** Brings a host that a rollout has changed back to what it ran before, as a transaction of its own. */
async function takeBack(
  entry: ApprovedHost,
  { rollout, changed, reason }: { rollout: RolloutRecord; changed: HostOutcome; reason: string },
  sessions: Sessions,
  options: DeployOptions,
): Promise<HostOutcome> {
  const { name } = entry.host;
  return await tell(name, rollout, options, async (note) => {
    const session = sessions.get(name);
    const changes =
      changed.status === "temporary" ? { ...changed, system: entry.system } : "receipt" in changed && changed.receipt;
    if (session === undefined || changes === undefined || changes === false) {
      throw new OperationError("HOST_UNREACHABLE", `nothing is known of the system that ${name} ran before`);
    }
    note(`going back: ${reason}`);
    const { previous, system } = changes;
    const { temporarySeconds: _, ...forth } = transactionPlan(entry, rollout);
    const plan: TransactionPlan = {
      ...forth,
      goal: forth.goal === "temporary" ? "test" : forth.goal,
      id: transactionId(rollout, name, "back"),
      system: previous,
      ...(system === undefined ? {} : { expectedPrevious: system }),
      reason: `rollback: ${reason}`,
      healthChecks: entry.previousHealthChecks,
    };
    // An interruption does not leave the wave half taken back.
    const result = await activate(
      await session.kit(options.abandon),
      plan,
      { ...options, cancel: options.abandon },
      note,
    );
    return hasFailed(result) || !("receipt" in result) || result.receipt === undefined
      ? result
      : { status: "rolled-back", reason, log: [], receipt: result.receipt };
  });
}

async function copySystem(
  system: string,
  session: DeploySession,
  options: DeployOptions,
  note: Note,
): Promise<{ paths: number; bytes: number }> {
  note("copying");
  const copied = await copyToHost({
    from: options.localStore,
    to: session,
    root: rootOf(system, options.localStore.storeDir),
    clock: options.clock,
    signal: options.cancel,
    onProgress: (progress) => note(`copying ${progress.pathsDone}/${progress.pathsTotal} paths`, true, true),
    onNote: note,
  });
  note(copied.paths === 0 ? "nothing to copy" : `copied ${copied.paths} ${copied.paths === 1 ? "path" : "paths"}`);
  return copied;
}

function activate(
  kit: ActivationKit,
  plan: TransactionPlan,
  options: DeployOptions,
  note: Note,
  checks: readonly DeployerCheck[] = [],
): Promise<HostResult> {
  const { clock, abandon } = options;
  const checkHealth = async (withinMs: number): Promise<HealthResult[]> => {
    const results = await runDeployerChecks(checks, { clock, signal: abandon, withinMs, settles: true });
    for (const result of results) note(describeResult(result));
    return results;
  };
  return activateHost({
    kit,
    plan,
    clock,
    ...(checks.length === 0 ? {} : { checkHealth }),
    cancel: options.cancel,
    abandon,
    onRecord: (record) => {
      const described = describeRecord(record);
      if (described !== undefined) note(described.text, described.isMinor);
    },
    onNote: note,
  });
}

function transactionPlan(entry: ApprovedHost, rollout: RolloutRecord): TransactionPlan {
  const { host, system, previous, healthChecks } = entry;
  invariant(system !== undefined, `there is no system to deploy to ${host.name}`);
  return {
    version: 1,
    id: transactionId(rollout, host.name, "forth"),
    goal: rollout.goal,
    host: host.name,
    system,
    ...(previous === undefined ? {} : { expectedPrevious: previous }),
    planHash: rollout.planHash,
    operator: rollout.operator,
    reason: rollout.reason,
    ...(rollout.temporarySeconds === undefined ? {} : { temporarySeconds: rollout.temporarySeconds }),
    confirmTimeoutSeconds: host.confirmTimeoutSeconds,
    keepGenerations: host.keepGenerations,
    healthChecks,
    ...(rollout.ignoreInhibitors ? { ignoreInhibitors: true } : {}),
  };
}

const TITLES = new Map(TRANSACTION_STEPS.map((step) => [step.name, step.title]));

/** Steps that people want to see go by even where only few lines are shown. */
const MAJOR_STEPS: ReadonlySet<StepName> = new Set(["flip", "reboot", "health", "revert-flip", "revert-reboot"]);

/** A journal record as a line of the timeline, or `undefined` when it says nothing new to people. */
export function describeRecord(
  record: JournalRecord,
): { readonly text: string; readonly isMinor: boolean } | undefined {
  const major = (text: string): { text: string; isMinor: boolean } => ({ text, isMinor: false });
  switch (record.kind) {
    case "step":
      if (record.event === "begin")
        return { text: TITLES.get(record.step) ?? record.step, isMinor: !MAJOR_STEPS.has(record.step) };
      return record.event === "failed" ? major(`${record.step} failed: ${record.message}`) : undefined;
    case "state":
      return record.reason === undefined ? undefined : major(`${record.state}: ${record.reason.message}`);
    case "health":
      return major(describeResult(record.result));
    case "note":
      return major(record.message);
    case "recorded":
    case "deadline":
    case "units":
    case "active-units":
      return undefined;
  }
}

function describeResult({ name, from, healthy, message }: HealthResult): string {
  return `${healthy ? "healthy" : "unhealthy"}${from === undefined ? "" : ` from the ${from}`}: ${name} (${message})`;
}

function failureOf(error: unknown, cancel: AbortSignal): HostResult {
  if (cancel.aborted && (error as { name?: string }).name === "AbortError")
    return { status: "skipped", because: "cancelled" };
  if (!(error instanceof OperationError)) throw error;
  const hint = error.hint === undefined ? {} : { hint: error.hint };
  if (NOT_REACHED.has(error.code)) return { status: "unreachable", reason: error.message, ...hint };
  return { status: "failed", code: error.code, reason: error.message, ...hint };
}

/** The store path of a full path that is known to be a direct child of the store. */
export function rootOf(path: string, storeDir: string): StorePath {
  const parsed = StorePath.parse(path.slice(storeDir.length + 1));
  if (!parsed.ok) throw new OperationError("STORE_PATH_INVALID", `${path} is not a path of the store ${storeDir}`);
  return parsed.value;
}
