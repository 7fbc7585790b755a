/** `pristine converge`: bringing hosts that were not reached what was planned for them. */

import { systemClock } from "../base/clock.ts";
import { exitCodeOfOutcomes, type HostOutcome } from "../fleet/outcome.ts";
import { convergeHosts, dropPending } from "../fleet/rollout/converge.ts";
import { type PendingHost, PendingHosts } from "../fleet/rollout/pending.ts";
import { openInterrupted } from "../fleet/rollout/rollout-journal.ts";
import { openFleet, withSessionsTo } from "./fleet-context.ts";
import { hookDisplay } from "./hook-flow.ts";
import { observerFor, refusalsOf, showOutcomes, watched } from "./rollout-flow.ts";
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
  const { inventory, hosts, failed, store } = await openFleet(session, names, { keepGoing: true });
  const pending = new PendingHosts(inventory.name, systemClock);
  const due = await dueHosts(session, pending, {
    declared: [...inventory.hosts.map(({ name }) => name), ...inventory.failed.keys()],
    meant: [...hosts.map(({ name }) => name), ...failed.keys()],
  });
  const wanted = { fleet: inventory.name, store, hosts: due.map(({ approved }) => approved) };
  return withSessionsTo(session, wanted, (sessions) =>
    watched(session, (abandon) =>
      convergeHosts(due, {
        pending,
        sessions,
        interrupted: (rollout) => openInterrupted(inventory.name, rollout),
        look: (rollout, meant) =>
          refusalsOf(session, rollout, new Map(meant.map((name) => [name, sessions.get(name)!]))),
        observerOf: (part) => observerFor(session, part),
        onDropped: notesOf(session),
        clock: systemClock,
        hooks: hookDisplay(session),
        localStore: store,
        cancel: session.signal,
        abandon,
      }),
    ),
  );
}

function notesOf({ progress }: Session): (host: string, text: string) => void {
  return (host, text) => progress.line(`${host}: ${text}`);
}

/** The hosts that are meant and still wait; what nobody waits for any more is dropped. */
async function dueHosts(
  session: Session,
  pending: PendingHosts,
  names: Readonly<Record<"declared" | "meant", readonly string[]>>,
): Promise<PendingHost[]> {
  const declared = new Set(names.declared);
  const meant = new Set(names.meant);
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
    await dropPending(entry, why, { pending, hooks: hookDisplay(session), onDropped: notesOf(session) });
  }
  return due;
}
