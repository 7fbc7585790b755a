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
import { movesProfiles, type WantedProfile } from "../machine/profile.ts";
import type { ApprovedPlan } from "../fleet/rollout/rollout-record.ts";
import { buildKits } from "./build.ts";
import { buildForHosts } from "./build-for-hosts.ts";
import { requireHooks } from "./build-hooks.ts";
import { type Sessions, withSessions } from "./connect.ts";
import { type FleetContext, openContext, profilesOf, warnOfHost, whyNoProfiles, withSystems } from "./context.ts";
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
    for (const host of hosts) warnOfHost(deployer, host.name, whyNoProfiles(context, host, goal));
    const { refused, unbuilt } = await buildForHosts(deployer, { context, goal, hosts, sessions, unreached });
    const unmade = new Map([...context.failed, ...unbuilt]);
    const plan = await planFleet(
      looked.map((one) => {
        const { name } = one.session.host;
        const error = unmade.get(name) ?? refused.get(name);
        return error === undefined
          ? {
              ...one,
              system: context.inventory.systems.get(name)?.outPath,
              ...profilesOf(context, one.session.host, goal),
            }
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

/** Which hosts return to what they ran before. */
export interface RollbackRequest extends Omit<PlanRequest, "temporarySeconds"> {
  /** Names, globs and `@tags`: nothing returns that was not asked for. */
  readonly hosts: readonly string[];
  /** The number of one host's generation; the newest one that differs from the running system by default. */
  readonly generation?: string | undefined;
}

/** Plans the return of hosts to earlier generations; one that has none takes part as one that failed. */
export async function withRollbackPlan<T>(
  deployer: Deployer,
  request: RollbackRequest,
  use: (open: OpenPlan) => Promise<T>,
): Promise<T> {
  const choose = ({ host }: HostSession, facts: HostFacts): Choice => {
    const { path, number, profiles = [] } = chooseGeneration(host.name, facts, request.generation);
    const isMoving = host.base === "nixos" && movesProfiles(goalOf(request));
    return { system: path, ...(isMoving ? { profiles } : {}), reason: `rollback to generation ${number}` };
  };
  return withReturnPlan(deployer, request, { choose, isOfOne: request.generation !== undefined }, use);
}

/** A system that a host has, and why it is to run there. */
interface Choice {
  readonly system: string;
  readonly profiles?: readonly WantedProfile[];
  readonly reason: string;
}

/** What takes a host out of the fleet's hands. */
export interface RemovalRequest extends Omit<PlanRequest, "hosts" | "temporarySeconds"> {
  /** A name, or a pattern that fits one host. */
  readonly host: string;
}

/** Plans for a host that it runs nothing of ours any more. */
export async function withRemovalPlan<T>(
  deployer: Deployer,
  request: RemovalRequest,
  use: (open: OpenPlan) => Promise<T>,
): Promise<T> {
  const choose = async ({ connection, host }: HostSession): Promise<Choice> => {
    if (host.base !== "foreign") {
      throw new OperationError("HOST_BASE", `${host.name} would be nothing without what is declared for it`, {
        hint: 'only hosts with deployment.base = "foreign" have a system of their own',
      });
    }
    return { system: await bareSystemOf(connection, deployer.signal), reason: "removal" };
  };
  return withReturnPlan(deployer, { ...request, hosts: [request.host] }, { choose, isOfOne: true }, use);
}

async function withReturnPlan<T>(
  deployer: Deployer,
  request: Omit<RollbackRequest, "generation">,
  {
    choose,
    isOfOne,
  }: {
    readonly choose: (session: HostSession, facts: HostFacts) => Choice | Promise<Choice>;
    readonly isOfOne: boolean;
  },
  use: (open: OpenPlan) => Promise<T>,
): Promise<T> {
  requireValid(request);
  const { signal, observer } = deployer;
  if (request.hosts.length === 0)
    throw new OperationError("USAGE", "no host is named", { hint: "name hosts, '@tag', or '*' for all" });
  const opened = withConfirmTimeout(await openContext(deployer, { hosts: request.hosts, keepGoing: true }), request);
  // What the deployer looks for, and what it uploads, is declared for the present system.
  const context = {
    ...opened,
    hosts: opened.hosts.map((host) => ({ ...host, checksBefore: [], deployerChecks: [], uploads: [] })),
  };
  if (isOfOne && context.hosts.length > 1)
    throw new OperationError("USAGE", `'${request.hosts.join(" ")}' names several hosts, of which one is to be named`);
  const concurrencyMax = request.concurrencyMax ?? CONCURRENCY_DEFAULT;
  return withSessions(deployer, context, async (sessions) => {
    const looked = await preflight(deployer, context, sessions, {
      ...request,
      goal: goalOf(request),
      needsRoom: false,
    });
    if (looked.some(({ error }) => error === undefined)) await buildKits(deployer, context);
    const chosen = await mapConcurrently(looked, concurrencyMax, async (one): Promise<Preflight & Partial<Choice>> => {
      if (one.error !== undefined) return one;
      try {
        const facts = await (await one.session.kit(signal)).facts({ signal });
        return { ...one, ...(await choose(one.session, facts)) };
      } catch (error) {
        if (!(error instanceof OperationError) || signal.aborted) throw error;
        return { ...one, error };
      }
    });
    const [only] = chosen;
    if (chosen.length === 1 && only?.error !== undefined) throw only.error;
    const plan = await planFleet(chosen, {
      unmade: context.failed,
      goal: goalOf(request),
      localStore: context.store,
      hooks: context.inventory.hooks,
      ignoreInhibitors: request.ignoreInhibitors,
      concurrencyMax,
      signal,
      onPhase: (host, text) => observer.update(host, text),
    });
    const reason = (chosen.length === 1 ? only?.reason : undefined) ?? "rollback";
    return use({ plan, approved: approvedOf(plan, context, request, reason), sessions, context });
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
