/** From names on the command line to how hosts are. */

import { type HostStatus, statusOfHosts } from "../fleet/status.ts";
import { buildKits, openFleet, withSessions } from "./fleet-context.ts";
import type { Session } from "./session.ts";

/** Opens the hosts, and calls `use` with what asks all of them how they are. */
export async function withStatuses<T>(
  session: Session,
  names: readonly string[],
  options: { readonly on: readonly string[]; readonly health: boolean },
  use: (ask: () => Promise<HostStatus[]>, fleet: string) => Promise<T>,
): Promise<T> {
  const context = await openFleet(session, names, { on: options.on, systems: true, keepGoing: true });
  await buildKits(session, context);
  return withSessions(session, context, (sessions) =>
    use(
      () =>
        statusOfHosts([...sessions.values()], {
          declared: context.inventory.systems,
          failed: context.failed,
          health: options.health,
          signal: session.signal,
        }),
      context.inventory.name,
    ),
  );
}
