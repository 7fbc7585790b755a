/** What a fleet takes over from other tools, as text. */

import { relative } from "node:path";
import type { Adopted, AdoptedOption } from "../../fleet/adopted.ts";
import { safeText } from "../../base/safe-text.ts";
import { renderCount } from "../../base/quantities.ts";
import { renderTable } from "./table.ts";
import type { Terminal } from "./terminal.ts";

/** Headings of the options, by what became of them. */
const HEADINGS: Readonly<Record<AdoptedOption["serves"], string>> = {
  yes: "The same here:",
  otherwise: "Something else happens here:",
  no: "Not served here:",
};

const VALUE_LENGTH_MAX = 40;

export function renderAdopted({ fleets, hosts }: Adopted, baseDir: string, { colors }: Terminal): string[] {
  const { bold, dim, yellow } = colors;
  if (fleets.length === 0) return ["The fleet takes over nothing from other tools."];
  const place = (file: string): string =>
    safeText(file.startsWith("/") ? shorter(relative(baseDir, file), file) : file);
  const lines = renderTable(
    ["HOST", "TOOL", "FILE", ""],
    hosts.map(({ name, tool, file, left }) => [
      safeText(name),
      tool,
      place(file),
      left === null ? "" : yellow(safeText(`left out: ${left}`)),
    ]),
  );
  const options = [
    ...fleets.flatMap((fleet) => fleet.options.map((option) => ({ ...option, of: place(fleet.file) }))),
    ...hosts.flatMap((host) => host.options.map((option) => ({ ...option, of: host.name }))),
  ];
  for (const [serves, heading] of Object.entries(HEADINGS)) {
    const rows = Map.groupBy(
      options.filter((option) => option.serves === serves),
      ({ option, value, here }) => JSON.stringify([option, value, here]),
    );
    if (rows.size === 0) continue;
    const table = renderTable(
      ["OPTION", "VALUE", "OF", "HERE"],
      [...rows.values()].map((same) => [
        safeText(same[0]!.option),
        valueText(same[0]!.value),
        safeText(same.length <= 3 ? same.map(({ of }) => of).join(" ") : renderCount(same.length, "host")),
        safeText(same[0]!.here),
      ]),
    );
    lines.push("", bold(heading), ...table);
  }
  const behaviour = new Map(fleets.map((fleet) => [fleet.tool, fleet.behaviour]));
  for (const [tool, sentences] of behaviour) {
    lines.push("", bold(`Hosts of ${tool}:`), ...sentences.map((sentence) => `  ${dim("-")} ${sentence}`));
  }
  return lines;
}

function shorter(one: string, other: string): string {
  return one.length <= other.length ? one : other;
}

function valueText(value: unknown): string {
  const text = safeText(typeof value === "string" ? value : JSON.stringify(value));
  return text.length <= VALUE_LENGTH_MAX ? text : `${text.slice(0, VALUE_LENGTH_MAX - 1)}…`;
}
