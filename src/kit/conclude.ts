/** Concluding what an earlier boot left unfinished: after a power cut the profile says which system counts. */

import { isFinal, type TransactionLock } from "../machine/transaction.ts";
import { failedUnits } from "./activation.ts";
import { isBootedOnce, removeBootOnce, willBootOnce } from "./boot-once.ts";
import { finishConfirm, isCommitted } from "./confirm.ts";
import { runHookStep } from "./hooks.ts";
import { dataAfterReturn } from "./data-versions.ts";
import type { Host } from "./host.ts";
import { areProfilesBack, releaseProfiles, returnProfiles } from "./profiles.ts";
import { restoreBootDefault } from "./switch-to-configuration.ts";
import { activatedSystem, bootedSystem, removeRoot, runningSystem, setRoot } from "./systems.ts";
import {
  EXECUTOR_UNIT,
  EXPIRY_TIMER,
  readLock,
  releaseLock,
  ROLLBACK_UNIT,
  takeLock,
  TIMERS,
  TransactionRecord,
} from "./transaction-record.ts";

/** The transaction that holds the host, left as it is. */
export function peekUnfinished(host: Host): TransactionRecord | undefined {
  const lock = readLock(host);
  if (lock === undefined) return undefined;
  const record = TransactionRecord.open(host, lock.id) ?? takenOverFrom(host, lock);
  return record?.receipt === undefined ? record : undefined;
}

/** What the holder of the lock was about to take over from. */
function takenOverFrom(host: Host, { supersedes }: TransactionLock): TransactionRecord | undefined {
  const older = supersedes === undefined ? undefined : TransactionRecord.open(host, supersedes);
  return older?.receipt === undefined ? older : undefined;
}

/**
 * The transaction that holds the host, after those that no longer can were concluded: of an earlier boot, confirmed
 * or finished already, or never recorded; `repeated` may be started yet. Call it with the host's lock file held.
 */
export function openUnfinished(host: Host, repeated?: string): TransactionRecord | undefined {
  const lock = readLock(host);
  if (lock === undefined) return undefined;
  const record = TransactionRecord.open(host, lock.id);
  if (record === undefined) {
    // Nothing of it was recorded, so nothing was changed.
    if (isOfThisBoot(host, lock) && isAtWork(host)) return undefined;
    const older = takenOverFrom(host, lock);
    if (older === undefined) {
      removeRoot(host, "pending");
      releaseLock(host, lock.id);
      return undefined;
    }
    setRoot(host, "pending", older.plan.system);
    takeLock(host, older.plan);
    return openUnfinished(host, repeated);
  }
  if (record.receipt !== undefined || isFinal(record.state)) {
    // Cut off between the receipt and the release of the lock.
    const outcome = record.receipt?.outcome;
    if (outcome !== undefined && !isFinal(record.state)) record.setState(outcome);
    releaseLock(host, lock.id);
    return undefined;
  }
  if (isCommitted(host, record)) {
    // Cut off after the boot default had moved; with the lock file held, no confirmation is at work.
    finishConfirm(host, record);
  } else if (record.bootId === host.bootId() || isBootedOnce(host, record)) {
    const mayStart = record.state === "recorded" && record.id === repeated;
    return !mayStart && isBack(host, record) && wasConcluded(host, record) ? undefined : record;
  } else {
    forgetBootOfNew(host, record);
    removeRoot(host, "pending");
    // The power cut was the return, but for what lies on the disk.
    for (const failure of returnProfiles(host, record)) record.append({ kind: "note", message: failure });
    releaseProfiles(host);
    runHookStep(host, record, "post-rollback", { outcome: "reverted-by-reboot" });
    record.conclude("reverted-by-reboot", {
      data: dataAfterReturn(host, record),
      reason: record.reason ?? {
        kind: "reboot",
        message: `the host went down ${record.state === "temporary" ? "during its temporary system" : "before confirmation"} and booted ${bootedSystem(host) ?? "its old default"}`,
      },
    });
  }
  return undefined;
}

/** Nothing is left that boots the new system. A menu that cannot be tidied does not keep a host from what comes next. */
function forgetBootOfNew(host: Host, record: TransactionRecord): void {
  if (record.plan.goal === "reboot") removeBootOnce(host, record.base);
  if (record.base !== "nixos") return;
  try {
    restoreBootDefault(host, record);
  } catch (error) {
    // What was booted shows what the boot default is.
    if (bootedSystem(host) !== record.facts.profile) throw error;
    record.append({ kind: "note", message: error instanceof Error ? error.message : String(error) });
  }
}

/** Whether nobody will end it although nothing of it is left: a full disk kept it from going on, or from being written down. */
function isBack(host: Host, record: TransactionRecord): boolean {
  const { facts, plan } = record;
  // What is booted next, or was booted, is back by a boot.
  if (plan.goal === "reboot" && (facts.bootId !== host.bootId() || willBootOnce(host, record.base))) return false;
  if (isAtWork(host) || isTimed(host)) return false;
  const isSystem = activatedSystem(host) === facts.previous && runningSystem(host) === facts.previous;
  return isSystem && areProfilesBack(host, record);
}

function wasConcluded(host: Host, record: TransactionRecord): boolean {
  const message = "the host is where it was before, which could not be written down then";
  const reason = record.reason ?? { kind: "executor-lost", message };
  const before = record.failedBefore();
  try {
    const failed = failedUnits(host.units.list()).filter((unit) => !before.includes(unit));
    forgetBootOfNew(host, record);
    removeRoot(host, "pending");
    releaseProfiles(host);
    record.conclude(failed.length === 0 ? "reverted" : "revert-failed", { reason, failedUnits: failed });
    return true;
  } catch {
    // The disk is full still.
    return false;
  }
}

function isOfThisBoot(host: Host, lock: TransactionLock): boolean {
  return lock.bootId === host.bootId();
}

/** Whether something of ours is running or will run by itself. */
export function isAtWork(host: Host): boolean {
  return [EXECUTOR_UNIT, ROLLBACK_UNIT, ...TIMERS.map((timer) => `${timer}.service`)].some((unit) =>
    host.units.isActive(unit),
  );
}

/** Whether an unfinished transaction goes on without anybody: an executor works, or a deadline is set. */
export function isAlive(host: Host, record: TransactionRecord): boolean {
  return isAtWork(host) || (record.state === "awaiting-confirm" && isTimed(host));
}

/** Whether a timer is set that returns the host. */
export function isTimed(host: Host): boolean {
  return [...TIMERS, EXPIRY_TIMER].some((timer) => host.units.isActive(`${timer}.timer`));
}
