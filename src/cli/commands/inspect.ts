/** `pristine status`, `check` and `ephemeral`: what hosts are, whether they are well, and what a reboot would erase. */

import type { Command } from "commander";
import { EXIT, exitCodesHelp } from "../exit-codes.ts";
import type { StatusRequest } from "../../library/status.ts";
import { action, type Session } from "../session.ts";
import { onOption } from "../host-option.ts";
import { durationMsOf } from "../option-values.ts";

export function registerInspect(program: Command): void {
  program
    .command("status")
    .summary("show generation, health and drift of hosts")
    .description(
      "Asks each host what it runs, what it would boot, whether it is healthy and how it drifted, and compares that with what the fleet declares.",
    )
    .argument("[hosts...]", "host names, globs or @tags (default: all)")
    .addOption(onOption())
    .option("--no-health", "do not run the health checks")
    .option("-w, --watch", "ask again and again until Ctrl-C; redraws on a terminal, else prints what changed")
    .option("--every <seconds>", "how long --watch waits between two times", "5")
    .addHelpText(
      "after",
      exitCodesHelp({
        ok: "every host is as declared and healthy",
        usage: "usage or evaluation error",
        hostsFailed: "a host differs, is unhealthy, drifted or was not reached",
        interrupted: "ended by Ctrl-C, as --watch is",
      }),
    )
    .action(
      action(async (session, names: string[], options: StatusOptions) => {
        const everyMs = durationMsOf("--every", options.every);
        if (options.watch === true) return watchStatuses(session, names, { ...options, everyMs });
        const { withStatuses } = await import("../../library/status.ts");
        const { statuses, fleet } = await withStatuses(session, requestOf(names, options), async (ask, name) => ({
          statuses: await ask(),
          fleet: name,
        }));
        const { renderStatuses } = await import("../render/status.ts");
        const { safeText } = await import("../../base/safe-text.ts");
        const { describeOpenWork, openWorkOf } = await import("../../library/open-work.ts");
        const { terminal } = session;
        const work = await openWorkOf(fleet);
        if (session.options.json) terminal.out(JSON.stringify({ hosts: statuses, ...work }));
        else {
          const open = describeOpenWork(work).map(safeText);
          for (const line of [...renderStatuses(statuses, terminal), ...(open.length > 0 ? ["", ...open] : [])])
            terminal.out(line);
        }
        return statuses.every((status) => status.asDeclared) ? EXIT.ok : EXIT.hostsFailed;
      }),
    );

  program
    .command("check")
    .summary("run the health checks of hosts")
    .description(
      "Runs the health checks of hosts and shows their results: on the host those that its running system declares, and from here those that the fleet declares for the deployer.",
    )
    .argument("[hosts...]", "host names, globs or @tags (default: all)")
    .addOption(onOption())
    .option("--history", "show instead what the checks that hosts run by themselves have seen")
    .addHelpText(
      "after",
      exitCodesHelp({
        ok: "every host is healthy (with --history: was asked)",
        usage: "usage or evaluation error",
        hostsFailed: "a check failed or a host was not reached",
      }),
    )
    .action(
      action(async (session, names: string[], options: { on: string[]; history?: boolean }) => {
        const { openContext } = await import("../../library/context.ts");
        const { buildKits } = await import("../../library/build.ts");
        const { withSessions } = await import("../../library/connect.ts");
        const { checkHistoriesOf, checkHosts } = await import("../../fleet/status.ts");
        const { renderCheckHistories, renderChecks } = await import("../render/health.ts");
        const { progress, signal, terminal } = session;
        const context = await openContext(session, { hosts: [...names, ...options.on], keepGoing: true });
        await buildKits(session, context);
        const show = (hosts: readonly object[], lines: () => readonly string[]): void => {
          progress.close();
          if (session.options.json) terminal.out(JSON.stringify({ hosts }));
          else for (const line of lines()) terminal.out(line);
        };
        const isTable = process.stdout.isTTY;
        return withSessions(session, context, async (sessions) => {
          const hosts = { sessions: [...sessions.values()], failed: context.failed, signal };
          if (options.history === true) {
            const histories = await checkHistoriesOf(hosts);
            show(histories, () => renderCheckHistories(histories, terminal, { isTable }));
            return histories.every(({ error }) => error === undefined) ? EXIT.ok : EXIT.hostsFailed;
          }
          const answers = await checkHosts(hosts);
          show(answers, () => renderChecks(answers, terminal, { isTable }));
          return answers.every((answer) => answer.healthy) ? EXIT.ok : EXIT.hostsFailed;
        });
      }),
    );

  program
    .command("ephemeral")
    .summary("show what a reboot of hosts would erase")
    .description(
      "Lists what lies on the erased part of a host's filesystem although nothing declared it: files that the next reboot loses. Below that it lists what is kept although nothing declares it: in the root of persistence, beside the store, or in it.",
    )
    .argument("[hosts...]", "host names, globs or @tags (default: all)")
    .addOption(onOption())
    .addHelpText(
      "after",
      exitCodesHelp({
        ok: "listed (also when there is something to lose)",
        usage: "usage or evaluation error",
        hostsFailed: "a host was not reached",
      }),
    )
    .action(
      action(async (session, names: string[], options: { on: string[] }) => {
        const { openContext } = await import("../../library/context.ts");
        const { buildKits } = await import("../../library/build.ts");
        const { withSessions } = await import("../../library/connect.ts");
        const { ephemeralOf } = await import("../../fleet/status.ts");
        const { renderEphemeral } = await import("../render/ephemeral.ts");
        const { terminal } = session;
        const context = await openContext(session, { hosts: [...names, ...options.on], keepGoing: true });
        await buildKits(session, context);
        return withSessions(session, context, async (sessions) => {
          const answers = await ephemeralOf({
            sessions: [...sessions.values()],
            failed: context.failed,
            signal: session.signal,
          });
          if (session.options.json) terminal.out(JSON.stringify({ hosts: answers }));
          else for (const line of renderEphemeral(answers, terminal)) terminal.out(line);
          return answers.every((answer) => answer.answer !== undefined) ? EXIT.ok : EXIT.hostsFailed;
        });
      }),
    );
}

interface StatusOptions {
  readonly on: readonly string[];
  readonly health: boolean;
  readonly watch?: boolean;
  readonly every: string;
}

function requestOf(names: readonly string[], { on, health }: Pick<StatusOptions, "on" | "health">): StatusRequest {
  return { hosts: [...names, ...on], health };
}

async function watchStatuses(
  session: Session,
  names: readonly string[],
  options: Pick<StatusOptions, "on" | "health"> & { readonly everyMs: number },
): Promise<number> {
  const { systemClock } = await import("../../base/clock.ts");
  const { showRound, watch } = await import("../render/watch.ts");
  const { withStatuses } = await import("../../library/status.ts");
  const show = showRound(session.terminal, {
    json: session.options.json,
    redraws: process.stdout.isTTY && !session.options.json,
    everyMs: options.everyMs,
    clock: systemClock,
  });
  return withStatuses(session, requestOf(names, options), async (ask) => {
    session.progress.close();
    return watch({ ask, show, everyMs: options.everyMs, clock: systemClock, signal: session.signal });
  });
}
