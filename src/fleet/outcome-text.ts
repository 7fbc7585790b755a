/** Outcomes as people read them. What hosts have said in them is as they said it. */

import { renderBytes, renderCount } from "../base/quantities.ts";
import type { HostOutcome } from "./outcome.ts";

/** What became of a host, in one line. */
export function describeOutcome(outcome: HostOutcome): { text: string; mark: "ok" | "failed" | "info" } {
  const copied =
    outcome.copied === undefined || outcome.copied.paths === 0
      ? ""
      : `, ${renderCount(outcome.copied.paths, "path")} (${renderBytes(outcome.copied.bytes)}) copied`;
  if ("notTakenBack" in outcome && outcome.notTakenBack !== undefined) {
    return { text: `keeps the new system, and should not: ${outcome.notTakenBack}`, mark: "failed" };
  }
  switch (outcome.status) {
    case "activated":
      return {
        text: `${outcome.goal === "boot" ? "boots generation" : "confirmed as generation"} ${outcome.receipt.generation ?? "?"}${copied}`,
        mark: "ok",
      };
    case "tested":
      return { text: `active until the next reboot${copied}`, mark: "ok" };
    case "temporary":
      return { text: `active until ${timeText(outcome.until)}, then back by itself${copied}`, mark: "ok" };
    case "planned":
      if (outcome.output !== undefined) {
        return { text: outcome.output.length === 0 ? "would change nothing" : "would do what it said", mark: "info" };
      }
      return { text: `would change ${renderCount(outcome.units.changes.length, "unit")}`, mark: "info" };
    case "unchanged":
      return { text: "unchanged", mark: "info" };
    case "rolled-back":
      return {
        text: [`returned to its previous system: ${outcome.reason}`, ...(outcome.receipt?.data ?? [])].join("; "),
        mark: "failed",
      };
    case "failed":
      return { text: `failed before anything was changed: ${outcome.reason}`, mark: "failed" };
    case "unreachable":
      return { text: `not reached${pendingText(outcome.pendingUntil)}: ${outcome.reason}`, mark: "failed" };
    case "unknown":
      return { text: outcome.reason, mark: "failed" };
    case "skipped":
      return {
        text:
          outcome.because === "halted"
            ? "left as it is: too many hosts have failed"
            : "skipped: interrupted before its activation began",
        mark: "info",
      };
  }
}

function timeText(iso: string): string {
  return `${iso.slice(0, 16).replace("T", " ")} UTC`;
}

function pendingText(until: string | undefined): string {
  return until === undefined ? "" : `, pending until ${timeText(until)}`;
}
