/** `pristine logs`: the journals of hosts, and what a deployment did on them. */

import type { Command } from "commander";
import { OperationError } from "../../base/errors.ts";
import { EXIT, exitCodesHelp } from "../exit-codes.ts";
import { collect, onOption } from "../host-option.ts";
import { wholeNumberOf } from "../option-values.ts";
import { action, type Session } from "../session.ts";

interface LogsOptions {
  readonly on: readonly string[];
  readonly unit: readonly string[];
  readonly lines?: string;
  readonly follow?: boolean;
  readonly since?: string;
  readonly deployment?: string | true;
}

/** How long a host may take to read its journal to us. */
const READ_DEADLINE_MS = 120_000;

export function registerLogs(program: Command): void {
  program
    .command("logs")
    .summary("show the journals of hosts, or what a deployment did")
    .description(
      "Shows the end of each host's journal, with the host's name before each line, as the lines come. With --deployment it shows what the host wrote down about a deployment instead: each step, and what became of it.",
    )
    .argument("[hosts...]", "host names, globs or @tags (default: all)")
    .addOption(onOption())
    .option("-u, --unit <unit>", "only of this unit; may be given several times", collect, [])
    .option("-n, --lines <count>", "how many lines of each host (default: 20, and with --since all)")
    .option("-f, --follow", "go on with new lines as they are written, until Ctrl-C")
    .option("--since <time>", "from this time on, as journalctl takes it: '2026-05-04 10:00', 'yesterday', '-2h'")
    .option("--deployment [id]", "a deployment by its id, or how that begins (default: the last one)")
    .addHelpText(
      "after",
      `${exitCodesHelp({
        ok: "shown",
        usage: "usage or evaluation error",
        hostsFailed: "a host was not reached, or could not show it",
        interrupted: "ended by Ctrl-C, as --follow is",
      })}\n\nExample:\n  pristine logs @web -u nginx.service --since -1h`,
    )
    .action(
      action(async (session, names: string[], options: LogsOptions) => {
        if (options.deployment !== undefined) return showDeployments(session, names, options);
        return showJournals(session, names, options);
      }),
    );
}

/** The command that shows a host's journal. */
function journalCommand(options: LogsOptions): [string, ...string[]] {
  const lines =
    options.lines === undefined ? undefined : wholeNumberOf("--lines", options.lines, { min: 0, unit: "lines" });
  const count = lines ?? (options.since === undefined ? 20 : undefined);
  return [
    "journalctl",
    "--no-pager",
    "--quiet",
    "--output=short-iso",
    "--no-hostname",
    ...(count === undefined ? [] : [`--lines=${count}`]),
    ...(options.since === undefined ? [] : [`--since=${options.since}`]),
    ...options.unit.map((unit) => `--unit=${unit}`),
    ...(options.follow === true ? ["--follow"] : []),
  ];
}

async function showJournals(session: Session, names: readonly string[], options: LogsOptions): Promise<number> {
  const { json } = session.options;
  if (json && options.follow === true) {
    throw new OperationError("USAGE", "--follow does not end with one JSON value", {
      hint: "leave out --follow or --json",
    });
  }
  const argv = journalCommand(options);
  const { openContext } = await import("../../library/context.ts");
  const { withSessions } = await import("../../library/connect.ts");
  const { exitCodeOfRuns, runOnHosts } = await import("../run-on-hosts.ts");
  const context = await openContext(session, { hosts: [...names, ...options.on], keepGoing: true });
  return withSessions(session, context, async (sessions) => {
    // All are followed at the same time.
    const ends =
      options.follow === true
        ? ({ deadlineMs: "none", concurrencyMax: sessions.size } as const)
        : { deadlineMs: READ_DEADLINE_MS, concurrencyMax: 32 };
    const runs = await runOnHosts(session, [...sessions.values()], {
      argv,
      asRoot: true,
      ...ends,
      failed: context.failed,
    });
    if (json) {
      const hosts = runs.map(({ stdout = "", ...run }) => ({
        ...run,
        lines: stdout.split("\n").filter((line) => line !== ""),
      }));
      session.terminal.out(JSON.stringify({ hosts }));
    }
    return exitCodeOfRuns(runs);
  });
}

async function showDeployments(session: Session, names: readonly string[], options: LogsOptions): Promise<number> {
  const stray = [
    options.unit.length > 0 && "--unit",
    options.lines !== undefined && "--lines",
    options.follow === true && "--follow",
    options.since !== undefined && "--since",
  ].find((flag) => flag !== false);
  if (stray !== undefined) throw new OperationError("USAGE", `--deployment and ${stray} exclude each other`);
  const { buildKits } = await import("../../library/build.ts");
  const { withSessions } = await import("../../library/connect.ts");
  const { openContext } = await import("../../library/context.ts");
  const { deploymentLogsOf } = await import("../../fleet/status.ts");
  const { renderDeploymentLog } = await import("../render/deployment-log.ts");
  const { safeText } = await import("../../base/safe-text.ts");
  const { terminal } = session;
  const context = await openContext(session, { hosts: [...names, ...options.on], keepGoing: true });
  await buildKits(session, context);
  return withSessions(session, context, async (sessions) => {
    const id = options.deployment === true ? undefined : options.deployment;
    const answers = await deploymentLogsOf(
      { sessions: [...sessions.values()], failed: context.failed, signal: session.signal },
      id,
    );
    session.progress.close();
    if (session.options.json) terminal.out(JSON.stringify({ hosts: answers }));
    for (const { host, log, error } of session.options.json ? [] : answers) {
      if (log !== undefined) for (const line of renderDeploymentLog(host, log, terminal)) terminal.out(line);
      else terminal.out(`${terminal.colors.bold(host)}: ${terminal.colors.red(safeText(error ?? ""))}`);
    }
    return answers.every(({ log }) => log !== undefined) ? EXIT.ok : EXIT.hostsFailed;
  });
}
