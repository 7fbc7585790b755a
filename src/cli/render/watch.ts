/** Looking at hosts again and again: a page that is redrawn on a terminal, lines of what changed elsewhere. */

import type { Clock } from "../../base/clock.ts";
import type { HostStatus } from "../../fleet/status.ts";
import { EXIT } from "../exit-codes.ts";
import { renderStatuses, renderStatusLine } from "./status.ts";
import type { Terminal } from "./terminal.ts";

type Show = (statuses: readonly HostStatus[]) => void;

/** Asks and shows until the signal, which is the way to end it, and no failure. */
export async function watch(options: {
  readonly ask: () => Promise<readonly HostStatus[]>;
  readonly show: Show;
  readonly everyMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}): Promise<number> {
  const { ask, clock, everyMs, show, signal } = options;
  try {
    for (;;) {
      show(await ask());
      await clock.sleep(everyMs, signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    return EXIT.interrupted;
  }
}

const CLEAR = "\u001b[H\u001b[2J";

/** What shows one round after the other. */
export function showRound(
  terminal: Terminal,
  options: { readonly json: boolean; readonly redraws: boolean; readonly everyMs: number; readonly clock: Clock },
): Show {
  const { bold, dim } = terminal.colors;
  const time = (): string => options.clock.wallClock().toISOString().slice(0, 19).replace("T", " ");
  const known = new Map<string, string>();
  /** Hosts whose line is another one than the last time. */
  const changed = (statuses: readonly HostStatus[]): [HostStatus, string][] =>
    statuses.flatMap((status) => {
      const line = renderStatusLine(status, terminal);
      if (known.get(status.host) === line) return [];
      known.set(status.host, line);
      return [[status, line]];
    });
  if (options.json) {
    return (statuses) => {
      const hosts = changed(statuses).map(([status]) => status);
      if (hosts.length > 0) terminal.out(JSON.stringify({ time: options.clock.wallClock().toISOString(), hosts }));
    };
  }
  if (!options.redraws) {
    return (statuses) => {
      for (const [, line] of changed(statuses)) terminal.out(`${time()} ${line}`);
    };
  }
  return (statuses) => {
    const wanted = statuses.filter((status) => status.asDeclared).length;
    terminal.out(
      [
        `${CLEAR}${bold(`${wanted} of ${statuses.length} as declared`)} ${dim(`at ${time()} UTC, every ${options.everyMs / 1000} s; Ctrl-C ends`)}`,
        "",
        ...renderStatuses(statuses, terminal),
      ].join("\n"),
    );
  };
}
