/** Runs one command on hosts, and shows each line of what it writes behind the name of its host, as it comes. */

import { mapConcurrently } from "../base/concurrency.ts";
import { OperationError } from "../base/errors.ts";
import type { HostSession } from "../fleet/host-session.ts";
import { EXIT } from "./exit-codes.ts";
import { safeText } from "../base/safe-text.ts";
import type { Session } from "./session.ts";

/** What came of the command on one host. */
export interface HostRun {
  readonly host: string;
  /** `null` when a signal ended it, or when it never ran. */
  readonly exitCode: number | null;
  readonly stdout?: string;
  readonly stderr?: string;
  readonly error?: { readonly code: string; readonly message: string; readonly hint?: string };
}

export interface RunOnHosts {
  readonly argv: readonly [string, ...string[]];
  readonly deadlineMs: number | "none";
  readonly concurrencyMax: number;
  /** Runs it as root, also where the fleet logs in as somebody else. */
  readonly asRoot?: boolean;
  /** Hosts that are meant, too, and why they cannot be evaluated. */
  readonly failed: ReadonlyMap<string, OperationError>;
}

/** One outcome per host, in order; with `--json`, output is in these rather than on the terminal. */
export async function runOnHosts(
  session: Session,
  sessions: readonly HostSession[],
  options: RunOnHosts,
): Promise<HostRun[]> {
  const { terminal, signal } = session;
  const captures = session.options.json;
  const known = new Set(sessions.map(({ host }) => host.name));
  const unknown = [...options.failed].filter(([name]) => !known.has(name));
  const width = Math.max(...[...known, ...unknown.map(([name]) => name)].map(({ length }) => length));
  const prefixOf = (name: string): string => terminal.colors.cyan(name.padEnd(width));
  const failed = (name: string, { code, message, hint }: OperationError): HostRun => {
    for (const line of [...`${message} [${code}]`.split("\n"), ...(hint === undefined ? [] : [hint])])
      terminal.err(`${prefixOf(name)} ! ${safeText(line)}`);
    return { host: name, exitCode: null, error: { code, message, ...(hint && { hint }) } };
  };
  const refused = unknown.map(([name, error]) => failed(name, error));
  const runs = await mapConcurrently(sessions, options.concurrencyMax, async ({ host, connection }) => {
    const prefix = prefixOf(host.name);
    const complain = (text: string): void => terminal.err(`${prefix} ! ${safeText(text)}`);
    const stdout = linesOf((line) => terminal.out(`${prefix} | ${safeText(line)}`));
    const stderr = linesOf(complain);
    try {
      const outcome = await connection.run(
        { argv: options.argv },
        {
          signal,
          deadlineMs: options.deadlineMs,
          captures,
          asRoot: options.asRoot ?? false,
          ...(captures ? {} : { onStdout: stdout.push, onStderr: stderr.push }),
        },
      );
      stdout.end();
      stderr.end();
      if (outcome.code !== 0) complain(outcome.code === undefined ? "ended by a signal" : `exit ${outcome.code}`);
      const output = captures
        ? { stdout: outcome.stdout.toString("utf8"), stderr: outcome.stderr.toString("utf8") }
        : {};
      return { host: host.name, exitCode: outcome.code ?? null, ...output };
    } catch (error) {
      if (signal.aborted || !(error instanceof OperationError)) throw error;
      stdout.end();
      return failed(host.name, error);
    }
  });
  return [...runs, ...refused].sort((a, b) => (a.host < b.host ? -1 : 1));
}

/** 0 when the command succeeded on every host. */
export function exitCodeOfRuns(runs: readonly HostRun[]): number {
  return runs.every(({ exitCode }) => exitCode === 0) ? EXIT.ok : EXIT.hostsFailed;
}

/** Splits chunks of bytes into lines. */
function linesOf(onLine: (line: string) => void): { push: (chunk: Uint8Array) => void; end: () => void } {
  const decoder = new TextDecoder();
  let pending = "";
  return {
    push: (chunk) => {
      const lines = (pending + decoder.decode(chunk, { stream: true })).split("\n");
      pending = lines.pop() ?? "";
      for (const line of lines) onLine(line.replace(/\r$/, ""));
    },
    end: () => {
      if (pending !== "") onLine(pending);
      pending = "";
    },
  };
}
