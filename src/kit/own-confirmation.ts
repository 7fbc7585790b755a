/** Transactions that nobody outside of the host looks after: the kit begins them, waits, and confirms what its checks hold for. */

import type { BeginAnswer, Receipt, TransactionPlan } from "../machine/transaction.ts";
import { askKit, askToConfirm } from "./ask-kit.ts";
import { withScratch } from "./bundle-file.ts";
import { isAtRest } from "./follow.ts";
import type { Host } from "./host.ts";
import { KitError } from "./kit-error.ts";
import { isStorePath } from "./systems.ts";
import { TransactionRecord } from "./transaction-record.ts";

const BEGIN_SECONDS = 300;
const QUERY_SECONDS = 60;
const FOLLOW_PAUSE_MS = 200;
/** What a return may take besides, with its hooks. */
const GRACE_SECONDS = 900;

/** Records a transaction and starts it. */
export function begin(host: Host, plan: TransactionPlan): BeginAnswer {
  return withScratch(host, "ask", (scratch) => {
    const path = `${scratch}/stdin`;
    host.files.writeDurably(path, JSON.stringify(plan));
    return askKit(host, ["begin"], { timeoutSeconds: BEGIN_SECONDS, stdinFile: { path, offset: 0 } });
  });
}

/** Makes a system that somebody has copied here what runs, as a transaction that the host confirms itself. */
export function switchTo(
  host: Host,
  path: string,
  goal: string,
  onNote: (text: string) => void,
): Receipt | BeginAnswer {
  const meta = isStorePath(path) ? host.system(path).meta : undefined;
  const known = GOALS.find((one) => one === goal);
  if (meta === undefined) throw new KitError("KIT_SYSTEM_INVALID", `${path} is no system of the Debian base`);
  if (known === undefined) throw new KitError("KIT_USAGE", `the goal is one of ${GOALS.join(", ")}, not '${goal}'`);
  const id = `${host.wallClock().replace(/[-:]/g, "").slice(0, 15)}-${host.uptimeMs()}-${meta.host}`;
  const began = begin(host, {
    version: 1,
    id: id.slice(0, TRANSACTION_ID_CHARS_MAX),
    goal: known,
    host: meta.host,
    system: path,
    operator: { user: "root", host: meta.host, pid: 0 },
    reason: "switch-to-configuration",
    confirmTimeoutSeconds: meta.confirmTimeoutSeconds,
    keepGenerations: meta.keepGenerations,
    healthChecks: meta.healthChecks,
    hooks: meta.hooks ?? [],
  });
  return known === "dry-activate" ? began : finish(host, began.id, onNote);
}

const GOALS = ["switch", "test", "boot", "dry-activate"] as const;
const TRANSACTION_ID_CHARS_MAX = 64;

/** What ends with the host's going down is told before that. */
const AWAITING_BOOT =
  "awaiting-boot: the host goes down, and confirms what it boots by itself; apply the bundle again then for its receipt";

/** Waits for the host's own verdict, and confirms what it finds healthy. */
export function finish(host: Host, id: string, onNote: (text: string) => void): Receipt {
  let told = "";
  let until: number | undefined;
  for (;;) {
    const record = TransactionRecord.openKnown(host, id);
    const { receipt, state, plan } = record;
    if (state !== told) onNote((told = state) === "awaiting-boot" ? AWAITING_BOOT : state);
    if (receipt !== undefined) return receipt;
    const { activationTimeoutSeconds = 300, confirmTimeoutSeconds } = plan;
    until ??= host.uptimeMs() + (activationTimeoutSeconds + confirmTimeoutSeconds + GRACE_SECONDS) * 1000;
    if (host.uptimeMs() > until) {
      throw new KitError("KIT_FAILED", `transaction ${id} is still ${state}`, {
        hint: `'pristine-kit journal ${id} --follow' shows what becomes of it; a bundle is applied again for its receipt`,
      });
    }
    if (record.bootId !== host.bootId()) askKit(host, ["status"], { timeoutSeconds: QUERY_SECONDS });
    else if (state !== "awaiting-boot" && isAtRest(host, record)) confirm(host, id);
    host.sleepMs(FOLLOW_PAUSE_MS);
  }
}

function confirm(host: Host, id: string): void {
  try {
    askToConfirm(host, id);
  } catch (error) {
    // It is on its way back by its timer: the journal will tell.
    if (!(error instanceof KitError) || !["KIT_STATE", "KIT_LOCKED"].includes(error.failure.code)) throw error;
  }
}
