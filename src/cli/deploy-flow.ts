/** From names on the command line to plans, and what of them is approved; rebooting. */

import { systemClock } from "../base/clock.ts";
import { OperationError } from "../base/errors.ts";
import { mapConcurrently } from "../base/concurrency.ts";
import { buildOnHost } from "../fleet/build-on-host.ts";
import { rootOf } from "../fleet/deploy.ts";
import { chooseGeneration } from "../fleet/generation-choice.ts";
import type { HostSession } from "../fleet/host-session.ts";
import type { HostInventory } from "../fleet/inventory.ts";
import { type FleetPlan, planFleet } from "../fleet/plan.ts";
import { type Preflight, preflightHost, preflightHosts, type PreflightOptions } from "../fleet/preflight.ts";
import { CAN_WAIT } from "../fleet/rollout/pending.ts";
import { NOT_REACHED } from "../fleet/outcome.ts";
import { rebootHost } from "../fleet/reboot.ts";
import { type FailurePolicy, type RolloutPolicy, wavesOf } from "../fleet/rollout/policy.ts";
import { type ApprovedPlan, approvedPlan } from "../fleet/rollout/rollout-record.ts";
import { parsePatterns, selectHosts } from "../fleet/selection.ts";
import type { TransactionGoal } from "../machine/transaction.ts";
import { instantiate } from "../realise/instantiate.ts";
import { EXIT } from "./exit-codes.ts";
import {
  buildEach,
  buildKits,
  type FleetContext,
  kitOf,
  openFleet,
  systemOf,
  warnOfHost,
  withSessions,
  withSystems,
  withUnknown,
} from "./fleet-context.ts";
import { type AroundBuild, hookDisplay, requireHooks, runBuildHooks } from "./hook-flow.ts";
import { renderCount } from "./render/table.ts";
import { durationMsOf, requireApproval, wholeNumberOf } from "./option-values.ts";
import type { Session } from "./session.ts";

export interface PlanFlags {
  readonly on?: readonly string[];
  readonly goal: TransactionGoal;
  readonly parallel?: string;
  readonly confirmTimeout?: string;
  /** Take over hosts that have another name, or are another fleet's. */
  readonly adopt?: boolean;
  /** Plan for hosts although their switch inhibitors differ. */
  readonly ignoreInhibitors?: boolean | undefined;
}

type Sessions = ReadonlyMap<string, HostSession>;

function concurrency(flags: { readonly parallel?: string | undefined }): number | undefined {
  return flags.parallel === undefined ? undefined : wholeNumberOf("--parallel", flags.parallel, { min: 1 });
}

/**
 * Looks at the hosts, evaluates and builds for those that can be deployed to, and plans; then calls `use` while the
 * connections are open. A host that cannot be deployed to takes part as one that failed.
 */
export async function makePlan<T>(
  session: Session,
  names: readonly string[],
  flags: PlanFlags & Pick<RolloutFlags, "pendingFor" | "wave">,
  use: (plan: FleetPlan, sessions: Sessions, context: FleetContext) => Promise<T>,
): Promise<T> {
  const concurrencyMax = concurrency(flags) ?? CONCURRENCY_DEFAULT;
  const confirmTimeoutSeconds = confirmTimeout(flags);
  const fleet = await openFleet(session, names, { on: flags.on, keepGoing: true });
  const opened = withConfirmTimeout(fleet, confirmTimeoutSeconds);
  wavePatterns(opened, flags);
  return withSessions(session, opened, async (sessions) => {
    const looked = await preflight(session, opened, sessions, flags, { needsRoom: true });
    // What a host is to get that is not reached waits for it.
    const waits = CAN_WAIT.has(flags.goal) && pendingSecondsOf(opened, flags) > 0;
    const isWanted = ({ error }: Preflight): boolean => error === undefined || (waits && NOT_REACHED.has(error.code));
    const present = looked.filter(isWanted).map((one) => one.session.host);
    const context = await withSystems(
      session,
      opened,
      present.map((host) => host.name),
    );
    const unreached = new Set(
      looked.flatMap(({ error, session: { host } }) => (error === undefined ? [] : [host.name])),
    );
    const evaluated = present.filter(({ name }) => !context.failed.has(name));
    const { refused, unbuilt } = await buildFor(session, {
      context,
      goal: flags.goal,
      hosts: evaluated,
      sessions,
      unreached,
    });
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
        goal: flags.goal,
        localStore: context.store,
        hooks: context.inventory.hooks,
        ignoreInhibitors: flags.ignoreInhibitors,
        concurrencyMax,
        signal: session.signal,
        onPhase: (host, text) => session.progress.update(host, text),
      },
    );
    session.progress.close();
    return use(plan, sessions, context);
  });
}

type HostErrors = ReadonlyMap<string, OperationError>;

/** Builds for hosts; answers for which a hook refused it, and for which there is no system. */
async function buildFor(
  session: Session,
  around: AroundBuild,
): Promise<{ readonly refused: HostErrors; readonly unbuilt: HostErrors }> {
  if (around.hosts.length === 0) return { refused: new Map(), unbuilt: new Map() };
  const { context } = around;
  const refused = await runBuildHooks(session, "preBuild", around);
  const hosts = around.hosts.filter(({ name }) => !refused.has(name));
  const drvPaths = hosts.flatMap((host) => [
    ...(host.buildOnTarget === true ? [] : [systemOf(context, host).drvPath]),
    kitOf(context, host).drvPath,
  ]);
  const failures = new Map([
    ...(await buildEach(session, context, drvPaths)),
    ...(await buildOnTargets(session, { ...around, hosts })),
  ]);
  const unbuilt = new Map(
    hosts.flatMap((host) => {
      const failure = failures.get(systemOf(context, host).drvPath) ?? failures.get(kitOf(context, host).drvPath);
      if (failure === undefined) return [];
      if (!(failure instanceof OperationError)) throw failure;
      return [[host.name, failure]];
    }),
  );
  const built = hosts.filter(({ name }) => !unbuilt.has(name));
  const late = await runBuildHooks(session, "postBuild", { ...around, hosts: built });
  return { refused: new Map([...refused, ...late]), unbuilt };
}

/** Lets hosts build their own systems; answers why some could not, by derivation. */
async function buildOnTargets(session: Session, around: AroundBuild): Promise<ReadonlyMap<string, Error>> {
  const { context, sessions, unreached } = around;
  const { progress, signal } = session;
  const hosts = around.hosts.filter(({ buildOnTarget }) => buildOnTarget === true);
  await instantiate(
    context.inventory.evaluation,
    hosts.map((host) => systemOf(context, host).drvPath),
    context.store,
    signal,
  );
  const failures = await mapConcurrently(hosts, CONCURRENCY_DEFAULT, async (host) => {
    const { name } = host;
    const { drvPath } = systemOf(context, host);
    try {
      if (unreached.has(name))
        throw new OperationError("HOST_UNREACHABLE", `${name} is not reached, and is to build its own system`, {
          hint: "deploy again when it is back, or build its system here (deployment.buildOnTarget = false)",
          retryable: true,
        });
      await buildOnHost(sessions.get(name)!, {
        store: context.store,
        drvPath: rootOf(drvPath, context.store.storeDir),
        clock: systemClock,
        signal,
        onNote: (text, minor = false) => progress.update(name, text, { minor }),
      });
      progress.done(name, "has its system, built on the host");
      return [];
    } catch (error) {
      if (!(error instanceof OperationError) || signal.aborted) throw error;
      progress.done(name, "its system could not be built on the host", "failed");
      return [[drvPath, error] as const];
    }
  });
  return new Map(failures.flat());
}

/** Looks at hosts before anything is made for them, and says what is to be known of them. */
async function preflight(
  session: Session,
  context: FleetContext,
  sessions: Sessions,
  flags: { readonly adopt?: boolean },
  options: { readonly needsRoom: boolean },
): Promise<readonly Preflight[]> {
  const { progress } = session;
  await requireHooks(context.inventory, context.hosts);
  progress.update("look", "asking the hosts");
  const asked = preflightOptions(session, context, { ...flags, ...options });
  const looked = await preflightHosts([...sessions.values()], asked);
  const ready = looked.filter(({ error }) => error === undefined).length;
  progress.done("look", `${ready} of ${renderCount(looked.length, "host")} can be deployed to`);
  for (const { session: one, warnings } of looked) warnOfHost(session, one.host.name, warnings);
  return looked;
}

function preflightOptions(
  { signal }: Session,
  { inventory }: FleetContext,
  options: { readonly adopt?: boolean; readonly needsRoom: boolean },
): PreflightOptions {
  return { fleet: inventory.name, adopt: false, clock: systemClock, signal, ...options };
}

/** Plans the return of one host to an earlier generation. */
export async function planRollback(
  session: Session,
  name: string,
  flags: PlanFlags & { readonly to?: string },
  use: (plan: FleetPlan, sessions: Sessions, context: FleetContext, generation: number) => Promise<number>,
): Promise<number> {
  const confirmTimeoutSeconds = confirmTimeout(flags);
  const opened = withConfirmTimeout(await openFleet(session, [name]), confirmTimeoutSeconds);
  // What the deployer looks for is declared for the present system.
  const context = { ...opened, hosts: opened.hosts.map((host) => ({ ...host, deployerChecks: [] })) };
  if (context.hosts.length !== 1)
    throw new OperationError("USAGE", `'${name}' names several hosts; rollback takes one`);
  return withSessions(session, context, async (sessions) => {
    const [looked] = await preflight(session, context, sessions, flags, { needsRoom: false });
    if (looked === undefined) throw new OperationError("HOST_UNKNOWN", `no host of the fleet fits '${name}'`);
    if (looked.error !== undefined) throw looked.error;
    const open = looked.session;
    await buildKits(session, context);
    const facts = await (await open.kit(session.signal)).facts({ signal: session.signal });
    const wanted = chooseGeneration(open.host.name, facts, flags.to);
    const plan = await planFleet([{ ...looked, system: wanted.path }], {
      goal: flags.goal,
      localStore: context.store,
      hooks: context.inventory.hooks,
      ignoreInhibitors: flags.ignoreInhibitors,
      concurrencyMax: 1,
      signal: session.signal,
      onPhase: (host, text) => session.progress.update(host, text),
    });
    session.progress.close();
    return use(plan, sessions, context, wanted.number);
  });
}

/** Options that say how a deployment goes through the fleet, each in place of what the fleet declares. */
export interface RolloutFlags {
  readonly wave?: readonly string[];
  readonly canaries?: string;
  readonly pause?: string;
  readonly maxFailures?: string;
  readonly onFailure?: FailurePolicy;
  readonly pendingFor?: string;
  /** Goal `temporary`: how long. */
  readonly temporarySeconds?: number;
  readonly adopt?: boolean;
  readonly parallel?: string;
}

const CONCURRENCY_DEFAULT = 10;
const PENDING_SECONDS_DEFAULT = 7 * 24 * 3600;

function pendingSecondsOf({ inventory }: FleetContext, { pendingFor }: Pick<RolloutFlags, "pendingFor">): number {
  if (pendingFor !== undefined) return wholeNumberOf("--pending-for", pendingFor, { min: 0, unit: "seconds" });
  return inventory.rollout.pendingFor ?? PENDING_SECONDS_DEFAULT;
}

/** The waves as declared, or as the command line has them. */
function wavePatterns({ inventory }: FleetContext, flags: Pick<RolloutFlags, "wave">): readonly (readonly string[])[] {
  const given = flags.wave?.map((text) => parsePatterns([text])) ?? [];
  const waves = given.length > 0 ? given : (inventory.rollout.waves ?? []).map((wave) => [wave].flat());
  // A pattern that fits nothing is a mistake, also when other hosts are meant this time.
  for (const patterns of waves) selectHosts(withUnknown(inventory), patterns);
  return waves;
}

/** All hosts of the fleet when all are meant, and not a selection. */
export function wholeFleetOf({ hosts, inventory }: FleetContext): readonly HostInventory[] | undefined {
  return hosts.length === inventory.hosts.length && inventory.failed.size === 0 ? inventory.hosts : undefined;
}

/** What is approved of a plan, with the order that the fleet or the command line declares. */
export function approvedOf(plan: FleetPlan, context: FleetContext, flags: RolloutFlags, reason: string): ApprovedPlan {
  const { name, rollout: declared } = context.inventory;
  const count = (option: string, text: string | undefined): number | undefined =>
    text === undefined ? undefined : wholeNumberOf(option, text, { min: 0 });
  const waves = wavePatterns(context, flags);
  const canaries = count("--canaries", flags.canaries) ?? declared.canaries ?? 0;
  const isStaged =
    wavesOf(
      plan.hosts.map(({ host }) => host),
      { waves, canaries },
    ).length > 1;
  const failuresMax = count("--max-failures", flags.maxFailures) ?? declared.maxFailures ?? 0;
  // Half a fleet is deployed to only when somebody has said so.
  const isIncomplete = plan.hosts.filter(({ isUnmade }) => isUnmade === true).length > failuresMax;
  const policy: RolloutPolicy = {
    waves,
    canaries,
    pauseSeconds: count("--pause", flags.pause) ?? declared.pause ?? 0,
    failuresMax,
    onFailure: flags.onFailure ?? declared.onFailure ?? (isStaged || isIncomplete ? "halt" : "continue"),
    concurrencyMax: concurrency(flags) ?? declared.parallel ?? CONCURRENCY_DEFAULT,
    pendingSeconds: pendingSecondsOf(context, flags),
  };
  return approvedPlan(plan, {
    fleet: name,
    reason,
    policy,
    adopt: flags.adopt ?? false,
    temporarySeconds: flags.temporarySeconds,
    hooks: context.inventory.hooks,
    kitOf: (host) => (host.isUnknown === true ? undefined : kitOf(context, host).outPath),
  });
}

export async function rebootHosts(
  session: Session,
  names: readonly string[],
  flags: { readonly on: readonly string[]; readonly timeout: string; readonly yes?: boolean },
): Promise<number> {
  const { progress, terminal, signal } = session;
  const timeoutMs = durationMsOf("--timeout", flags.timeout);
  const context = await openFleet(session, names, { on: flags.on });
  await requireHooks(context.inventory, context.hosts);
  await buildKits(session, context);
  if (flags.yes !== true) {
    const { askYesNo } = await import("../system/prompt.ts");
    const answer = await askYesNo(
      `Reboot ${context.hosts.map((host) => host.name).join(", ")}? What is not persisted is erased. [y/N] `,
      signal,
    );
    requireApproval(answer, "nothing was rebooted");
  }
  return withSessions(session, context, async (sessions) => {
    const results = await mapConcurrently([...sessions.values()], sessions.size, async (open) => {
      const { name } = open.host;
      try {
        await preflightHost(open, preflightOptions(session, context, { needsRoom: false }));
        const result = await rebootHost(open, {
          fleet: context.inventory.name,
          hooks: hookDisplay(session),
          timeoutMs,
          signal,
          clock: systemClock,
          onPhase: (text) => progress.update(name, text),
        });
        progress.done(
          name,
          result.healthy ? "back and healthy" : `back, but unhealthy: ${result.problems.join("; ")}`,
          result.healthy ? "ok" : "failed",
        );
        return { host: name, ...result };
      } catch (error) {
        if (!(error instanceof OperationError) || signal.aborted) throw error;
        progress.done(name, error.message, "failed");
        return { host: name, healthy: false, downMs: 0, problems: [error.message] };
      }
    });
    if (session.options.json) terminal.out(JSON.stringify({ hosts: results }));
    return results.every((result) => result.healthy) ? EXIT.ok : EXIT.hostsFailed;
  });
}

function confirmTimeout(flags: PlanFlags): number | undefined {
  const text = flags.confirmTimeout;
  return text === undefined ? undefined : wholeNumberOf("--confirm-timeout", text, { min: 5, unit: "seconds" });
}

function withConfirmTimeout(context: FleetContext, confirmTimeoutSeconds: number | undefined): FleetContext {
  if (confirmTimeoutSeconds === undefined) return context;
  return { ...context, hosts: context.hosts.map((host) => ({ ...host, confirmTimeoutSeconds })) };
}
