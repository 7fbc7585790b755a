/** The hosts of a deployment that did not end as wanted, each with its story, and how many ended how. */

import type { HostOutcome } from "../../fleet/outcome.ts";
import { isAsWanted } from "../../fleet/outcome.ts";
import { safeText } from "../../base/safe-text.ts";
import type { Terminal } from "./terminal.ts";

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
