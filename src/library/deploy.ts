/** Deploying: what is declared, a host's earlier generation, the plan in a file, and what was interrupted. */

import { mapConcurrently } from "../base/concurrency.ts";
import { OperationError } from "../base/errors.ts";
import { rootOf } from "../fleet/deploy.ts";
import { removeStore } from "../fleet/foreign.ts";
import { type HostOutcome, isAsWanted, NOT_REACHED } from "../fleet/outcome.ts";
import type { HostInventory } from "../fleet/inventory.ts";
import type { FleetPlan } from "../fleet/plan.ts";
import { readPlanFile } from "../fleet/plan-file.ts";
import { openRolloutsOf } from "../fleet/rollout/rollout-journal.ts";
import { type ApprovedPlan, isWithoutSystem, requireComplete } from "../fleet/rollout/rollout-record.ts";
import type { LocalStore } from "../store/local-store.ts";
import { openLocalStore } from "../store/open-store.ts";
import { type Sessions, withSessionsTo } from "./connect.ts";
import { openContext, wholeFleetOf } from "./context.ts";
import type { Deployer } from "./deployer.ts";
import { describeRollout, openRollout } from "./open-work.ts";
import {
  type OpenPlan,
  type RemovalRequest,
  type RollbackRequest,
  withPlan,
  withRemovalPlan,
  withRollbackPlan,
} from "./plan.ts";
import type { PlanRequest } from "./request.ts";
import { beginRollout, refusalsOf, runRollout, type Watch } from "./rollout.ts";

/** How a deployment is approved and watched. */
export interface Approval {
  /** Told of the plan, before it is approved or refused. */
  readonly onPlan?: (plan: FleetPlan, waves: ApprovedPlan["waves"]) => void | Promise<void>;
  /** Asked before anything is changed; absent, it approves. */
  readonly approve?: ((plan: FleetPlan) => boolean | Promise<boolean>) | undefined;
  readonly watch: Watch;
}

/** What became of what was approved. */
export interface Executed {
  /** The id of the rollout, as `pristine deploy --resume` takes it. */
  readonly rollout: string;
  /** One for each host, in the order of the waves. */
  readonly outcomes: readonly HostOutcome[];
}

export interface Deployment extends Executed {
  /** What was approved. */
  readonly plan: FleetPlan;
}

/** Makes the hosts what the fleet declares. */
export async function deployHosts(deployer: Deployer, request: PlanRequest, approval: Approval): Promise<Deployment> {
  return withPlan(deployer, request, (open) =>
    executePlan(deployer, open, { ...approval, ...request, wholeFleet: wholeFleetOf(open.context) }),
  );
}

/** Makes hosts what they were in earlier generations. */
export async function rollBackHosts(
  deployer: Deployer,
  request: RollbackRequest,
  approval: Approval,
): Promise<Deployment> {
  return withRollbackPlan(deployer, request, (open) => executePlan(deployer, open, { ...approval, ...request }));
}

/** Takes everything of ours off a host that somebody else has installed; what services have written stays. */
export async function removeFromHost(
  deployer: Deployer,
  request: RemovalRequest,
  approval: Approval,
): Promise<Deployment> {
  return withRemovalPlan(deployer, request, async (open) => {
    const deployment = await executePlan(deployer, open, { ...approval, ...request });
    const [session] = open.sessions.values();
    if (session !== undefined && deployment.outcomes.every(isAsWanted)) {
      deployer.observer.update(session.host.name, "removing the store");
      await removeStore(session.connection, deployer.signal);
      deployer.observer.done(session.host.name, "nothing of ours is left");
    }
    return deployment;
  });
}

async function executePlan(
  deployer: Deployer,
  { approved, context, plan, sessions }: OpenPlan,
  {
    approve,
    ignoreInhibitors,
    onPlan,
    watch,
    wholeFleet,
  }: Approval & Pick<PlanRequest, "ignoreInhibitors"> & { readonly wholeFleet?: readonly HostInventory[] | undefined },
): Promise<Deployment> {
  await onPlan?.(plan, approved.waves);
  requireComplete(approved);
  if (approve !== undefined && !(await approve(plan)))
    throw new OperationError("NOT_APPROVED", "the plan was not approved; nothing was changed");
  const rollout = beginRollout(approved, { ignoreInhibitors });
  const outcomes = await runRollout(deployer, rollout, { sessions, store: context.store, wholeFleet, watch });
  return { plan, rollout: rollout.id, outcomes };
}

/** Executes exactly the plan in a file; refuses when a host is not what it was when the plan was made. */
export async function deployPlanFile(
  deployer: Deployer,
  path: string,
  options: Pick<PlanRequest, "ignoreInhibitors">,
  watch: Watch,
): Promise<Executed> {
  const read = await readPlanFile(path);
  // What could not be reached then is tried again, when there is something for it; so is what may be ignored now.
  const isTriedAgain = (code: string): boolean =>
    NOT_REACHED.has(code) || (code === "SWITCH_INHIBITED" && options.ignoreInhibitors === true);
  const refused = read.refused.filter(({ host, code }) => !isTriedAgain(code) || isWithoutSystem(read, host));
  const plan = { ...read, refused };
  requireComplete(plan);
  const store = await openLocalStore(deployer.store, deployer.signal);
  await requireSystems(plan, store, deployer.signal);
  return withSessionsTo(deployer, { fleet: plan.fleet, store, hosts: plan.hosts }, async (sessions) => {
    const looked = await refusalsOf(deployer, plan, sessions);
    await requireUnmoved(deployer, plan, sessions);
    const rollout = beginRollout({ ...plan, refused: [...plan.refused, ...looked] }, options);
    const outcomes = await runRollout(deployer, rollout, { sessions, store, watch });
    return { rollout: rollout.id, outcomes };
  });
}

/** Everything that is to be copied has to be in the local store still. */
async function requireSystems(plan: ApprovedPlan, store: LocalStore, signal: AbortSignal): Promise<void> {
  const paths = plan.hosts.flatMap(({ isOnHost, isUnchanged, system, kit, profiles = [] }) => {
    if (system === undefined || kit === undefined) return [];
    return isUnchanged || isOnHost === true ? [kit] : [system, kit, ...profiles.flatMap(({ path }) => path ?? [])];
  });
  const roots = [...new Set(paths)].map((path) => rootOf(path, store.storeDir));
  const valid = await store.validPaths(roots, signal);
  const missing = roots.find(({ baseName }) => !valid.has(baseName));
  if (missing === undefined) return;
  throw new OperationError("PLAN_STALE", `${missing.baseName} of the plan is not in the local store any more`, {
    hint: "make the plan again with 'pristine plan --out FILE'",
  });
}

async function requireUnmoved({ observer, signal }: Deployer, plan: ApprovedPlan, sessions: Sessions): Promise<void> {
  const moved = await mapConcurrently(plan.hosts, plan.policy.concurrencyMax, async ({ host, previous }) => {
    if (previous === undefined) return [];
    observer.update(host.name, "comparing with the plan");
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
export async function resumeRollout(deployer: Deployer, id: string | true, watch: Watch): Promise<Executed> {
  const { inventory, store } = await openContext(deployer, { keepGoing: true });
  const state = (await openRolloutsOf(inventory.name)).find(({ rollout }) => id === true || rollout.id === id);
  if (state === undefined) {
    const what = id === true ? "no rollout of this fleet was interrupted" : `there is no interrupted rollout '${id}'`;
    throw new OperationError("ROLLOUT_UNKNOWN", what, { hint: "deploy with 'pristine deploy'" });
  }
  const { rollout } = state;
  deployer.observer.note(describeRollout(openRollout(state)));
  return withSessionsTo(deployer, { fleet: inventory.name, store, hosts: rollout.hosts }, async (sessions) => {
    // What was wrong with hosts then may be mended, but nothing is made for them now.
    const kept = rollout.refused.filter(({ host }) => isWithoutSystem(rollout, host));
    const refused = [...kept, ...(await refusalsOf(deployer, rollout, sessions))];
    const outcomes = await runRollout(deployer, { ...rollout, refused }, { sessions, store, before: state, watch });
    return { rollout: rollout.id, outcomes };
  });
}
