/** Results of health checks, of now and of before: a table on a terminal, else a line for each. */

import type { HealthResult } from "../../machine/health-check.ts";
import type { HostCheck, HostCheckHistory } from "../../fleet/status.ts";
import { safeText } from "../../base/safe-text.ts";
import { renderTable } from "./table.ts";
import type { Terminal } from "./terminal.ts";

export function renderChecks(
  answers: readonly HostCheck[],
  { colors }: Terminal,
  options: { readonly isTable: boolean },
): string[] {
  const { bold, green, red } = colors;
  const rows = answers.flatMap(({ host, results, failedUnits, error }) => {
    if (error !== undefined) return [[host, "", red("not checked"), "", safeText(error)]];
    const checks = results.map((result) => {
      const state = result.healthy ? green("healthy") : red("unhealthy");
      return [host, safeText(result.name), state, result.from ?? "host", describeSeen(result)];
    });
    const units = failedUnits.map((unit) => [host, safeText(unit), red("failed"), "host", "the unit has failed"]);
    const rest = checks.length + units.length === 0 ? [[host, "", "no checks", "", ""]] : [];
    return [...checks, ...units, ...rest];
  });
  return renderRows(["host", "check", "health", "from", "what was seen"].map(bold), rows, options);
}

/** The spans of each check, the newest last. */
export function renderCheckHistories(
  answers: readonly HostCheckHistory[],
  { colors }: Terminal,
  options: { readonly isTable: boolean },
): string[] {
  const { bold, green, red } = colors;
  const rows = answers.flatMap(({ host, checks, error }) => {
    if (error !== undefined) return [[host, "", red("not asked"), "", "", safeText(error)]];
    const spans = checks.flatMap(({ name, spans }) =>
      spans.map(({ from, until, healthy, message }) => {
        const state = healthy ? green("healthy") : red("unhealthy");
        return [host, safeText(name), state, secondOf(from), secondOf(until), oneLine(message)];
      }),
    );
    return spans.length === 0 ? [[host, "", "no history", "", "", ""]] : spans;
  });
  return renderRows(["host", "check", "health", "from", "until", "what was seen"].map(bold), rows, options);
}

/** What a check saw, and since when it is unhealthy. */
export function describeSeen({ message, since }: HealthResult): string {
  return `${oneLine(message)}${since === undefined ? "" : ` (unhealthy since ${secondOf(since)})`}`;
}

function renderRows(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  { isTable }: { readonly isTable: boolean },
): string[] {
  if (isTable) return renderTable(header, rows);
  return rows.map((row) => row.filter((cell) => cell !== "").join(": "));
}

function oneLine(text: string): string {
  return safeText(text.replaceAll(/\s+/g, " "));
}

/** `2026-11-28T09:00:00.000Z` as `2026-11-28 09:00:00Z`. */
function secondOf(date: string): string {
  return safeText(date.replace("T", " ").replace(/\.\d+Z$/, "Z"));
}
