/** The timers that bring a host back by themselves, whatever becomes of the executor and the deployer. */

import type { Host } from "./host.ts";
import { EXPIRY_TIMER, TIMERS, type TransactionRecord } from "./transaction-record.ts";

export type DeadlineTimer = (typeof TIMERS)[number] | typeof EXPIRY_TIMER;

/** Starts a timer that returns to the previous system; one of the same name is replaced. */
export function armDeadline(host: Host, record: TransactionRecord, unit: DeadlineTimer, seconds: number): void {
  const isExpiry = unit === EXPIRY_TIMER;
  const outcome = host.units.supervise({
    unit,
    description: isExpiry
      ? `End the temporary system of ${record.id}`
      : `Return to the previous system unless ${record.id} is confirmed`,
    command: [host.kitCommand, "revert-run", record.id, isExpiry ? "expired" : "deadline"],
    afterSeconds: seconds,
    isLastResort: true,
  });
  if (!outcome.ok) throw new Error(`the timer that returns to the previous system cannot start: ${outcome.message}`);
  const atSeconds = Math.round(host.uptimeMs() / 1000 + seconds);
  record.append({ kind: "deadline", atSeconds, ...(isExpiry ? { isExpiry } : {}) });
}

/** Arms the end of a temporary system; confirmed once more, its time goes on. */
export function armExpiry(host: Host, record: TransactionRecord): void {
  const now = host.uptimeMs() / 1000;
  const at = record.expiryAtSeconds() ?? now + (record.plan.temporarySeconds ?? 0);
  armDeadline(host, record, EXPIRY_TIMER, Math.max(1, Math.round(at - now)));
}

/** Stops the timers that wait for a confirmation. */
export function disarmDeadlines(host: Host): void {
  host.units.stop(
    TIMERS.map((timer) => `${timer}.timer`),
    10,
  );
}

/** Stops these, and the one that ends a temporary system. */
export function disarmAll(host: Host): void {
  disarmDeadlines(host);
  host.units.stop([`${EXPIRY_TIMER}.timer`], 10);
}
