/** How two systems differ, for people and for programs. */

import { basename } from "node:path";
import type { Comparison, Side } from "../../fleet/compare.ts";
import { fileRecords, renderDiff, renderFileDiffs } from "./plan.ts";
import type { Terminal } from "./terminal.ts";

export function renderComparison(
  { from, to, diff, systems }: Comparison,
  terminal: Terminal,
  options: { readonly fileDiffs: boolean },
): string[] {
  const lines = [sideText("from", from, terminal), sideText("to", to, terminal)];
  if (diff.isSame) return [...lines, "  the same system"];
  const changes = renderDiff(diff, terminal, { units: "changes" });
  if (options.fileDiffs) changes.push(...renderFileDiffs(diff, systems, terminal));
  return [...lines, ...(changes.length === 0 ? ["  only built differently"] : changes)];
}

function sideText(label: string, side: Side, { colors }: Terminal): string {
  const generation = side.generation === null ? "no generation" : `generation ${side.generation}`;
  const running = side.isRunning ? ", running" : "";
  return `${label.padEnd(4)} ${colors.bold(side.host)}: ${generation}${running} ${colors.dim(basename(side.system))}`;
}

/** The same as JSON; texts of files only when they were asked for. */
export function comparisonRecord(comparison: Comparison, options: { readonly fileDiffs: boolean }): object {
  const { from, to, systems } = comparison;
  const { lockout: _, ...diff } = comparison.diff;
  return { from, to, diff, ...(options.fileDiffs ? { files: fileRecords(comparison.diff, systems) } : {}) };
}
