/** Going on in the new boot with a transaction that leads across a reboot. */

import { activationTimeoutSeconds } from "./activation.ts";
import { isBootedOnce } from "./boot-once.ts";
import { isAlive, openUnfinished } from "./conclude.ts";
import { armDeadline } from "./deadline.ts";
import { superviseExecutor } from "./executor.ts";
import type { Host } from "./host.ts";
import { TIMERS } from "./transaction-record.ts";

/** Arms the timer that returns to the boot default, then starts the executor again. May be repeated. */
export function resume(host: Host): void {
  const record = openUnfinished(host);
  if (record === undefined || !isBootedOnce(host, record) || isAlive(host, record)) return;
  armDeadline(host, record, TIMERS[0], activationTimeoutSeconds(record) + record.plan.confirmTimeoutSeconds);
  const outcome = superviseExecutor(host, record);
  if (!outcome.ok) throw new Error(`the executor cannot be started: ${outcome.message}`);
}
