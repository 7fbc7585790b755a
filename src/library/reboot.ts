/** Rebooting hosts, and waiting until they are back. */

import { systemClock } from "../base/clock.ts";
import { mapConcurrently } from "../base/concurrency.ts";
import { OperationError } from "../base/errors.ts";
import { preflightHost } from "../fleet/preflight.ts";
import { rebootHost } from "../fleet/reboot.ts";
import { buildKits } from "./build.ts";
import { hookDisplay, requireHooks } from "./build-hooks.ts";
import { withSessions } from "./connect.ts";
import { openContext } from "./context.ts";
import type { Deployer } from "./deployer.ts";
import { preflightOptions } from "./plan.ts";
import type { HostsRequest } from "./request.ts";
import { uploadsTo } from "./uploads.ts";

export interface RebootRequest extends HostsRequest {
  /** How long a host may take to come back. */
  readonly timeoutMs: number;
  /** Asked before anything is done; throws to leave all hosts as they are. */
  readonly approve: (hosts: readonly string[]) => Promise<void>;
}

export interface RebootedHost {
  readonly host: string;
  readonly healthy: boolean;
  readonly downMs: number;
  readonly problems: readonly string[];
}

export async function rebootHosts(deployer: Deployer, request: RebootRequest): Promise<RebootedHost[]> {
  const { observer, signal } = deployer;
  const context = await openContext(deployer, { hosts: request.hosts });
  await requireHooks(context.inventory, context.hosts);
  await buildKits(deployer, context);
  await request.approve(context.hosts.map(({ name }) => name));
  return withSessions(deployer, context, (sessions) => {
    const uploadsFor = uploadsTo(deployer, sessions);
    return mapConcurrently([...sessions.values()], sessions.size, async (open) => {
      const { name } = open.host;
      try {
        await preflightHost(open, preflightOptions(deployer, context, { needsRoom: false }));
        const isUploading = (open.host.uploads ?? []).length > 0;
        const uploads = isUploading ? uploadsFor(open.host, (text) => observer.update(name, text)) : undefined;
        await uploads?.read();
        const result = await rebootHost(open, {
          fleet: context.inventory.name,
          hooks: hookDisplay(deployer),
          timeoutMs: request.timeoutMs,
          signal,
          clock: systemClock,
          onPhase: (text) => observer.update(name, text),
          // What was in memory is gone.
          afterBoot: () => uploads?.after(),
        });
        observer.done(
          name,
          result.healthy ? "back and healthy" : `back, but unhealthy: ${result.problems.join("; ")}`,
          result.healthy ? "ok" : "failed",
        );
        return { host: name, ...result };
      } catch (error) {
        if (!(error instanceof OperationError) || signal.aborted) throw error;
        observer.done(name, error.message, "failed");
        return { host: name, healthy: false, downMs: 0, problems: [error.message] };
      }
    });
  });
}
