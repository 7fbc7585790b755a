/** Deploying from the command line: options as a request, questions on the terminal, interrupts, and what is shown. */

import { exitCodeOfOutcomes, type HostOutcome } from "../fleet/outcome.ts";
import type { FleetPlan } from "../fleet/plan.ts";
import type { FailurePolicy } from "../fleet/rollout/policy.ts";
import type { Deployment, Executed } from "../library/deploy.ts";
import type { PlanRequest } from "../library/request.ts";
import { type TransactionGoal } from "../machine/transaction.ts";
import { OperationError } from "../base/errors.ts";
import { requireApproval, timeSpanOf, wholeNumberOf } from "./option-values.ts";
import { renderSummary } from "./render/outcome.ts";
import { planRecord, type PlanOptions as PlanView, renderPlan, uploadsOf } from "./render/plan.ts";
import type { Session } from "./session.ts";

/** The options of `plan`, `deploy` and `rollback`, as they are given. */
export interface DeployFlags {
  readonly goal: TransactionGoal;
  readonly on?: readonly string[];
  readonly parallel?: string;
  readonly confirmTimeout?: string;
  readonly adopt?: boolean;
  readonly ignoreInhibitors?: boolean;
  readonly wave?: readonly string[];
  readonly canaries?: string;
  readonly pause?: string;
  readonly maxFailures?: string;
  readonly onFailure?: FailurePolicy;
  readonly pendingFor?: string;
  readonly temporary?: string;
}

/** What the options ask for, checked before anything is done. */
export function requestOf(names: readonly string[], flags: DeployFlags): PlanRequest {
  const { adopt, goal, ignoreInhibitors, onFailure, wave } = flags;
  return definedOf({
    hosts: [...names, ...(flags.on ?? [])],
    goal: goal === "temporary" ? undefined : goal,
    temporarySeconds: flags.temporary === undefined ? undefined : timeSpanOf("--temporary", flags.temporary),
    concurrencyMax: wholeOf("--parallel", flags.parallel, 1),
    confirmTimeoutSeconds: wholeOf("--confirm-timeout", flags.confirmTimeout, 5, "seconds"),
    pendingSeconds: wholeOf("--pending-for", flags.pendingFor, 0, "seconds"),
    canaries: wholeOf("--canaries", flags.canaries, 0),
    pauseSeconds: wholeOf("--pause", flags.pause, 0),
    failuresMax: wholeOf("--max-failures", flags.maxFailures, 0),
    waves: wave,
    adopt,
    ignoreInhibitors,
    onFailure,
  });
}

function wholeOf(option: string, text: string | undefined, min: number, unit?: string): number | undefined {
  return text === undefined ? undefined : wholeNumberOf(option, text, { min, ...(unit && { unit }) });
}

/** Without the properties that are undefined. */
function definedOf<T extends object>(value: { readonly [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as T;
}

/** Shows a plan to people; programs get it with the command's one answer. */
export function showPlan(session: Session, plan: FleetPlan, options: PlanView): void {
  session.progress.close();
  if (session.options.json) return;
  for (const line of renderPlan(plan, session.terminal, options)) session.terminal.out(line);
}

/** Asks on the terminal; without one, only `--yes` approves. */
export async function askForPlan(session: Session, plan: FleetPlan, yes: boolean): Promise<true> {
  // What is not reached is to get its system later.
  const isWanted = ({ state, system }: FleetPlan["hosts"][number]): boolean =>
    state === "change" || (state === "unreachable" && system !== undefined);
  if (yes || !plan.hosts.some((host) => isWanted(host) || uploadsOf(host, plan.goal).length > 0)) return true;
  const { askYesNo } = await import("../system/prompt.ts");
  const answer = await askYesNo(`Deploy plan ${plan.hash.slice(0, 12)}? [y/N] `, session.signal);
  requireApproval(answer, "nothing was changed");
  return true;
}

/** A plan in a file and an interrupted rollout have their hosts and their order already. */
export function refuseTogether(
  names: readonly string[],
  flags: { readonly on: readonly string[]; readonly plan?: string; readonly resume?: string | true },
): void {
  const given = flags.plan !== undefined ? "--plan" : flags.resume !== undefined ? "--resume" : undefined;
  if (given === undefined) return;
  const isMore = names.length > 0 || flags.on.length > 0 || (flags.plan !== undefined && flags.resume !== undefined);
  if (isMore) throw new OperationError("USAGE", `${given} says which hosts are meant: name none besides`);
}

/** The first interrupt ends what has not begun; what has begun is reported; a second one stops watching. */
export async function watched<T>({ progress, signal }: Session, run: (abandon: AbortSignal) => Promise<T>): Promise<T> {
  const abandon = new AbortController();
  const again = (): void => {
    if (signal.aborted) abandon.abort(signal.reason);
  };
  const armed = (): void => {
    progress.line(
      "hosts that are already activating are watched to the end; interrupt again to leave them to themselves",
    );
    setTimeout(() => process.on("SIGINT", again), 100);
  };
  signal.addEventListener("abort", armed, { once: true });
  try {
    return await run(abandon.signal);
  } finally {
    signal.removeEventListener("abort", armed);
    process.off("SIGINT", again);
    progress.close();
  }
}

/** Shows what became of what was approved; answers the exit status. */
export function showExecuted(session: Session, executed: Executed | Deployment): number {
  const { outcomes, rollout } = executed;
  const plan = "plan" in executed ? { plan: planRecord(executed.plan) } : {};
  showOutcomes(session, outcomes, { rollout, ...plan });
  if (!session.options.json && outcomes.some((outcome) => "pendingUntil" in outcome)) {
    session.terminal.out("hosts that are pending get this when they are back: run 'pristine converge --watch'");
  }
  return exitCodeOfOutcomes(outcomes);
}

export function showOutcomes(session: Session, outcomes: readonly HostOutcome[], record: object): void {
  const { terminal, options } = session;
  if (options.json) terminal.out(JSON.stringify({ ...record, outcomes }));
  else for (const line of renderSummary(outcomes, terminal, { verbose: options.verbose })) terminal.out(line);
}
