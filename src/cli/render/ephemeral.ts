/** What a reboot of hosts would erase, and what outlives it although nothing declared it. */

import type { EphemeralEntry } from "../../machine/facts.ts";
import type { HostEphemeral } from "../../fleet/status.ts";
import { safeText } from "../../base/safe-text.ts";
import { renderBytes, renderCount } from "../../base/quantities.ts";
import { renderTable } from "./table.ts";
import type { Terminal } from "./terminal.ts";

export function renderEphemeral(answers: readonly HostEphemeral[], terminal: Terminal): string[] {
  const { bold, red, yellow } = terminal.colors;
  return answers.flatMap(({ host, answer, error }) => {
    if (answer === undefined) return [`${bold(host)}: ${red(safeText(error ?? ""))}`];
    const amount = `${renderCount(answer.totalEntries, "entry", "entries")}, ${renderBytes(answer.totalBytes)}`;
    const lines = [
      `${bold(host)}: ${answer.entries.length === 0 ? "nothing would be lost" : `a reboot erases ${amount}`}`,
      ...table(answer.entries),
    ];
    if (answer.kept.length > 0) {
      lines.push(`${bold(host)}: ${yellow("kept although nothing declares it")}`, ...table(answer.kept));
    }
    if (answer.truncated) lines.push(`${bold(host)}: there is more than is listed`);
    return lines;
  });
}

function table(entries: readonly EphemeralEntry[]): string[] {
  if (entries.length === 0) return [];
  const rows = entries.map((entry) => [
    `  ${safeText(entry.path)}${entry.kind === "directory" ? "/" : ""}`,
    entry.kind,
    renderBytes(entry.size),
    `${entry.owner}:${entry.group}`,
    entry.modified,
  ]);
  return renderTable(["  path", "kind", "size", "owner", "modified"], rows);
}
