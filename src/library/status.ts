/** How hosts are. */

import { type HostStatus, statusOfHosts } from "../fleet/status.ts";
import { buildKits } from "./build.ts";
import { withSessions } from "./connect.ts";
import { openContext } from "./context.ts";
import type { Deployer } from "./deployer.ts";
import type { HostsRequest } from "./request.ts";

export interface StatusRequest extends HostsRequest {
  /** Whether the health checks are run; they are by default. */
  readonly health?: boolean;
}

/** Opens the hosts, and calls `use` with what asks all of them how they are. */
export async function withStatuses<T>(
  deployer: Deployer,
  { hosts, health = true }: StatusRequest,
  use: (ask: () => Promise<HostStatus[]>, fleet: string) => Promise<T>,
): Promise<T> {
  const context = await openContext(deployer, { hosts, systems: true, keepGoing: true });
  await buildKits(deployer, context);
  const { inventory, failed } = context;
  const { signal } = deployer;
  return withSessions(deployer, context, (sessions) =>
    use(
      () =>
        statusOfHosts({ sessions: [...sessions.values()], failed, signal }, { declared: inventory.systems, health }),
      inventory.name,
    ),
  );
}
