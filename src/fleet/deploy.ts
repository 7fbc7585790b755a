/**
 * Executes a plan: per host copy, activate, check, confirm or see it return; one outcome per host, in order.
 *
 * Hosts are independent: one host's failure neither stops nor reverts another.
 */

import type { Clock } from "../base/clock.ts";
import { invariant, OperationError } from "../base/errors.ts";
import { StorePath } from "../format/store-path.ts";
import type { JournalRecord, Operator, StepName, TransactionGoal, TransactionPlan } from "../machine/transaction.ts";
import { TRANSACTION_STEPS } from "../machine/transaction.ts";
import type { ReadStore } from "../store/store.ts";
import { activateHost } from "./activate-host.ts";
import { copyToHost } from "./copy-to-host.ts";
import { mapConcurrently } from "../base/concurrency.ts";
import type { HostSession } from "./host-session.ts";
import type { HostOutcome, HostResult, TimelineEntry } from "./outcome.ts";
import type { HostPlan } from "./plan.ts";

export interface DeployOptions {
  readonly goal: TransactionGoal;
  readonly concurrencyMax: number;
  readonly operator: Operator;
  readonly reason: string;
  readonly planHash?: string;
  readonly clock: Clock;
  /** Unique per run; part of every transaction's id. */
  readonly runId: string;
  readonly localStore: ReadStore;
  /** Hosts whose activation has not begun are skipped once this is aborted. */
  readonly cancel: AbortSignal;
  /** Stops watching altogether. */
  readonly abandon: AbortSignal;
  readonly observer: DeployObserver;
  readonly ignoreInhibitors?: boolean;
}

/** How the command line hears of progress. */
export interface DeployObserver {
  phase(host: string, text: string, options?: { readonly minor?: boolean }): void;
  finished(outcome: HostOutcome): void;
}

export async function deployFleet(
  plans: readonly HostPlan[],
  sessions: ReadonlyMap<string, HostSession>,
  options: DeployOptions,
): Promise<HostOutcome[]> {
  return mapConcurrently(plans, options.concurrencyMax, async (plan) => {
    const startedMs = options.clock.nowMs();
    const timeline: TimelineEntry[] = [];
    const note = (text: string, minor = false, transient = false): void => {
      if (!transient) timeline.push({ atMs: Math.round(options.clock.nowMs() - startedMs), text });
      options.observer.phase(plan.host.name, text, { minor });
    };
    let copied: { paths: number; bytes: number } | undefined;
    let result: HostResult;
    try {
      result = await deployHost(plan, sessions.get(plan.host.name), options, note, (amount) => (copied = amount));
    } catch (error) {
      result = failureOf(error, options.cancel);
    }
    const outcome: HostOutcome = {
      ...result,
      host: plan.host.name,
      goal: options.goal,
      timeline,
      ...(copied && { copied }),
    };
    options.observer.finished(outcome);
    return outcome;
  });
}

async function deployHost(
  plan: HostPlan,
  session: HostSession | undefined,
  options: DeployOptions,
  note: (text: string, minor?: boolean, transient?: boolean) => void,
  onCopied: (amount: { paths: number; bytes: number }) => void,
): Promise<HostResult> {
  if (options.cancel.aborted) return { status: "skipped", because: "cancelled" };
  if (plan.state === "unchanged" && options.goal !== "dry-activate") return { status: "unchanged" };
  if (plan.state === "unreachable" || plan.state === "failed") return failureOf(plan.error, options.cancel);
  if (session === undefined) throw new OperationError("HOST_UNREACHABLE", `no session for ${plan.host.name}`);
  invariant(plan.system !== undefined, `there is no system to deploy to ${plan.host.name}`);

  const kit = await session.kit(options.cancel);
  const { address, passedOver } = session.connection;
  if (passedOver.length > 0) note(`reached at ${address}; ${passedOver.join("; ")}`);
  note("copying");
  const copied = await copyToHost({
    from: options.localStore,
    to: session,
    root: rootOf(plan.system, options.localStore.storeDir),
    clock: options.clock,
    signal: options.cancel,
    onProgress: (progress) => note(`copying ${progress.pathsDone}/${progress.pathsTotal} paths`, true, true),
    onNote: note,
  });
  onCopied(copied);
  note(copied.paths === 0 ? "nothing to copy" : `copied ${copied.paths} ${copied.paths === 1 ? "path" : "paths"}`);

  return activateHost({
    kit,
    plan: transactionPlan(plan, plan.system, options),
    clock: options.clock,
    cancel: options.cancel,
    abandon: options.abandon,
    onRecord: (record) => {
      const described = describeRecord(record);
      if (described !== undefined) note(described.text, described.isMinor);
    },
    onNote: note,
  });
}

function transactionPlan(plan: HostPlan, system: string, options: DeployOptions): TransactionPlan {
  return {
    version: 1,
    id: `${options.runId}-${plan.host.name}`.slice(0, 64),
    goal: options.goal,
    host: plan.host.name,
    system,
    ...(plan.previous === undefined ? {} : { expectedPrevious: plan.previous }),
    ...(options.planHash === undefined ? {} : { planHash: options.planHash }),
    operator: options.operator,
    reason: options.reason,
    confirmTimeoutSeconds: plan.host.confirmTimeoutSeconds,
    keepGenerations: plan.host.keepGenerations,
    healthChecks: plan.healthChecks,
    ...(options.ignoreInhibitors === true ? { ignoreInhibitors: true } : {}),
  };
}

const TITLES = new Map(TRANSACTION_STEPS.map((step) => [step.name, step.title]));

/** Steps that people want to see go by even where only few lines are shown. */
const MAJOR_STEPS: ReadonlySet<StepName> = new Set(["flip", "health", "revert-flip"]);

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
      return major(
        `${record.result.healthy ? "healthy" : "unhealthy"}: ${record.result.name} (${record.result.message})`,
      );
    case "note":
      return major(record.message);
    case "recorded":
    case "deadline":
    case "units":
    case "active-units":
      return undefined;
  }
}

function failureOf(error: unknown, cancel: AbortSignal): HostResult {
  if (cancel.aborted && (error as { name?: string }).name === "AbortError")
    return { status: "skipped", because: "cancelled" };
  if (!(error instanceof OperationError)) throw error;
  const hint = error.hint === undefined ? {} : { hint: error.hint };
  if (error.code === "HOST_UNREACHABLE" || error.code === "HOST_TIMEOUT")
    return { status: "unreachable", reason: error.message, ...hint };
  return { status: "failed", code: error.code, reason: error.message, ...hint };
}

/** The store path of a full path that is known to be a direct child of the store. */
export function rootOf(path: string, storeDir: string): StorePath {
  const parsed = StorePath.parse(path.slice(storeDir.length + 1));
  if (!parsed.ok) throw new OperationError("STORE_PATH_INVALID", `${path} is not a path of the store ${storeDir}`);
  return parsed.value;
}
