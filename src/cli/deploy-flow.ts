/** From names on the command line to outcomes: plan, execute, roll back, reboot. */

import { randomBytes } from "node:crypto";
import { systemClock } from "../base/clock.ts";
import { OperationError } from "../base/errors.ts";
import { mapConcurrently } from "../base/concurrency.ts";
import { deployFleet } from "../fleet/deploy.ts";
import { chooseGeneration } from "../fleet/generation-choice.ts";
import type { HostSession } from "../fleet/host-session.ts";
import { exitCodeOfOutcomes, type HostOutcome } from "../fleet/outcome.ts";
import { type FleetPlan, planFleet } from "../fleet/plan.ts";
import { type Preflight, preflightHost, preflightHosts, type PreflightOptions } from "../fleet/preflight.ts";
import { rebootHost } from "../fleet/reboot.ts";
import type { TransactionGoal } from "../machine/transaction.ts";
import { hostName, userName } from "../system/identity.ts";
import { EXIT } from "./exit-codes.ts";
import {
  build,
  buildKits,
  type FleetContext,
  kitOf,
  openFleet,
  systemOf,
  warnOfHost,
  withSessions,
  withSystems,
} from "./fleet-context.ts";
import { renderOutcome, renderSummary } from "./render/outcome.ts";
import { planRecord } from "./render/plan.ts";
import { renderCount } from "./render/table.ts";
import { durationMsOf, requireApproval, wholeNumberOf } from "./option-values.ts";
import type { Session } from "./session.ts";

interface PlanFlags {
  readonly on?: readonly string[];
  readonly goal: TransactionGoal;
  readonly parallel: string;
  readonly confirmTimeout?: string;
  /** Take over hosts that have another name, or are another fleet's. */
  readonly adopt?: boolean;
}

type Sessions = ReadonlyMap<string, HostSession>;

function concurrency(flags: PlanFlags): number {
  return wholeNumberOf("--parallel", flags.parallel, { min: 1 });
}

/**
 * Looks at the hosts, evaluates and builds for those that can be deployed to, and plans; then calls `use` while the
 * connections are open. A host that cannot be deployed to takes part as one that failed.
 */
export async function makePlan(
  session: Session,
  names: readonly string[],
  flags: PlanFlags,
  use: (plan: FleetPlan, sessions: Sessions, context: FleetContext) => Promise<number>,
): Promise<number> {
  const concurrencyMax = concurrency(flags);
  const confirmTimeoutSeconds = confirmTimeout(flags);
  const opened = withConfirmTimeout(await openFleet(session, names, { on: flags.on }), confirmTimeoutSeconds);
  return withSessions(session, opened, async (sessions) => {
    const looked = await preflight(session, opened, sessions, flags, { needsRoom: true });
    const present = looked.filter(({ error }) => error === undefined).map((one) => one.session.host);
    const context = await withSystems(
      session,
      opened,
      present.map((host) => host.name),
    );
    if (present.length > 0) {
      const wanted = present.flatMap((host) => [systemOf(context, host).drvPath, kitOf(context, host).drvPath]);
      await build(session, context, wanted);
    }
    const plan = await planFleet(
      looked.map((one) => ({ ...one, system: context.inventory.systems.get(one.session.host.name)?.outPath })),
      {
        goal: flags.goal,
        localStore: context.store,
        concurrencyMax,
        signal: session.signal,
        onPhase: (host, text) => session.progress.update(host, text),
      },
    );
    session.progress.close();
    return use(plan, sessions, context);
  });
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
  const context = withConfirmTimeout(await openFleet(session, [name]), confirmTimeoutSeconds);
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
      concurrencyMax: 1,
      signal: session.signal,
      onPhase: (host, text) => session.progress.update(host, text),
    });
    session.progress.close();
    return use(plan, sessions, context, wanted.number);
  });
}

/** Executes an approved plan and shows what became of each host. */
export async function executePlan(
  session: Session,
  plan: FleetPlan,
  sessions: Sessions,
  context: FleetContext,
  flags: PlanFlags & { readonly reason: string; readonly ignoreInhibitors?: boolean },
): Promise<number> {
  const { progress, terminal } = session;
  const abandon = new AbortController();
  // The first interrupt ends what has not begun; what has begun is reported; a second one stops watching.
  const again = (): void => {
    if (session.signal.aborted) abandon.abort(session.signal.reason);
  };
  const armed = (): void => {
    progress.line(
      "hosts that are already activating are watched to the end; interrupt again to leave them to themselves",
    );
    setTimeout(() => process.on("SIGINT", again), 100);
  };
  session.signal.addEventListener("abort", armed, { once: true });
  let outcomes: HostOutcome[];
  try {
    outcomes = await deployFleet(plan.hosts, sessions, {
      goal: flags.goal,
      concurrencyMax: concurrency(flags),
      operator: { user: userName(), host: hostName(), pid: process.pid },
      reason: flags.reason,
      planHash: plan.hash,
      clock: systemClock,
      runId: `${new Date().toISOString().replace(/[-:]/g, "").slice(0, 15)}-${randomBytes(3).toString("hex")}`,
      localStore: context.store,
      cancel: session.signal,
      abandon: abandon.signal,
      ignoreInhibitors: flags.ignoreInhibitors ?? false,
      observer: {
        phase: (host, text, options) => progress.update(host, text, options),
        finished: (outcome) => {
          const { text, mark } = renderOutcome(outcome);
          progress.done(outcome.host, text, mark);
        },
      },
    });
  } finally {
    session.signal.removeEventListener("abort", armed);
    process.off("SIGINT", again);
  }
  progress.close();
  if (session.options.json) terminal.out(JSON.stringify({ plan: planRecord(plan), outcomes }));
  else for (const line of renderSummary(outcomes, terminal, { verbose: session.options.verbose })) terminal.out(line);
  return exitCodeOfOutcomes(outcomes);
}

export async function rebootHosts(
  session: Session,
  names: readonly string[],
  flags: { readonly on: readonly string[]; readonly timeout: string; readonly yes?: boolean },
): Promise<number> {
  const { progress, terminal, signal } = session;
  const timeoutMs = durationMsOf("--timeout", flags.timeout);
  const context = await openFleet(session, names, { on: flags.on });
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
