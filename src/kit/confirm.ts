/** Confirmation: the new system becomes the boot default. The rename of the profile is the moment it counts. */

import { type GenerationContent, generationsToRemove } from "../machine/generation.ts";
import { stepsOf, type Receipt, type StepName, type TransactionGoal } from "../machine/transaction.ts";
import { failedUnits } from "./activation.ts";
import { removeBootOnce } from "./boot-once.ts";
import { noteDataVersions } from "./data-versions.ts";
import { armExpiry, disarmAll, disarmDeadlines } from "./deadline.ts";
import { removeUndeclared } from "./foreign.ts";
import { runHookStep } from "./hooks.ts";
import type { Host } from "./host.ts";
import { KitError } from "./kit-error.ts";
import { profilesOf, releaseProfiles } from "./profiles.ts";
import { pruneSecrets } from "./secrets.ts";
import { installBootLoader } from "./switch-to-configuration.ts";
import {
  activatedSystem,
  bootedSystem,
  moveProfile,
  profileSystem,
  readGenerations,
  removeGeneration,
  removeRoot,
  rootedSystem,
  setRoot,
} from "./systems.ts";
import { pruneTransactions, TransactionRecord } from "./transaction-record.ts";

/** Confirms a transaction that awaits it; confirming twice is harmless. A temporary one has no receipt before it ends. */
export function confirm(host: Host, id: string): Receipt | undefined {
  const record = TransactionRecord.openKnown(host, id);
  const { state, receipt } = record;
  if (receipt !== undefined && (state === "confirmed" || state === "tested")) return receipt;
  if (state === "temporary" && record.bootId === host.bootId()) return undefined;
  if (state !== "awaiting-confirm" && state !== "confirming") {
    throw new KitError("KIT_STATE", `transaction ${id} is ${state} and cannot be confirmed`, {
      transaction: record.status(),
    });
  }
  if (record.bootId !== host.bootId() && !isCommitted(host, record)) {
    throw new KitError("KIT_STATE", `the host has rebooted since ${id} began, and booted its old default`, {
      transaction: record.status(),
    });
  }
  if (state !== "confirming") record.setState("confirming");
  return finishConfirm(host, record);
}

/** Whether the boot default has moved, or a receipt has told the end: from then on there is only the way forward. */
export function isCommitted(host: Host, record: TransactionRecord): boolean {
  const { plan, base, state } = record;
  if (state !== "confirming") return false;
  if (record.receipt !== undefined) return true;
  const movesDefault = stepsOf("confirm", plan.goal, base).includes("confirm-profile");
  if (!movesDefault || profileSystem(host) !== plan.system) return false;
  if (base !== "nixos" || record.hasEnded("confirm-boot-loader")) return true;
  // The boot loader has a word in it: what it has booted since tells which.
  return record.bootIdOf("confirming") !== host.bootId() && bootedSystem(host) === plan.system;
}

/** What becomes a generation. */
function contentOf(record: TransactionRecord): GenerationContent {
  return { path: record.plan.system, profiles: profilesOf(record), since: record.facts.newestGeneration };
}

/** How hooks are told of a confirmation that does not make the system the boot default. */
const OUTCOMES: Readonly<Partial<Record<TransactionGoal, string>>> = { test: "tested", temporary: "temporary" };

/** Does what is left of a confirmation. */
export function finishConfirm(host: Host, record: TransactionRecord): Receipt | undefined {
  let generation: number | undefined;
  let receipt: Receipt | undefined;
  for (const step of stepsOf("confirm", record.plan.goal, record.base)) {
    const isRecorded = receipt === undefined;
    if (isRecorded) record.append({ kind: "step", step, event: "begin" });
    if (step === "confirm-profile") generation = moveProfile(host, contentOf(record));
    else if (step === "confirm-receipt") {
      record.append({ kind: "step", step, event: "end" });
      receipt = record.conclude(record.plan.goal === "test" ? "tested" : "confirmed", {
        ...(generation === undefined ? {} : { generation }),
        failedUnits: failedUnits(host.units.list()),
      });
    } else act(host, record, step);
    if (isRecorded && step !== "confirm-receipt") record.append({ kind: "step", step, event: "end" });
  }
  pruneTransactions(host);
  return receipt;
}

function act(host: Host, record: TransactionRecord, step: StepName): void {
  const { plan, facts, bootId } = record;
  switch (step) {
    case "confirm-boot-loader":
      // What was switched to has passed the system's own checks then; else they come now.
      installBootLoader(host, plan.system, { isForced: plan.goal === "switch" || plan.ignoreInhibitors === true });
      break;
    case "confirm-roots":
      setRoot(host, "previous", facts.previous);
      if (plan.goal !== "boot" && bootId === host.bootId()) setRoot(host, "current", plan.system);
      removeRoot(host, "pending");
      releaseProfiles(host);
      if (plan.goal === "reboot") removeBootOnce(host, record.base);
      if (plan.goal === "switch" && record.base === "foreign") removeUsers(host, record);
      pruneSecrets(host, record);
      // At the goal boot its services have not run yet.
      if (plan.goal !== "boot") noteDataVersions(host, plan.system, { isConfirmed: true });
      break;
    case "confirm-expiry":
      armExpiry(host, record);
      record.setState("temporary");
      break;
    case "post-confirmation":
      runHookStep(host, record, step, { outcome: OUTCOMES[plan.goal] ?? "confirmed" });
      break;
    case "confirm-disarm":
      if (plan.goal === "temporary") disarmDeadlines(host);
      else disarmAll(host);
      break;
    case "confirm-prune":
      prune(host, plan.keepGenerations);
      break;
    default:
      throw new KitError("KIT_FAILED", `step '${step}' is no part of a confirmation`);
  }
}

/** There is only the way forward: what cannot be removed now is tried again by the next confirmation or boot. */
function removeUsers(host: Host, record: TransactionRecord): void {
  try {
    removeUndeclared(host, host.system(record.plan.system));
  } catch (error) {
    record.append({ kind: "note", message: error instanceof Error ? error.message : String(error) });
  }
}

/** Removes generations beyond the limit; what is booted, runs, or may be returned to is never removed. */
function prune(host: Host, keepMax: number): void {
  const used = [
    activatedSystem(host),
    bootedSystem(host),
    rootedSystem(host, "previous"),
    rootedSystem(host, "pending"),
  ];
  const inUse = new Set(used.filter((path) => path !== undefined));
  for (const { number } of generationsToRemove({ generations: readGenerations(host), keepMax, inUse })) {
    removeGeneration(host, number);
  }
}
