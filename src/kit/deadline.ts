/** The timers that bring a host back by themselves, whatever becomes of the executor and the deployer. */

import type { Host } from "./host.ts";
import { TIMERS, type TransactionRecord } from "./transaction-record.ts";

export type DeadlineTimer = (typeof TIMERS)[number];

/** Starts a timer that returns to the previous system; one of the same name is replaced. */
export function armDeadline(host: Host, record: TransactionRecord, unit: DeadlineTimer, seconds: number): void {
  const outcome = host.units.supervise({
    unit,
    description: `Return to the previous system unless ${record.id} is confirmed`,
    command: [host.kitCommand, "revert-run", record.id, "deadline"],
    afterSeconds: seconds,
    isLastResort: true,
  });
  if (!outcome.ok) throw new Error(`the timer that returns to the previous system cannot start: ${outcome.message}`);
  record.append({ kind: "deadline", atSeconds: Math.round(host.uptimeMs() / 1000 + seconds) });
}

export function disarmDeadlines(host: Host): void {
  host.units.stop(
    TIMERS.map((timer) => `${timer}.timer`),
    10,
  );
}
