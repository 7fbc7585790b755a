/** Bringing hosts that were not reached what was planned for them, each the newest plan. */

import { mapConcurrently } from "../../base/concurrency.ts";
import { OperationError } from "../../base/errors.ts";
import { deployFleet, type DeployObserver, type DeployOptions, type DeploySession } from "../deploy.ts";
import { type HostOutcome, isSettled } from "../outcome.ts";
import type { PendingHost, PendingHosts } from "./pending.ts";
import { hostHooksOf } from "./rollout-hooks.ts";
import type { InterruptedJournal } from "./rollout-journal.ts";
import { type ApprovedPlan, laterDeployment, type RolloutRecord } from "./rollout-record.ts";

export interface ConvergeOptions extends Pick<
  DeployOptions,
  "clock" | "localStore" | "cancel" | "abandon" | "hooks" | "checkBefore" | "uploadsTo"
> {
  readonly pending: PendingHosts;
  readonly sessions: ReadonlyMap<string, DeploySession>;
  /** The journal of a rollout that was interrupted. */
  readonly interrupted: (rollout: string) => Promise<InterruptedJournal | undefined>;
  /** What is wrong with these hosts now. */
  readonly look: (rollout: PendingHost["rollout"], hosts: readonly string[]) => Promise<ApprovedPlan["refused"]>;
  readonly observerOf: (part: RolloutRecord) => DeployObserver;
  /** Told why something is dropped, and of what is done then. */
  readonly onDropped: (host: string, text: string) => void;
}

/** Deploys what is due, one rollout after the other; one outcome per host that nobody has deployed to since. */
export async function convergeHosts(due: readonly PendingHost[], options: ConvergeOptions): Promise<HostOutcome[]> {
  const { pending, sessions } = options;
  const outcomes: HostOutcome[] = [];
  const rollouts = new Map(due.map(({ rollout }) => [rollout.id, rollout]));
  for (const rollout of rollouts.values()) {
    const planned = due.filter((entry) => entry.rollout.id === rollout.id);
    const entries = tellInterrupted(planned, await options.interrupted(rollout.id));
    const refused = await options.look(
      rollout,
      entries.map(({ approved: { host } }) => host.name),
    );
    const current = await withoutLater(entries, refused, options);
    const part: RolloutRecord = {
      ...rollout,
      policy: { ...rollout.policy, onFailure: "continue", pauseSeconds: 0 },
      hosts: current.map(({ approved }) => approved),
      waves: [current.map(({ approved }) => approved.host.name)],
      refused,
    };
    const begun = new Set(current.filter(({ isBegun }) => isBegun === true).map(({ approved }) => approved.host.name));
    await noteBegun(current, refused, pending);
    const became = await deployFleet(part, sessions, {
      ...options,
      begun,
      onOutcome: async ({ host }, outcome) => {
        const { status } = outcome;
        const entry = current.find(({ approved }) => approved.host.name === host.name);
        // One that was not heard of again may have gone back: the same transaction is asked for the next time.
        if (status === "skipped" || !isSettled(outcome) || entry === undefined) return undefined;
        if (status === "unreachable") {
          await pending.mark(entry, begun.has(host.name));
          return entry.until;
        }
        await pending.remove(host.name);
        return undefined;
      },
      observer: options.observerOf(part),
    });
    outcomes.push(...became);
  }
  return outcomes;
}

/**
 * A rollout that was killed once a host waited, and before it wrote that down, must not go on with the host itself. One
 * that has begun the host since, when it was gone on with, asks itself what became of that, as is done here as well.
 */
function tellInterrupted(
  entries: readonly PendingHost[],
  interrupted: InterruptedJournal | undefined,
): readonly PendingHost[] {
  if (interrupted === undefined) return entries;
  using journal = interrupted;
  return entries.map((entry) => {
    const { name: host } = entry.approved.host;
    if (journal.outcomes.has(host)) return entry;
    if (journal.begun.has(host)) return { ...entry, isBegun: true };
    const outcome = { status: "unreachable", reason: `${host} was not reached`, pendingUntil: entry.until } as const;
    journal.append({ kind: "outcome", outcome: { ...outcome, host, goal: entry.rollout.goal, timeline: [] } });
    return entry;
  });
}

/** Before anything happens on hosts that answer, it is on the disk that it may have. */
async function noteBegun(
  entries: readonly PendingHost[],
  refused: ApprovedPlan["refused"],
  pending: PendingHosts,
): Promise<void> {
  for (const entry of entries) {
    const isRefused = refused.some(({ host }) => host === entry.approved.host.name);
    if (!isRefused && entry.isBegun !== true) await pending.mark(entry, true);
  }
}

/** Drops what a host was to get, after what is still owed to its hooks when it was brought there before. */
export async function dropPending(
  { approved, rollout, isBegun }: PendingHost,
  why: string,
  { pending, hooks, onDropped }: Pick<ConvergeOptions, "pending" | "hooks" | "onDropped">,
): Promise<void> {
  const { name } = approved.host;
  onDropped(name, why);
  const note = (text: string): void => onDropped(name, text);
  const owed = hostHooksOf(approved, rollout, { display: hooks, note, address: undefined, isOwed: isBegun === true });
  await owed.around(
    () => Promise.resolve(),
    () => "unknown",
  );
  await pending.remove(name);
}

/** Leaves out hosts that somebody has deployed to since: what was planned before is dropped. */
async function withoutLater(
  entries: readonly PendingHost[],
  refused: ApprovedPlan["refused"],
  options: ConvergeOptions,
): Promise<PendingHost[]> {
  const asked = await mapConcurrently(entries, ASKED_AT_ONCE_MAX, async (entry) => {
    const { name } = entry.approved.host;
    const isRefused = refused.some(({ host }) => host === name);
    const later = isRefused
      ? undefined
      : await deployedSince(options.sessions.get(name)!, entry.rollout, options.cancel);
    if (later === undefined) return [entry];
    await dropPending(entry, `${later}; what was planned for it before is dropped`, options);
    return [];
  });
  return asked.flat();
}

const ASKED_AT_ONCE_MAX = 16;

/** Who has deployed to a host since, as a sentence; `undefined` when nobody has, or it cannot be asked. */
async function deployedSince(
  open: DeploySession,
  rollout: PendingHost["rollout"],
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const { receipts } = await (await open.kit(signal)).history({ signal });
    return laterDeployment(receipts, rollout);
  } catch (error) {
    if (error instanceof OperationError && !signal.aborted) return undefined;
    throw error;
  }
}
