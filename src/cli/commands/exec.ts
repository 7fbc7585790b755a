/** `pristine exec` and `pristine ssh`: run something on hosts, by hand. */

import type { Command } from "commander";
import { OperationError } from "../../base/errors.ts";
import { exitCodesHelp, EXIT } from "../exit-codes.ts";
import { onOption } from "../host-option.ts";
import { durationMsOf } from "../option-values.ts";
import { action } from "../session.ts";

export function registerExec(program: Command): void {
  program
    .command("exec")
    .summary("run a command on hosts, in parallel")
    .description(
      "Runs COMMAND on each host over ssh, in parallel, and shows its output with the host's name before each line. Arguments are passed as they are: no shell of the host re-reads them.",
    )
    .argument("<command...>", "the program and its arguments, after --")
    .addOption(onOption())
    .option("--timeout <seconds>", "how long each host may take", "300")
    .addHelpText(
      "after",
      `${exitCodesHelp({ ok: "the command succeeded on every host", usage: "usage or evaluation error", hostsFailed: "it failed on some host, or a host was not reached" })}\n\nExample:\n  pristine exec --on @web -- systemctl is-system-running`,
    )
    .action(
      action(async (session, command: string[], options: { on: string[]; timeout: string }) => {
        const { openFleet, withSessions } = await import("../fleet-context.ts");
        const { safeText } = await import("../render/safe-text.ts");
        const { terminal, signal } = session;
        const deadlineMs = durationMsOf("--timeout", options.timeout);
        const context = await openFleet(session, [], { on: options.on });
        const width = Math.max(...context.hosts.map((host) => host.name.length));
        return withSessions(session, context, async (sessions) => {
          let failed = 0;
          const outputs = await Promise.all(
            context.hosts.map(async (host) => {
              const prefix = terminal.colors.cyan(host.name.padEnd(width));
              const stdout = linesOf((line) => {
                if (!session.options.json) terminal.out(`${prefix} | ${safeText(line)}`);
              });
              const stderr = linesOf((line) => {
                if (!session.options.json) terminal.err(`${prefix} ! ${safeText(line)}`);
              });
              try {
                const outcome = await sessions.get(host.name)?.connection.run(
                  { argv: command as [string, ...string[]] },
                  {
                    signal,
                    deadlineMs,
                    onStdout: stdout.push,
                    onStderr: stderr.push,
                  },
                );
                stdout.end();
                stderr.end();
                if (outcome?.code !== 0) {
                  failed++;
                  terminal.err(`${prefix} ! exit ${outcome?.code ?? "by signal"}`);
                }
                return {
                  host: host.name,
                  exitCode: outcome?.code ?? null,
                  stdout: outcome?.stdout.toString("utf8") ?? "",
                  stderr: outcome?.stderr.toString("utf8") ?? "",
                };
              } catch (error) {
                if (signal.aborted) throw error;
                failed++;
                if (!(error instanceof OperationError)) throw error;
                const { code, message, hint } = error;
                terminal.err(`${prefix} ! ${safeText(message)} [${code}]`);
                if (hint !== undefined) terminal.err(`${prefix} ! ${safeText(hint)}`);
                return { host: host.name, exitCode: null, error: { code, message, ...(hint && { hint }) } };
              }
            }),
          );
          if (session.options.json) terminal.out(JSON.stringify({ hosts: outputs }));
          return failed === 0 ? EXIT.ok : EXIT.hostsFailed;
        });
      }),
    );

  program
    .command("ssh")
    .summary("open a shell on a host")
    .description(
      "Opens an interactive shell on HOST, or runs COMMAND there, with the connection settings that the fleet declares.",
    )
    .argument("<host>", "the host's name")
    .argument("[command...]", "a command to run instead of a shell, after --")
    .addHelpText("after", exitCodesHelp({ ok: "the shell ended well; otherwise the exit status of ssh" }))
    .action(
      action(async (session, host: string, command: string[]) => {
        const { openFleet, withSessions } = await import("../fleet-context.ts");
        const { run } = await import("../../system/process.ts");
        const context = await openFleet(session, [host]);
        return withSessions(session, context, async (sessions) => {
          const argv = await sessions
            .get(context.hosts[0]?.name ?? "")
            ?.connection.interactive(command, session.signal);
          session.progress.close();
          const outcome = await run(argv ?? [], { stdin: "inherit", output: "inherit", group: "shared" });
          return outcome.code ?? EXIT.interrupted;
        });
      }),
    );
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
    },
  };
}
