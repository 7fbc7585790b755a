/** Refusing health checks that can never hold, before anything is done to the host. */

import { OperationError } from "../base/errors.ts";
import type { DeployerCheck, HealthCheck } from "../machine/health-check.ts";
import { impossibleChecks, type ImpossibleCheck } from "../machine/impossible-checks.ts";
import type { SystemObject } from "../machine/system-object.ts";
import { findProgram } from "../system/process.ts";
import { checkTimeMs } from "./activate-host.ts";
import type { HostInventory } from "./inventory.ts";

/** Throws `HEALTH_CHECK_IMPOSSIBLE` with each such check, and where it is defined. */
export async function requirePossible(
  host: HostInventory,
  wanted: { readonly system: SystemObject; readonly healthChecks: readonly HealthCheck[] },
): Promise<void> {
  const found = [
    ...impossibleChecks(wanted.system, wanted.healthChecks),
    ...(await impossibleHere(host.deployerChecks ?? [], host.confirmTimeoutSeconds)),
  ];
  if (found.length === 0) return;
  const told = found.map(({ name, problem }) => {
    const place = host.checkPlaces?.[name];
    return `health check '${name}' ${problem}${place === undefined ? "" : ` (defined in ${place})`}`;
  });
  throw new OperationError("HEALTH_CHECK_IMPOSSIBLE", `${host.name}: ${told.join("; ")}`, {
    hint: "nothing was done to the host: correct the check, or declare what it needs",
  });
}

async function impossibleHere(
  checks: readonly DeployerCheck[],
  confirmTimeoutSeconds: number,
): Promise<ImpossibleCheck[]> {
  const found: ImpossibleCheck[] = [];
  for (const check of checks) {
    const { settleSeconds = 0, timeoutSeconds } = check;
    const hasTime = settleSeconds * 1000 < checkTimeMs(confirmTimeoutSeconds);
    if (!hasTime || settleSeconds + timeoutSeconds > confirmTimeoutSeconds) {
      const problem = `would have its first answer after ${settleSeconds + timeoutSeconds} s, and the host waits ${confirmTimeoutSeconds} s for its confirmation, which takes time too`;
      found.push({ name: check.name, problem });
    }
    const program = check.kind === "command" ? check.command[0] : undefined;
    if (program !== undefined && (await findProgram(program)) === undefined)
      found.push({ name: check.name, problem: `runs ${program}, which this machine does not have` });
  }
  return found;
}
