/** Planning: looking at hosts, making their systems, and saying what a deployment would do. */

import { dirname } from "node:path";
import { systemClock } from "../base/clock.ts";
import { mapConcurrently } from "../base/concurrency.ts";
import { OperationError } from "../base/errors.ts";
import { renderCount } from "../base/quantities.ts";
import { bareSystemOf } from "../fleet/foreign.ts";
import { chooseGeneration } from "../fleet/generation-choice.ts";
import type { HostSession } from "../fleet/host-session.ts";
import { NOT_REACHED } from "../fleet/outcome.ts";
import { type FleetPlan, planFleet } from "../fleet/plan.ts";
import { type Preflight, preflightHosts, type PreflightOptions } from "../fleet/preflight.ts";
import { requireUploads } from "../fleet/uploads.ts";
import type { HostFacts } from "../machine/facts.ts";
import type { ApprovedPlan } from "../fleet/rollout/rollout-record.ts";
import { buildKits } from "./build.ts";
import { buildForHosts } from "./build-for-hosts.ts";
import { requireHooks } from "./build-hooks.ts";
import { type Sessions, withSessions } from "./connect.ts";
import { type FleetContext, openContext, warnOfHost, withSystems } from "./context.ts";
import type { Deployer } from "./deployer.ts";
import {
  approvedOf,
  CONCURRENCY_DEFAULT,
  goalOf,
  type HostsRequest,
  type PlanRequest,
  requireValid,
  waitsFor,
  wavePatterns,
  withConfirmTimeout,
} from "./request.ts";

/** A plan while the connections are open with which it was made. */
export interface OpenPlan {
  readonly plan: FleetPlan;
  /** What is executed when it is approved. */
  readonly approved: ApprovedPlan;
  readonly sessions: Sessions;
  readonly context: FleetContext;
}

/**
 * Looks at the hosts, evaluates and builds for those that can be deployed to, and plans; then calls `use` while the
 * connections are open. A host that cannot be deployed to takes part as one that failed.
 */
export async function withPlan<T>(
  deployer: Deployer,
  request: HostsRequest & PlanRequest,
  use: (open: OpenPlan) => Promise<T>,
): Promise<T> {
  requireValid(request);
  const { signal, observer } = deployer;
  const fleet = await openContext(deployer, { hosts: request.hosts, keepGoing: true });
  const opened = withConfirmTimeout(fleet, request);
  wavePatterns(opened, request);
  return withSessions(deployer, opened, async (sessions) => {
    const looked = await preflight(deployer, opened, sessions, { ...request, goal: goalOf(request), needsRoom: true });
    // What a host is to get that is not reached waits for it.
    const waits = waitsFor(opened, request);
    const isWanted = ({ error }: Preflight): boolean => error === undefined || (waits && NOT_REACHED.has(error.code));
    const present = looked.filter(isWanted).map(({ session }) => session.host);
    const context = await withSystems(
      deployer,
      opened,
      present.map(({ name }) => name),
    );
    const unreached = new Set(looked.flatMap(({ error, session }) => (error === undefined ? [] : [session.host.name])));
    const hosts = present.filter(({ name }) => !context.failed.has(name));
    const goal = goalOf(request);
    const { refused, unbuilt } = await buildForHosts(deployer, { context, goal, hosts, sessions, unreached });
    const unmade = new Map([...context.failed, ...unbuilt]);
    const plan = await planFleet(
      looked.map((one) => {
        const { name } = one.session.host;
        const error = unmade.get(name) ?? refused.get(name);
        return error === undefined
          ? { ...one, system: context.inventory.systems.get(name)?.outPath }
          : { ...one, error };
      }),
      {
        unmade,
        goal,
        localStore: context.store,
        hooks: context.inventory.hooks,
        ignoreInhibitors: request.ignoreInhibitors,
        concurrencyMax: request.concurrencyMax ?? CONCURRENCY_DEFAULT,
        signal,
        onPhase: (host, text) => observer.update(host, text),
      },
    );
    return use({ plan, approved: approvedOf(plan, context, request, "deploy"), sessions, context });
  });
}

/** What one host returns to. */
export interface RollbackRequest extends Omit<PlanRequest, "hosts" | "temporarySeconds"> {
  /** A name, or a pattern that fits one host. */
  readonly host: string;
  /** The number of the generation; the newest one that differs from the running system by default. */
  readonly generation?: string | undefined;
}

/** Plans the return of one host to an earlier generation. */
export async function withRollbackPlan<T>(
  deployer: Deployer,
  request: RollbackRequest,
  use: (open: OpenPlan) => Promise<T>,
): Promise<T> {
  const choose = ({ host }: HostSession, facts: HostFacts): Choice => {
    const { path, number } = chooseGeneration(host.name, facts, request.generation);
    return { path, reason: `rollback to generation ${number}` };
  };
  return withReturnPlan(deployer, request, choose, use);
}

/** A system that a host has, and why it is to run there. */
interface Choice {
  readonly path: string;
  readonly reason: string;
}

/** Plans for a host that it runs nothing of ours any more. */
export async function withRemovalPlan<T>(
  deployer: Deployer,
  request: Omit<RollbackRequest, "generation">,
  use: (open: OpenPlan) => Promise<T>,
): Promise<T> {
  const choose = async ({ connection, host }: HostSession): Promise<Choice> => {
    if (host.base !== "foreign") {
      throw new OperationError("HOST_BASE", `${host.name} would be nothing without what is declared for it`, {
        hint: 'only hosts with deployment.base = "foreign" have a system of their own',
      });
    }
    return { path: await bareSystemOf(connection, deployer.signal), reason: "removal" };
  };
  return withReturnPlan(deployer, request, choose, use);
}

async function withReturnPlan<T>(
  deployer: Deployer,
  request: Omit<RollbackRequest, "generation">,
  choose: (session: HostSession, facts: HostFacts) => Choice | Promise<Choice>,
  use: (open: OpenPlan) => Promise<T>,
): Promise<T> {
  requireValid(request);
  const { signal, observer } = deployer;
  const opened = withConfirmTimeout(await openContext(deployer, { hosts: [request.host] }), request);
  // What the deployer looks for, and what it uploads, is declared for the present system.
  const context = {
    ...opened,
    hosts: opened.hosts.map((host) => ({ ...host, checksBefore: [], deployerChecks: [], uploads: [] })),
  };
  if (context.hosts.length !== 1)
    throw new OperationError("USAGE", `'${request.host}' names several hosts, of which one is to be named`);
  return withSessions(deployer, context, async (sessions) => {
    const [looked] = await preflight(deployer, context, sessions, {
      ...request,
      goal: goalOf(request),
      needsRoom: false,
    });
    if (looked === undefined) throw new OperationError("HOST_UNKNOWN", `no host of the fleet fits '${request.host}'`);
    if (looked.error !== undefined) throw looked.error;
    const open = looked.session;
    await buildKits(deployer, context);
    const facts = await (await open.kit(signal)).facts({ signal });
    const wanted = await choose(open, facts);
    const plan = await planFleet([{ ...looked, system: wanted.path }], {
      goal: goalOf(request),
      localStore: context.store,
      hooks: context.inventory.hooks,
      ignoreInhibitors: request.ignoreInhibitors,
      concurrencyMax: 1,
      signal,
      onPhase: (host, text) => observer.update(host, text),
    });
    const approved = approvedOf(plan, context, request, wanted.reason);
    return use({ plan, approved, sessions, context });
  });
}

/** Looks at hosts before anything is made for them, and says what is to be known of them. */
async function preflight(
  deployer: Deployer,
  context: FleetContext,
  sessions: Sessions,
  options: Partial<PreflightOptions> & Pick<PreflightOptions, "needsRoom">,
): Promise<readonly Preflight[]> {
  const { observer } = deployer;
  await requireHooks(context.inventory, context.hosts);
  observer.update("look", "asking the hosts");
  const looked = await withoutUploads(
    await preflightHosts([...sessions.values()], preflightOptions(deployer, context, options)),
    dirname(deployer.fleetFile),
  );
  const ready = looked.filter(({ error }) => error === undefined).length;
  observer.done("look", `${ready} of ${renderCount(looked.length, "host")} can be deployed to`);
  for (const { session, warnings } of looked) warnOfHost(deployer, session.host.name, warnings);
  return looked;
}

/** Refuses hosts that have files to get which are not here to be sent. */
async function withoutUploads(looked: readonly Preflight[], directory: string): Promise<Preflight[]> {
  return await mapConcurrently(looked, CONCURRENCY_DEFAULT, async (one) => {
    try {
      if (one.error === undefined) await requireUploads(one.session.host, directory);
      return one;
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      return { ...one, error };
    }
  });
}

export function preflightOptions(
  { signal }: Deployer,
  { inventory }: FleetContext,
  { adopt = false, goal, needsRoom }: Partial<PreflightOptions> & Pick<PreflightOptions, "needsRoom">,
): PreflightOptions {
  return { fleet: inventory.name, adopt, goal, needsRoom, clock: systemClock, signal };
}
