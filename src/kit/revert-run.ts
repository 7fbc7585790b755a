/** What the timers run: the way back of a transaction whose time is over. */

import type { RevertReason } from "../machine/transaction.ts";
import { isAlive, peekUnfinished } from "./conclude.ts";
import { disarmDeadlines } from "./deadline.ts";
import type { Host } from "./host.ts";
import { revert } from "./revert.ts";
import { TransactionRecord } from "./transaction-record.ts";

/** Takes the transaction back that a timer was armed for; `why` is `deadline`, `expired` or `requested`. */
export function revertRun(host: Host, id: string, why: string | undefined): void {
  const heir = peekUnfinished(host);
  if (heir?.facts.supersedes === id) heir.concludeSuperseded();
  let record = TransactionRecord.open(host, id);
  // Removed by hand: there is nothing left to say where to return to, however often this is tried.
  if (record === undefined) return;
  if (record.state === "superseded") {
    // Nobody else ends what took over from a temporary system and was cut off before it could begin.
    if (heir === undefined || isAlive(host, heir)) return;
    record = heir;
  }
  if (record.state === "temporary" && why === "deadline") {
    // Confirmed just before: only its end is to be waited for.
    disarmDeadlines(host);
    return;
  }
  revert(host, record, { reason: reasonOf(record) });
}

function reasonOf({ state, plan }: TransactionRecord): RevertReason {
  switch (state) {
    case "temporary":
      return { kind: "expired", message: `the ${plan.temporarySeconds ?? 0} s of a temporary system are over` };
    case "awaiting-confirm":
      return { kind: "deadline", message: `nobody confirmed within ${plan.confirmTimeoutSeconds} s` };
    default:
      return { kind: "executor-lost", message: `the activation was not finished in time (${state})` };
  }
}
