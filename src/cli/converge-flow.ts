/** `pristine converge`: bringing hosts that were not reached what was planned for them. */

import { systemClock } from "../base/clock.ts";
import { mapConcurrently } from "../base/concurrency.ts";
import { OperationError } from "../base/errors.ts";
import { deployFleet } from "../fleet/deploy.ts";
import type { HostSession } from "../fleet/host-session.ts";
import { exitCodeOfOutcomes, type HostOutcome } from "../fleet/outcome.ts";
import { type PendingHost, PendingHosts } from "../fleet/rollout/pending.ts";
import type { ApprovedPlan, RolloutRecord } from "../fleet/rollout/rollout-record.ts";
import { openFleet, withSessionsTo } from "./fleet-context.ts";
import { observerFor, refusalsOf, type Sessions, showOutcomes, watched } from "./rollout-flow.ts";
import type { Session } from "./session.ts";

/** Brings hosts that were not reached what they are to have: once, or until all have it; answers the exit status. */
export async function converge(
  session: Session,
  names: readonly string[],
  everyMs: number | undefined,
): Promise<number> {
  for (;;) {
    const outcomes = await convergeOnce(session, names);
    const isWaiting = outcomes.some(({ status }) => status === "unreachable");
    if (everyMs === undefined || !isWaiting) {
      if (outcomes.length === 0 && !session.options.json) session.terminal.out("nothing is pending");
      else showOutcomes(session, outcomes, {});
      return exitCodeOfOutcomes(outcomes);
    }
    await systemClock.sleep(everyMs, session.signal);
  }
}

async function convergeOnce(session: Session, names: readonly string[]): Promise<HostOutcome[]> {
  const { inventory, hosts, store } = await openFleet(session, names);
  const pending = new PendingHosts(inventory.name, systemClock);
  const due = await dueHosts(session, pending, { declared: inventory.hosts, meant: hosts });
  const wanted = { fleet: inventory.name, store, hosts: due.map(({ approved }) => approved) };
  return withSessionsTo(session, wanted, async (sessions) => {
    const outcomes: HostOutcome[] = [];
    const rollouts = new Map(due.map(({ rollout }) => [rollout.id, rollout]));
    for (const rollout of rollouts.values()) {
      const entries = due.filter((entry) => entry.rollout.id === rollout.id);
      const own = new Map(entries.map(({ approved: { host } }) => [host.name, sessions.get(host.name)!]));
      const refused = await refusalsOf(session, rollout, own);
      const current = await withoutLater(session, pending, entries, { refused, sessions });
      const part: RolloutRecord = {
        ...rollout,
        policy: { ...rollout.policy, onFailure: "continue", pauseSeconds: 0 },
        hosts: current.map(({ approved }) => approved),
        waves: [current.map(({ approved }) => approved.host.name)],
        refused,
      };
      const became = await watched(session, async (abandon) =>
        deployFleet(part, sessions, {
          clock: systemClock,
          localStore: store,
          onOutcome: async ({ host }, { status }) => {
            // One that was not heard of again may have gone back: the same transaction is asked for the next time.
            if (status === "skipped" || status === "unknown") return undefined;
            if (status === "unreachable")
              return current.find(({ approved }) => approved.host.name === host.name)?.until;
            await pending.remove(host.name);
            return undefined;
          },
          cancel: session.signal,
          abandon,
          observer: observerFor(session, part),
        }),
      );
      outcomes.push(...became);
    }
    return outcomes;
  });
}

/** The hosts that are meant and still wait; what nobody waits for any more is dropped. */
async function dueHosts(
  { progress }: Session,
  pending: PendingHosts,
  hosts: Readonly<Record<"declared" | "meant", readonly { readonly name: string }[]>>,
): Promise<PendingHost[]> {
  const declared = new Set(hosts.declared.map(({ name }) => name));
  const meant = new Set(hosts.meant.map(({ name }) => name));
  const due: PendingHost[] = [];
  for (const entry of await pending.list()) {
    const { name } = entry.approved.host;
    const why = !declared.has(name)
      ? "it is no host of the fleet any more"
      : pending.isOver(entry)
        ? `what was planned for it on ${entry.since.slice(0, 10)} has expired`
        : undefined;
    if (why === undefined) {
      if (meant.has(name)) due.push(entry);
      continue;
    }
    progress.line(`${name}: ${why}`);
    await pending.remove(name);
  }
  return due;
}

/** Leaves out hosts that somebody has deployed to since: what was planned before is dropped. */
async function withoutLater(
  { progress, signal }: Session,
  pending: PendingHosts,
  entries: readonly PendingHost[],
  known: { readonly refused: ApprovedPlan["refused"]; readonly sessions: Sessions },
): Promise<PendingHost[]> {
  const asked = await mapConcurrently(entries, ASKED_AT_ONCE_MAX, async (entry) => {
    const { name } = entry.approved.host;
    const isRefused = known.refused.some(({ host }) => host === name);
    const later = isRefused ? undefined : await deployedSince(known.sessions.get(name)!, entry.since, signal);
    if (later === undefined) return [entry];
    progress.line(`${name}: ${later}; what was planned for it before is dropped`);
    await pending.remove(name);
    return [];
  });
  return asked.flat();
}

const ASKED_AT_ONCE_MAX = 16;

/** Who has deployed to a host since a time, as a sentence; `undefined` when nobody has, or it cannot be asked. */
async function deployedSince(open: HostSession, since: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const { receipts } = await (await open.kit(signal)).history({ signal });
    const later = receipts.find((receipt) => receipt.outcome === "confirmed" && receipt.beganAt > since);
    return later && `${later.operator.user}@${later.operator.host} has deployed to it since (${later.planReason})`;
  } catch (error) {
    if (error instanceof OperationError && !signal.aborted) return undefined;
    throw error;
  }
}
