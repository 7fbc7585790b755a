/** What happened to one host, as a value: a fleet never throws for one of its hosts. */

import type { Receipt, TransactionGoal } from "../machine/transaction.ts";
import type { UnitPlan } from "../machine/unit-plan.ts";

/** One line of a host's story, for the timeline. */
export interface TimelineEntry {
  /** Milliseconds since the command began. */
  readonly atMs: number;
  readonly text: string;
}

export type HostResult =
  /** The wanted system runs and is the boot default (goal `boot`: is the boot default). */
  | ({ readonly status: "activated"; readonly receipt: Receipt } & Kept)
  /** Goal `test`: the wanted system runs until the next reboot. */
  | ({ readonly status: "tested"; readonly receipt: Receipt } & Kept)
  /** Goal `temporary`: the wanted system runs until then (ISO 8601), and the previous one again after it. */
  | ({ readonly status: "temporary"; readonly until: string; readonly previous: string } & Kept)
  /** Goal `dry-activate`: what would have been done; a system that switches to itself says so in words. */
  | { readonly status: "planned"; readonly units: UnitPlan; readonly output?: readonly string[] }
  | { readonly status: "unchanged" }
  /** The host returned to its recorded previous system; the receipt says why, if it could be read. */
  | {
      readonly status: "rolled-back";
      readonly reason: string;
      readonly log: readonly string[];
      readonly receipt?: Receipt;
    }
  /** The host refused or failed before anything was changed on it. */
  | { readonly status: "failed"; readonly code: string; readonly reason: string; readonly hint?: string }
  /** Nothing was changed; with `pendingUntil` (ISO 8601), `pristine converge` brings the host what it should have. */
  | {
      readonly status: "unreachable";
      readonly reason: string;
      readonly hint?: string;
      readonly pendingUntil?: string;
    }
  /** Contact was lost after activation began, and the host could not be asked since; it returns by itself. */
  | {
      readonly status: "unknown";
      readonly reason: string;
      /** There is nothing more to hear: another deployment took over. */
      readonly receipt?: Receipt;
    }
  /** Left as it is: the operator interrupted the deployment, or too many other hosts had failed. */
  | { readonly status: "skipped"; readonly because: "cancelled" | "halted" };

/** Why a host keeps what it was to give back with its wave; it is tried again when the rollout is resumed. */
interface Kept {
  readonly notTakenBack?: string;
  /** It was on its way back, and came here again: the same would happen once more. */
  readonly staysSo?: boolean;
}

export type HostOutcome = HostResult & {
  readonly host: string;
  readonly goal: TransactionGoal;
  readonly timeline: readonly TimelineEntry[];
  readonly copied?: { readonly paths: number; readonly bytes: number };
};

const AS_WANTED: readonly HostResult["status"][] = ["activated", "tested", "temporary", "planned", "unchanged"];

export function isAsWanted(outcome: HostOutcome): boolean {
  return AS_WANTED.includes(outcome.status) && !("notTakenBack" in outcome);
}

/** Whether an outcome stays: what was not heard of again has to be asked, what is to go back to be tried again. */
export function isSettled(outcome: HostOutcome): boolean {
  const isToGoBack = "notTakenBack" in outcome && outcome.staysSo !== true;
  const isOpen = (outcome.status === "unknown" && outcome.receipt === undefined) || isToGoBack;
  return !isOpen && !(outcome.status === "skipped" && outcome.because === "cancelled");
}

/** 0 when every host is as wanted, 3 when nothing could start, 2 when some failed, 130 when cancelled. */
export function exitCodeOfOutcomes(outcomes: readonly HostOutcome[]): 0 | 2 | 3 | 130 {
  if (outcomes.every(isAsWanted)) return 0;
  if (outcomes.some((outcome) => outcome.status === "skipped" && outcome.because === "cancelled")) return 130;
  if (outcomes.every((outcome) => outcome.status === "failed" && outcome.code === "HOST_LOCKED")) return 3;
  return 2;
}

/** Codes of errors that say that a host was not reached: it is as it was, and may be back later. */
export const NOT_REACHED: ReadonlySet<string> = new Set(["HOST_UNREACHABLE", "HOST_TIMEOUT"]);
