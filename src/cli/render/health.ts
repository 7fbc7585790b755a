/** Results of health checks: a table on a terminal, else a line for each. */

import type { HostCheck } from "../../fleet/status.ts";
import { safeText } from "./safe-text.ts";
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
    const checks = results.map(({ name, from, healthy, message }) => {
      const state = healthy ? green("healthy") : red("unhealthy");
      return [host, safeText(name), state, from ?? "host", safeText(message.replaceAll(/\s+/g, " "))];
    });
    const units = failedUnits.map((unit) => [host, safeText(unit), red("failed"), "host", "the unit has failed"]);
    const rest = checks.length + units.length === 0 ? [[host, "", "no checks", "", ""]] : [];
    return [...checks, ...units, ...rest];
  });
  if (options.isTable) {
    return renderTable(
      ["host", "check", "health", "from", "what was seen"].map((title) => bold(title)),
      rows,
    );
  }
  return rows.map((row) => row.filter((cell) => cell !== "").join(": "));
}
