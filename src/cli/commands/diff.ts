/** `pristine diff`: how systems differ that hosts run or ran. */

import type { Command } from "commander";
import { OperationError } from "../../base/errors.ts";
import { EXIT, exitCodesHelp } from "../exit-codes.ts";
import { wholeNumberOf } from "../option-values.ts";
import { action } from "../session.ts";

interface DiffOptions {
  readonly from?: string;
  readonly to?: string;
  readonly diff?: boolean;
}

export function registerDiff(program: Command): void {
  program
    .command("diff")
    .summary("show how two systems of hosts differ")
    .description(
      "Compares systems that hosts keep: packages, units, files of /etc, users, ports. HOST is what it runs, HOST:N its generation N. One host alone is compared with its newest generation that differs from what it runs, or with those of --from and --to.",
    )
    .argument("<host>", "HOST or HOST:GENERATION")
    .argument("[other]", "what to compare it with (default: what the host runs)")
    .option("--from <generation>", "the generation to start from")
    .option("--to <generation>", "the generation to arrive at")
    .option("--diff", "show the text differences of files in /etc")
    .addHelpText(
      "after",
      `${exitCodesHelp({
        ok: "compared, whether or not they differ",
        usage: "usage or evaluation error, or no such generation",
      })}\n\nExamples:\n  pristine diff web1            what the last change did\n  pristine diff web1:3 web1:5   between two generations\n  pristine diff web1 web2       between two hosts`,
    )
    .action(
      action(async (session, host: string, other: string | undefined, options: DiffOptions) => {
        const { compareSystems, sidesOf } = await import("../../fleet/compare.ts");
        const number = (flag: "from" | "to"): number | undefined =>
          options[flag] === undefined ? undefined : wholeNumberOf(`--${flag}`, options[flag], { min: 1 });
        const wanted = sidesOf(other === undefined ? [host] : [host, other], {
          from: number("from"),
          to: number("to"),
        });
        const { buildKits } = await import("../../library/build.ts");
        const { withSessions } = await import("../../library/connect.ts");
        const { openContext } = await import("../../library/context.ts");
        const { comparisonRecord, renderComparison } = await import("../render/comparison.ts");
        const context = await openContext(session, { hosts: [...new Set(wanted.map((side) => side.host))] });
        for (const side of wanted) {
          if (context.hosts.every(({ name }) => name !== side.host))
            throw new OperationError("USAGE", `'${side.host}' is a pattern; diff takes the names of hosts`);
        }
        await buildKits(session, context);
        return withSessions(session, context, async (sessions) => {
          const { signal, terminal, progress } = session;
          const comparison = await compareSystems(wanted, sessions, { localStore: context.store, signal });
          progress.close();
          const view = { fileDiffs: options.diff ?? false };
          if (session.options.json) terminal.out(JSON.stringify(comparisonRecord(comparison, view)));
          else for (const line of renderComparison(comparison, terminal, view)) terminal.out(line);
          return EXIT.ok;
        });
      }),
    );
}
