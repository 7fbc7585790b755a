/** What a deployer that follows a transaction is told: its records, and when there is nothing more to wait for. */

import type { JournalAnswer, TransactionState } from "../machine/transaction.ts";
import type { Host } from "./host.ts";
import type { TransactionRecord } from "./transaction-record.ts";

/** States in which nothing happens before somebody asks for it, or a timer goes off. */
const RESTING: ReadonlySet<TransactionState> = new Set(["awaiting-confirm", "awaiting-boot", "temporary"]);

export function isAtRest(host: Host, record: TransactionRecord): boolean {
  // A full disk may take the receipt and not the journal's last record.
  const isOver = record.receipt !== undefined;
  // What an earlier boot left is told when it is concluded.
  return isOver || RESTING.has(record.state) || record.bootId !== host.bootId();
}

export function answerOf(record: TransactionRecord, after: number): JournalAnswer {
  const { receipt } = record;
  const { revertsInSeconds } = record.status();
  return {
    id: record.id,
    state: receipt?.outcome ?? record.state,
    records: record.recordsAfter(after),
    ...(receipt === undefined ? {} : { receipt }),
    ...(revertsInSeconds === undefined ? {} : { revertsInSeconds }),
  };
}
