/** What `pristine init --from` has found, host by host. */

import { safeText } from "../../base/safe-text.ts";
import { renderCount } from "../../base/quantities.ts";
import type { InitializedFrom } from "../../fleet/init-from/init-from.ts";
import { renderTable } from "./table.ts";
import type { Terminal } from "./terminal.ts";

export function renderInitializedFrom(
  { fleetFile, hosts, adopted, notes }: InitializedFrom,
  terminal: Terminal,
): string[] {
  const { green, yellow } = terminal.colors;
  const rows = [
    ...adopted.flatMap(({ file, hosts: names, left }) => [
      ...names.map((name) => [name, safeText(file), green("adopted"), ""]),
      ...left.map(({ name, reason }) => [name, safeText(file), yellow("left out"), safeText(reason)]),
    ]),
    ...hosts.map(({ name, origin, base, summary, answer, elsewhere }) => {
      const isKnown = base !== null && answer?.error === undefined && elsewhere === undefined;
      return [name, safeText(origin), (isKnown ? green : yellow)(base ?? "left out"), safeText(summary)];
    }),
  ];
  const leftOut = hosts.filter(({ base }) => base === null);
  return [
    ...renderTable(["HOST", "FROM", "BASE", "WHAT IT IS"], rows),
    ...notes.map((note) => yellow(safeText(note))),
    "",
    `  ${safeText(fleetFile)}`,
    ...(leftOut.length === 0
      ? []
      : [`${renderCount(leftOut.length, "host stands", "hosts stand")} there as a comment, with what is to be done.`]),
  ];
}

/** The same for programs: what was declared of each host, and what it answered. */
export function initializedFromRecord({ fleetFile, hosts, adopted, notes }: InitializedFrom): unknown {
  return {
    written: [fleetFile],
    hosts: hosts.map(({ answer, elsewhere, ...host }) => {
      const { found, bases, error } = answer ?? {};
      return {
        ...host,
        ...(elsewhere === undefined ? {} : { elsewhere }),
        asked: answer !== undefined,
        found,
        bases,
        error,
      };
    }),
    adopted,
    notes,
  };
}
