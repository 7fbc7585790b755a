/** What a deployment asks of hosts besides their kits and stores: over ssh, as declared for each. */

import { systemClock } from "../base/clock.ts";
import { requireChecksBefore } from "../fleet/checks-before.ts";
import type { DeployOptions } from "../fleet/deploy.ts";
import type { Sessions } from "./connect.ts";
import type { Deployer } from "./deployer.ts";
import { uploadsTo } from "./uploads.ts";

export function hostCallsOf(
  deployer: Deployer,
  sessions: Sessions,
): Required<Pick<DeployOptions, "checkBefore" | "uploadsTo">> {
  const { signal } = deployer;
  return {
    checkBefore: async (host, onNote) => {
      const { connection } = sessions.get(host.name)!;
      await requireChecksBefore(host, { connection, clock: systemClock, signal, onNote });
    },
    uploadsTo: uploadsTo(deployer, sessions),
  };
}
