/** `pristine exec` and `pristine ssh`: run something on hosts, by hand. */

import type { Command } from "commander";
import { OperationError } from "../../base/errors.ts";
import { exitCodesHelp, EXIT } from "../exit-codes.ts";
import type { FleetContext } from "../../library/context.ts";
import { onOption } from "../host-option.ts";
import { durationMsOf, wholeNumberOf } from "../option-values.ts";
import { action, type Session } from "../session.ts";

interface ExecOptions {
  readonly timeout: string;
  readonly parallel: string;
}

const DEFAULTS: ExecOptions = { timeout: "300", parallel: "32" };

export function registerExec(program: Command): void {
  program
    .command("exec")
    .summary("run a command on hosts, in parallel")
    .description(
      "Runs COMMAND on each host over ssh, in parallel, and shows its output with the host's name before each line. Arguments are passed as they are: no shell of the host re-reads them.",
    )
    .argument("<command...>", "the program and its arguments, after --")
    .addOption(onOption())
    .option("--timeout <seconds>", "how long each host may take", DEFAULTS.timeout)
    .option("--parallel <count>", "how many hosts at once", DEFAULTS.parallel)
    .addHelpText(
      "after",
      `${exitCodesHelp({ ok: "the command succeeded on every host", usage: "usage or evaluation error", hostsFailed: "it failed on some host, or a host was not reached" })}\n\nExample:\n  pristine exec --on @web -- systemctl is-system-running`,
    )
    .action(
      action(async (session, command: string[], options: ExecOptions & { on: string[] }) => {
        checkOptions(options);
        const { openContext } = await import("../../library/context.ts");
        return execute(session, await openContext(session, { hosts: options.on, keepGoing: true }), command, options);
      }),
    );

  program
    .command("ssh")
    .summary("open a shell on a host")
    .description(
      "Opens an interactive shell on HOST, or runs COMMAND there, with the connection settings that the fleet declares. Where HOST is a glob or @tag that means several hosts, COMMAND is run on all of them as by 'pristine exec'.",
    )
    .argument("<host>", "a host's name, or with a command also a glob or @tag")
    .argument("[command...]", "a command to run instead of a shell, after --")
    .addHelpText(
      "after",
      exitCodesHelp({
        ok: "the shell ended well; otherwise the exit status of ssh",
        usage: "usage or evaluation error",
        hostsFailed: "of several hosts, the command failed on some",
      }),
    )
    .action(
      action(async (session, host: string, command: string[]) => {
        const { openContext } = await import("../../library/context.ts");
        const { withSessions } = await import("../../library/connect.ts");
        const { run } = await import("../../system/process.ts");
        const context = await openContext(session, { hosts: [host], keepGoing: true });
        const meant = [...new Set([...context.hosts.map(({ name }) => name), ...context.failed.keys()])].sort();
        if (meant.length > 1) {
          if (command.length > 0) return execute(session, context, command, DEFAULTS);
          throw new OperationError("USAGE", `'${host}' means ${meant.length} hosts, and a shell is one host's`, {
            hint: `name one of ${meant.join(", ")}, or give a command after --`,
          });
        }
        return withSessions(session, context, async (sessions) => {
          const [open] = sessions.values();
          const argv = await open!.connection.interactive(command, {
            isTerminal: process.stdin.isTTY,
            signal: session.signal,
          });
          session.progress.close();
          const outcome = await run(argv, { stdin: "inherit", output: "inherit", group: "shared" });
          return outcome.code ?? EXIT.interrupted;
        });
      }),
    );
}

/** Refuses what cannot be meant before anything is evaluated. */
function checkOptions(options: ExecOptions): { deadlineMs: number; concurrencyMax: number } {
  return {
    deadlineMs: durationMsOf("--timeout", options.timeout),
    concurrencyMax: wholeNumberOf("--parallel", options.parallel, { min: 1 }),
  };
}

async function execute(
  session: Session,
  context: FleetContext,
  command: readonly string[],
  options: ExecOptions,
): Promise<number> {
  const { withSessions } = await import("../../library/connect.ts");
  const { exitCodeOfRuns, runOnHosts } = await import("../run-on-hosts.ts");
  const argv = command as [string, ...string[]];
  return withSessions(session, context, async (sessions) => {
    const runs = await runOnHosts(session, [...sessions.values()], {
      argv,
      ...checkOptions(options),
      failed: context.failed,
    });
    if (session.options.json) session.terminal.out(JSON.stringify({ hosts: runs }));
    return exitCodeOfRuns(runs);
  });
}
