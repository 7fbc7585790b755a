/** Executing what was approved, journalled. */

import { systemClock } from "../base/clock.ts";
import { renderDuration } from "../base/quantities.ts";
import { deployFleet } from "../fleet/deploy.ts";
import type { HostInventory } from "../fleet/inventory.ts";
import { type HooksOf, runDeployerHooks } from "../fleet/hooks.ts";
import { type HostOutcome, isAsWanted } from "../fleet/outcome.ts";
import { describeOutcome } from "../fleet/outcome-text.ts";
import { preflightHosts } from "../fleet/preflight.ts";
import { PendingHosts } from "../fleet/rollout/pending.ts";
import {
  begunEvent,
  openJournal,
  pruneRollouts,
  rolloutsOf,
  type RolloutState,
} from "../fleet/rollout/rollout-journal.ts";
import { fleetHooksOf } from "../fleet/rollout/rollout-hooks.ts";
import { type ApprovedPlan, newRolloutId, refusal, type RolloutRecord } from "../fleet/rollout/rollout-record.ts";
import { dropUnwanted, keepWanted } from "../fleet/rollout/wanted.ts";
import type { Operator } from "../machine/transaction.ts";
import type { LocalStore } from "../store/local-store.ts";
import { hostName, userName } from "../system/identity.ts";
import { hookDisplay, requireHooks } from "./build-hooks.ts";
import type { Sessions } from "./connect.ts";
import type { Deployer } from "./deployer.ts";
import { hostCallsOf } from "./host-calls.ts";

/**
 * Runs what begins on hosts. Once `abandon` is aborted, nobody watches it any more: hosts are left to themselves, and are
 * confirmed or go back.
 */
export type Watch = <T>(run: (abandon: AbortSignal) => Promise<T>) => Promise<T>;

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

interface Run {
  readonly watch: Watch;
  readonly sessions: Sessions;
  readonly store: LocalStore;
  /** The same rollout, before it was interrupted. */
  readonly before?: RolloutState;
  /** All hosts of the fleet, when all are deployed to: what is kept for others is dropped. */
  readonly wholeFleet?: readonly HostInventory[] | undefined;
}

/** Executes a rollout; one outcome for each host. */
export async function runRollout(
  deployer: Deployer,
  rollout: RolloutRecord,
  { sessions, store, before, wholeFleet, watch }: Run,
): Promise<HostOutcome[]> {
  const { observer, signal } = deployer;
  const changes = rollout.goal !== "dry-activate";
  if (changes) await keepWanted(rollout, store, signal);
  const pending = new PendingHosts(rollout.fleet, systemClock);
  const begun =
    before === undefined ? begunEvent(rollout, await rolloutsOf(rollout.fleet), await pending.list()) : undefined;
  const display = hookDisplay(deployer);
  const hooks = fleetHooksOf(rollout, { display, note: (text) => observer.update(rollout.fleet, text) });
  await runDeployerHooks(hooks, "preRollout", { signal: signal });
  using journal = changes ? await openJournal(rollout.fleet, rollout.id) : undefined;
  if (begun !== undefined) journal?.append(begun);
  const outcomes = await watch((abandon) =>
    deployFleet(rollout, sessions, {
      clock: systemClock,
      localStore: store,
      ...(before === undefined ? {} : { known: before.outcomes, begun: before.begun }),
      ...(journal === undefined ? {} : { journal }),
      onOutcome: (host, outcome) => pending.note(rollout, host, outcome),
      cancel: signal,
      abandon,
      owed: before?.owed ?? new Set(begun?.owed),
      observer: rolloutObserver(deployer, rollout),
      hooks: display,
      ...hostCallsOf(deployer, sessions),
    }),
  );
  await tellFleet(hooks, outcomes);
  if (!changes) return outcomes;
  await pruneRollouts(rollout.fleet);
  const dropped = wholeFleet === undefined ? [] : await dropUnwanted(rollout.fleet, wholeFleet, { store, pending });
  for (const text of dropped) observer.note(text);
  return outcomes;
}

/** A deployment of the fleet has ended, one way or the other. */
async function tellFleet(hooks: HooksOf, outcomes: readonly HostOutcome[]): Promise<void> {
  const failed = outcomes.filter((outcome) => !isAsWanted(outcome)).map(({ host }) => host);
  const facts = { ...hooks.facts, PRISTINE_FAILED: failed.join(" ") };
  await runDeployerHooks({ ...hooks, facts }, "postRollout", { outcome: failed.length === 0 ? "as-wanted" : "failed" });
}

export function rolloutObserver(
  { observer }: Deployer,
  rollout: RolloutRecord,
): Parameters<typeof deployFleet>[2]["observer"] {
  const count = rollout.waves.length;
  return {
    phase: (host, text, options) => observer.update(host, text, options),
    wave: (index, hosts) => {
      if (count > 1) observer.note(`wave ${index + 1} of ${count}: ${hosts.join(", ")}`);
    },
    pause: (seconds) => observer.note(`pausing ${renderDuration(seconds * 1000)} before the next wave`),
    halted: (reason) =>
      observer.note(
        rollout.policy.onFailure === "rollBackWave"
          ? `halting, and taking the wave back: ${reason}`
          : `halting: ${reason}; hosts that have not begun are left as they are`,
      ),
    finished: (outcome) => {
      const { text, mark } = describeOutcome(outcome);
      observer.done(outcome.host, text, mark);
    },
  };
}

/** What is wrong with hosts now, before anything is done to them: an address may have become another machine's. */
export async function refusalsOf(
  { signal }: Deployer,
  { fleet, adopt, hooks }: Pick<ApprovedPlan, "fleet" | "adopt" | "hooks">,
  sessions: Sessions,
): Promise<ApprovedPlan["refused"]> {
  const hosts = [...sessions.values()].map(({ host }) => host);
  await requireHooks({ name: fleet, hooks }, hosts);
  const options = { fleet, adopt, needsRoom: false, clock: systemClock, signal };
  const looked = await preflightHosts([...sessions.values()], options);
  return looked.flatMap(({ session, error }) => (error === undefined ? [] : [refusal(session.host.name, error)]));
}
