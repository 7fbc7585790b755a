/**
 * The way back to the recorded previous system. It may be interrupted and repeated; it never gives up in the middle:
 * a step that fails is recorded, and the next one is tried.
 */

import {
  isFinal,
  stepsOf,
  type Receipt,
  type RequestedReason,
  type RevertReason,
  type StepName,
} from "../machine/transaction.ts";
import { EMPTY_UNIT_PLAN } from "../machine/unit-plan.ts";
import { actLive, backActivation, newlyFailed, planUnits, type Activation } from "./activation.ts";
import { isBootedOnce, reboot, removeBootOnce } from "./boot-once.ts";
import { openUnfinished } from "./conclude.ts";
import { finishConfirm, isCommitted } from "./confirm.ts";
import { dataAfterReturn } from "./data-versions.ts";
import { disarmAll } from "./deadline.ts";
import { runHookStep } from "./hooks.ts";
import type { Host } from "./host.ts";
import { KitError } from "./kit-error.ts";
import { releaseProfiles, returnProfiles } from "./profiles.ts";
import { pruneSecrets } from "./secrets.ts";
import { restoreBootDefault, switchTo } from "./switch-to-configuration.ts";
import { profileSystem, removeRoot, setRoot } from "./systems.ts";
import {
  EXECUTOR_UNIT,
  pruneTransactions,
  ROLLBACK_UNIT,
  TransactionRecord,
  useReturnBallast,
} from "./transaction-record.ts";

export interface RevertOptions {
  /** We are the executor's own process and must not stop it. */
  readonly isExecutor?: boolean;
  /** Why; what is recorded already wins. */
  readonly reason?: RevertReason;
}

/** Takes an unfinished transaction of this boot back; a finished one stays as it is. */
export function revert(host: Host, opened: TransactionRecord, options: RevertOptions): Receipt | undefined {
  let record = opened;
  let unconfirmed: string | undefined;
  // The executor that runs now may be another transaction's.
  if (isFinal(record.state)) return record.receipt;
  if (options.isExecutor !== true) {
    host.units.halt(EXECUTOR_UNIT);
    // The executor may have written more before it was stopped.
    record = TransactionRecord.openKnown(host, record.id);
  }
  if (isFinal(record.state)) return record.receipt;
  if (record.state === "confirming") {
    // The deployer has confirmed; only a confirmation that cannot be done leads back.
    try {
      finishConfirm(host, record);
      return record.receipt;
    } catch (error) {
      // There is only the way forward, which is tried again.
      if (isCommitted(host, record)) throw error;
      unconfirmed = error instanceof Error ? error.message : String(error);
    }
  }
  if (record.state !== "reverting") {
    record.setState("reverting", options.reason ?? { kind: "requested", message: "a return was asked for" });
  }
  // From here on, what a full disk does not take is left out.
  if (unconfirmed !== undefined) record.append({ kind: "note", message: `confirm: ${unconfirmed}` });

  const activation = backActivation(host, record);
  // Nothing that runs was touched before the first stop.
  const { base, facts, plan } = record;
  const isUntouched =
    facts.partial.length === 0 && !record.hasBegun(base === "nixos" ? "switch-to-configuration" : "stop");
  const goalSteps = stepsOf("revert", plan.goal, base);
  const failures: string[] = [];
  for (const step of goalSteps) {
    if (step === "revert-receipt") {
      if (writeReceipt(activation, failures)) continue;
      // The timers stay: they try again, and so does the next transaction.
      return undefined;
    }
    if (step === "revert-reboot") {
      if (!isBootedOnce(host, record)) continue;
      record.append({ kind: "step", step, event: "begin" });
      // What the boot after this one asks first writes the receipt.
      reboot(host);
      return undefined;
    }
    if (record.hasEnded(step) || (isUntouched && LIVE_STEPS.has(step))) continue;
    if (!isFinal(record.state)) record.append({ kind: "step", step, event: "begin" });
    try {
      act(activation, step);
      if (!isFinal(record.state)) record.append({ kind: "step", step, event: "end" });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      failures.push(message);
      if (!isFinal(record.state)) record.append({ kind: "step", step, event: "failed", message });
    }
  }
  pruneTransactions(host);
  return record.receipt;
}

/** What a goal without live steps does not have. */
const LIVE_STEPS: ReadonlySet<StepName> = new Set(
  (["debian", "nixos", "foreign"] as const).flatMap((base) =>
    stepsOf("revert", "switch", base).filter((step) => !stepsOf("revert", "boot", base).includes(step)),
  ),
);

function act(activation: Activation, step: StepName): void {
  const { host, record } = activation;
  switch (step) {
    case "revert-halt":
      // Done above, before anything was read; the record says that it was.
      break;
    case "revert-switch-to-configuration":
      useReturnBallast(host, () => switchTo(activation));
      break;
    case "revert-boot-loader":
      useReturnBallast(host, () => restoreBootDefault(host, record));
      break;
    case "revert-boot-once":
      removeBootOnce(host, record.base);
      break;
    case "pre-rollback":
      runHookStep(host, record, step);
      break;
    case "post-rollback":
      returnAllProfiles(host, record);
      runHookStep(host, record, step, { outcome: "reverted" });
      break;
    case "revert-roots":
      setRoot(host, "current", record.facts.previous);
      removeRoot(host, "pending");
      pruneSecrets(host, record);
      break;
    case "revert-disarm":
      disarmAll(host);
      break;
    case "revert-stop":
      actLive(activation, step, planUnits(activation));
      break;
    case "revert-reload":
      // Without a plan the units could not be listed before the flip: the new system's systemctl may not start.
      if (record.unitPlan("back") === undefined) actLive(activation, "revert-stop", planUnits(activation));
      actLive(activation, step, record.unitPlan("back") ?? EMPTY_UNIT_PLAN);
      break;
    default:
      actLive(activation, step, record.unitPlan("back") ?? EMPTY_UNIT_PLAN);
  }
}

/** What failed of it is told in the receipt; hooks run all the same. */
function returnAllProfiles(host: Host, record: TransactionRecord): void {
  const failures = returnProfiles(host, record);
  releaseProfiles(host);
  if (failures.length === 0) return;
  runHookStep(host, record, "post-rollback", { outcome: "revert-failed" });
  throw new Error(failures.join("; "));
}

/** Says whether it could be written. */
function writeReceipt(activation: Activation, failures: readonly string[]): boolean {
  const { host, record } = activation;
  record.append({ kind: "step", step: "revert-receipt", event: "begin" });
  const failed = newlyFailed(activation, record.unitPlan("back") ?? EMPTY_UNIT_PLAN);
  record.append({ kind: "step", step: "revert-receipt", event: "end" });
  const isClean = failures.length === 0 && failed.length === 0;
  try {
    record.conclude(isClean ? "reverted" : "revert-failed", {
      failedUnits: failed,
      data: dataAfterReturn(host, record),
    });
    return true;
  } catch {
    // The disk is full: the host is back where it was, and only the record of it is missing.
    return false;
  }
}

/** Asks for a return: recorded at once, done by a supervised unit, so that the asker's session may die of it. */
export function requestRevert(
  host: Host,
  id: string,
  reason: RequestedReason = { kind: "requested", message: "the deployer asked to return" },
): TransactionRecord {
  let record = TransactionRecord.openKnown(host, id);
  const isOfThisBoot = record.bootId === host.bootId() || isBootedOnce(host, record);
  if (!isOfThisBoot) {
    // The reboot has taken it back, or it had been confirmed.
    openUnfinished(host);
    record = TransactionRecord.openKnown(host, id);
  } else if (!isFinal(record.state)) {
    // The executor may write more before it is stopped. What has ended has none: the one that runs is another's.
    host.units.halt(EXECUTOR_UNIT);
    record = TransactionRecord.openKnown(host, id);
  }
  if (record.state === "reverted" || record.state === "reverted-by-reboot" || record.state === "revert-failed")
    return record;
  if (isFinal(record.state) || isCommitted(host, record) || !isOfThisBoot) {
    throw new KitError("KIT_STATE", `transaction ${id} is ${record.state}; deploy the earlier system instead`, {
      transaction: record.status(),
      hint: `the previous system is ${record.facts.previous}; the boot default is ${profileSystem(host) ?? "not set"}`,
    });
  }
  if (record.state !== "reverting") {
    record.setState("reverting", reason);
  }
  const outcome = host.units.supervise({
    unit: ROLLBACK_UNIT.slice(0, -".service".length),
    description: `Return to the system before ${id}`,
    command: [host.kitCommand, "revert-run", id, "requested"],
    isLastResort: true,
  });
  if (!outcome.ok) throw new KitError("KIT_FAILED", `the return cannot be started: ${outcome.message}`);
  return record;
}
