/** What became of the hosts of a deployment: one line each, then the story of those that did not end as wanted. */

import type { HostOutcome } from "../../fleet/outcome.ts";
import { isAsWanted } from "../../fleet/outcome.ts";
import { safeText } from "./safe-text.ts";
import { renderBytes, renderCount } from "./table.ts";
import type { Terminal } from "./terminal.ts";

export function renderOutcome(outcome: HostOutcome): { text: string; mark: "ok" | "failed" | "info" } {
  const copied =
    outcome.copied === undefined || outcome.copied.paths === 0
      ? ""
      : `, ${renderCount(outcome.copied.paths, "path")} (${renderBytes(outcome.copied.bytes)}) copied`;
  if ("notTakenBack" in outcome && outcome.notTakenBack !== undefined) {
    return { text: `keeps the new system, and should not: ${safeText(outcome.notTakenBack)}`, mark: "failed" };
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
        text: safeText(
          [`returned to its previous system: ${outcome.reason}`, ...(outcome.receipt?.data ?? [])].join("; "),
        ),
        mark: "failed",
      };
    case "failed":
      return { text: `failed before anything was changed: ${safeText(outcome.reason)}`, mark: "failed" };
    case "unreachable":
      return { text: `not reached${pendingText(outcome.pendingUntil)}: ${safeText(outcome.reason)}`, mark: "failed" };
    case "unknown":
      return { text: safeText(outcome.reason), mark: "failed" };
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

export function renderSummary(
  outcomes: readonly HostOutcome[],
  terminal: Terminal,
  options: { readonly verbose: boolean },
): string[] {
  const { bold, dim, red } = terminal.colors;
  const lines: string[] = [];
  for (const outcome of outcomes) {
    if (isAsWanted(outcome) && !options.verbose) continue;
    lines.push("", bold(`${outcome.host}: timeline`));
    for (const { atMs, text } of outcome.timeline)
      lines.push(`  ${dim(`${(atMs / 1000).toFixed(2).padStart(7)} s`)}  ${safeText(text)}`);
    if (outcome.status === "rolled-back" && outcome.log.length > 0) {
      lines.push(dim("  last log lines:"), ...outcome.log.map((line) => `    ${safeText(line)}`));
    }
    if ("hint" in outcome && outcome.hint !== undefined) lines.push(`  ${safeText(outcome.hint)}`);
  }
  const counts = new Map<string, number>();
  for (const outcome of outcomes) counts.set(outcome.status, (counts.get(outcome.status) ?? 0) + 1);
  const summary = [...counts].map(([status, count]) => `${count} ${status}`).join(", ");
  lines.push(outcomes.every(isAsWanted) ? summary : red(summary));
  return lines;
}
