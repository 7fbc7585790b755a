/** Executing what was approved: new rollouts, plans from files, and interrupted rollouts. */

import { systemClock } from "../base/clock.ts";
import { mapConcurrently } from "../base/concurrency.ts";
import { OperationError } from "../base/errors.ts";
import { deployFleet, rootOf } from "../fleet/deploy.ts";
import type { HostSession } from "../fleet/host-session.ts";
import type { HostInventory } from "../fleet/inventory.ts";
import { type HooksOf, runDeployerHooks } from "../fleet/hooks.ts";
import { exitCodeOfOutcomes, type HostOutcome, isAsWanted, NOT_REACHED } from "../fleet/outcome.ts";
import { readPlanFile } from "../fleet/plan-file.ts";
import { preflightHosts } from "../fleet/preflight.ts";
import { PendingHosts } from "../fleet/rollout/pending.ts";
import {
  begunEvent,
  openJournal,
  openRolloutsOf,
  pruneRollouts,
  rolloutsOf,
  type RolloutState,
} from "../fleet/rollout/rollout-journal.ts";
import { fleetHooksOf } from "../fleet/rollout/rollout-hooks.ts";
import {
  type ApprovedPlan,
  isWithoutSystem,
  newRolloutId,
  refusal,
  requireComplete,
  type RolloutRecord,
} from "../fleet/rollout/rollout-record.ts";
import { dropUnwanted, keepWanted } from "../fleet/rollout/wanted.ts";
import type { Operator } from "../machine/transaction.ts";
import type { LocalStore } from "../store/local-store.ts";
import { openLocalStore } from "../store/open-store.ts";
import { hostName, userName } from "../system/identity.ts";
import { openFleet, withSessionsTo } from "./fleet-context.ts";
import { describeRollout, openRollout } from "./open-work.ts";
import { hookDisplay, requireHooks } from "./hook-flow.ts";
import { renderOutcome, renderSummary } from "./render/outcome.ts";
import { renderDuration } from "./render/table.ts";
import type { Session } from "./session.ts";

export type Sessions = ReadonlyMap<string, HostSession>;

/** Who asks hosts for something from here. */
export function thisOperator(): Operator {
  return { user: userName(), host: hostName(), pid: process.pid };
}

/** Gives an approved plan its id and its operator. */
export function beginRollout(
  plan: ApprovedPlan,
  options: { readonly ignoreInhibitors?: boolean | undefined } = {},
): RolloutRecord {
  return {
    ...plan,
    id: newRolloutId(new Date()),
    operator: thisOperator(),
    ignoreInhibitors: options.ignoreInhibitors ?? false,
  };
}

export interface Execution {
  readonly sessions: Sessions;
  readonly store: LocalStore;
  /** The same rollout, before it was interrupted. */
  readonly before?: RolloutState;
  /** All hosts of the fleet, when all are deployed to: what is kept for others is dropped. */
  readonly wholeFleet?: readonly HostInventory[] | undefined;
}

/** Executes a rollout and shows what became of each host; answers the exit status. */
export async function executeRollout(
  session: Session,
  rollout: RolloutRecord,
  {
    record,
    ...execution
  }: Execution & {
    /** What else the answer for programs has. */
    readonly record?: object;
  },
): Promise<number> {
  const outcomes = await watched(session, (abandon) => runRollout(session, rollout, { ...execution, abandon }));
  showOutcomes(session, outcomes, { rollout: rollout.id, ...record });
  if (!session.options.json && outcomes.some((outcome) => "pendingUntil" in outcome)) {
    session.terminal.out("hosts that are pending get this when they are back: run 'pristine converge --watch'");
  }
  return exitCodeOfOutcomes(outcomes);
}

/** Executes a rollout, journalled; one outcome for each host. */
export async function runRollout(
  session: Session,
  rollout: RolloutRecord,
  {
    sessions,
    store,
    before,
    wholeFleet,
    abandon,
  }: Execution & {
    /** Stops watching hosts that have begun. */
    readonly abandon: AbortSignal;
  },
): Promise<HostOutcome[]> {
  const changes = rollout.goal !== "dry-activate";
  if (changes) await keepWanted(rollout, store, session.signal);
  const pending = new PendingHosts(rollout.fleet, systemClock);
  const begun =
    before === undefined ? begunEvent(rollout, await rolloutsOf(rollout.fleet), await pending.list()) : undefined;
  const { progress } = session;
  const display = hookDisplay(session);
  const hooks = fleetHooksOf(rollout, { display, note: (text) => progress.update(rollout.fleet, text) });
  await runDeployerHooks(hooks, "preRollout", { signal: session.signal });
  using journal = changes ? await openJournal(rollout.fleet, rollout.id) : undefined;
  if (begun !== undefined) journal?.append(begun);
  const outcomes = await deployFleet(rollout, sessions, {
    clock: systemClock,
    localStore: store,
    ...(before === undefined ? {} : { known: before.outcomes, begun: before.begun }),
    ...(journal === undefined ? {} : { journal }),
    onOutcome: (host, outcome) => pending.note(rollout, host, outcome),
    cancel: session.signal,
    abandon,
    owed: before?.owed ?? new Set(begun?.owed),
    observer: observerFor(session, rollout),
    hooks: display,
  });
  await tellFleet(hooks, outcomes);
  if (!changes) return outcomes;
  await pruneRollouts(rollout.fleet);
  const dropped = wholeFleet === undefined ? [] : await dropUnwanted(rollout.fleet, wholeFleet, { store, pending });
  for (const text of dropped) progress.line(text);
  return outcomes;
}

/** A deployment of the fleet has ended, one way or the other. */
async function tellFleet(hooks: HooksOf, outcomes: readonly HostOutcome[]): Promise<void> {
  const failed = outcomes.filter((outcome) => !isAsWanted(outcome)).map(({ host }) => host);
  const facts = { ...hooks.facts, PRISTINE_FAILED: failed.join(" ") };
  await runDeployerHooks({ ...hooks, facts }, "postRollout", { outcome: failed.length === 0 ? "as-wanted" : "failed" });
}

/** The first interrupt ends what has not begun; what has begun is reported; a second one stops watching. */
export async function watched<T>(session: Session, run: (abandon: AbortSignal) => Promise<T>): Promise<T> {
  const { progress, signal } = session;
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

export function observerFor(
  { progress }: Session,
  rollout: RolloutRecord,
): Parameters<typeof deployFleet>[2]["observer"] {
  const count = rollout.waves.length;
  return {
    phase: (host, text, options) => progress.update(host, text, options),
    wave: (index, hosts) => {
      if (count > 1) progress.line(`wave ${index + 1} of ${count}: ${hosts.join(", ")}`);
    },
    pause: (seconds) => progress.line(`pausing ${renderDuration(seconds * 1000)} before the next wave`),
    halted: (reason) =>
      progress.line(
        rollout.policy.onFailure === "rollBackWave"
          ? `halting, and taking the wave back: ${reason}`
          : `halting: ${reason}; hosts that have not begun are left as they are`,
      ),
    finished: (outcome) => {
      const { text, mark } = renderOutcome(outcome);
      progress.done(outcome.host, text, mark);
    },
  };
}

export function showOutcomes(session: Session, outcomes: readonly HostOutcome[], record: object): void {
  const { terminal, options } = session;
  if (options.json) terminal.out(JSON.stringify({ ...record, outcomes }));
  else for (const line of renderSummary(outcomes, terminal, { verbose: options.verbose })) terminal.out(line);
}

/** Executes exactly the plan in a file; refuses when a host is not what it was when the plan was made. */
export async function deployPlanFile(
  session: Session,
  path: string,
  options: { readonly ignoreInhibitors?: boolean | undefined },
): Promise<number> {
  const read = await readPlanFile(path);
  // What could not be reached then is tried again, when there is something for it; so is what may be ignored now.
  const isTriedAgain = (code: string): boolean =>
    NOT_REACHED.has(code) || (code === "SWITCH_INHIBITED" && options.ignoreInhibitors === true);
  const refused = read.refused.filter(({ host, code }) => !isTriedAgain(code) || isWithoutSystem(read, host));
  const plan = { ...read, refused };
  requireComplete(plan);
  const store = await openLocalStore(session.options.store, session.signal);
  await requireSystems(plan, store, session.signal);
  return withSessionsTo(session, { fleet: plan.fleet, store, hosts: plan.hosts }, async (sessions) => {
    const looked = await refusalsOf(session, plan, sessions);
    await requireUnmoved(session, plan, sessions);
    const rollout = beginRollout({ ...plan, refused: [...plan.refused, ...looked] }, options);
    return await executeRollout(session, rollout, { sessions, store });
  });
}

/** What is wrong with hosts now, before anything is done to them: an address may have become another machine's. */
export async function refusalsOf(
  { signal }: Session,
  { fleet, adopt, hooks }: Pick<ApprovedPlan, "fleet" | "adopt" | "hooks">,
  sessions: Sessions,
): Promise<ApprovedPlan["refused"]> {
  const hosts = [...sessions.values()].map(({ host }) => host);
  await requireHooks({ name: fleet, hooks }, hosts);
  const options = { fleet, adopt, needsRoom: false, clock: systemClock, signal };
  const looked = await preflightHosts([...sessions.values()], options);
  return looked.flatMap(({ session, error }) => (error === undefined ? [] : [refusal(session.host.name, error)]));
}

/** Everything that is to be copied has to be in the local store still. */
async function requireSystems(plan: ApprovedPlan, store: LocalStore, signal: AbortSignal): Promise<void> {
  const paths = plan.hosts.flatMap(({ host, isUnchanged, system, kit }) =>
    // What a host has built is there alone.
    system === undefined || kit === undefined ? [] : isUnchanged || host.buildOnTarget === true ? [kit] : [system, kit],
  );
  const roots = [...new Set(paths)].map((path) => rootOf(path, store.storeDir));
  const valid = await store.validPaths(roots, signal);
  const missing = roots.find(({ baseName }) => !valid.has(baseName));
  if (missing === undefined) return;
  throw new OperationError("PLAN_STALE", `${missing.baseName} of the plan is not in the local store any more`, {
    hint: "make the plan again with 'pristine plan --out FILE'",
  });
}

async function requireUnmoved({ progress, signal }: Session, plan: ApprovedPlan, sessions: Sessions): Promise<void> {
  const moved = await mapConcurrently(plan.hosts, plan.policy.concurrencyMax, async ({ host, previous }) => {
    if (previous === undefined) return [];
    progress.update(host.name, "comparing with the plan");
    try {
      const facts = await (await sessions.get(host.name)!.kit(signal)).facts({ signal });
      const runs = facts.systems.activated;
      return runs === previous ? [] : [`${host.name} runs ${runs ?? "no system of ours"}`];
    } catch (error) {
      // The rollout tells what becomes of it.
      if (error instanceof OperationError && !signal.aborted) return [];
      throw error;
    }
  });
  if (moved.flat().length === 0) return;
  throw new OperationError("PLAN_STALE", `the plan does not fit any more: ${moved.flat().join("; ")}`, {
    hint: "nothing was changed; make the plan again with 'pristine plan --out FILE'",
  });
}

/** Goes on with a rollout that was interrupted: `id`, or the newest one of the fleet. */
export async function resumeRollout(session: Session, id: string | true): Promise<number> {
  const { inventory, store } = await openFleet(session, [], { keepGoing: true });
  const state = (await openRolloutsOf(inventory.name)).find(({ rollout }) => id === true || rollout.id === id);
  if (state === undefined) {
    const what = id === true ? "no rollout of this fleet was interrupted" : `there is no interrupted rollout '${id}'`;
    throw new OperationError("ROLLOUT_UNKNOWN", what, { hint: "deploy with 'pristine deploy'" });
  }
  const { rollout } = state;
  session.progress.line(describeRollout(openRollout(state)));
  return withSessionsTo(session, { fleet: inventory.name, store, hosts: rollout.hosts }, async (sessions) => {
    // What was wrong with hosts then may be mended, but nothing is made for them now.
    const kept = rollout.refused.filter(({ host }) => isWithoutSystem(rollout, host));
    const refused = [...kept, ...(await refusalsOf(session, rollout, sessions))];
    return await executeRollout(session, { ...rollout, refused }, { sessions, store, before: state });
  });
}
