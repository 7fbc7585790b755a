/** Bringing hosts that were not reached what was planned for them. */

import { systemClock } from "../base/clock.ts";
import type { HostOutcome } from "../fleet/outcome.ts";
import { convergeHosts, dropPending } from "../fleet/rollout/converge.ts";
import { type PendingHost, PendingHosts } from "../fleet/rollout/pending.ts";
import { openInterrupted } from "../fleet/rollout/rollout-journal.ts";
import { hookDisplay } from "./build-hooks.ts";
import { withSessionsTo } from "./connect.ts";
import { openContext } from "./context.ts";
import type { Deployer } from "./deployer.ts";
import type { HostsRequest } from "./request.ts";
import { refusalsOf, rolloutObserver, type Watch } from "./rollout.ts";
import { hostCallsOf } from "./host-calls.ts";

/** Brings hosts that are meant and were not reached what they are to have, once; none when nothing is pending. */
export async function converge(deployer: Deployer, request: HostsRequest, watch: Watch): Promise<HostOutcome[]> {
  const { inventory, hosts, failed, store } = await openContext(deployer, { hosts: request.hosts, keepGoing: true });
  const pending = new PendingHosts(inventory.name, systemClock);
  const due = await dueHosts(deployer, pending, {
    declared: [...inventory.hosts.map(({ name }) => name), ...inventory.failed.keys()],
    meant: [...hosts.map(({ name }) => name), ...failed.keys()],
  });
  const wanted = { fleet: inventory.name, store, hosts: due.map(({ approved }) => approved) };
  return withSessionsTo(deployer, wanted, (sessions) =>
    watch((abandon) =>
      convergeHosts(due, {
        pending,
        sessions,
        interrupted: (rollout) => openInterrupted(inventory.name, rollout),
        look: (rollout, meant) =>
          refusalsOf(deployer, rollout, new Map(meant.map((name) => [name, sessions.get(name)!]))),
        observerOf: (part) => rolloutObserver(deployer, part),
        onDropped: notesOf(deployer),
        clock: systemClock,
        hooks: hookDisplay(deployer),
        ...hostCallsOf(deployer, sessions),
        localStore: store,
        cancel: deployer.signal,
        abandon,
      }),
    ),
  );
}

function notesOf({ observer }: Deployer): (host: string, text: string) => void {
  return (host, text) => observer.note(`${host}: ${text}`);
}

/** The hosts that are meant and still wait; what nobody waits for any more is dropped. */
async function dueHosts(
  deployer: Deployer,
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
    await dropPending(entry, why, { pending, hooks: hookDisplay(deployer), onDropped: notesOf(deployer) });
  }
  return due;
}
