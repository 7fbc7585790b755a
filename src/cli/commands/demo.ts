/** `pristine demo`: the whole story on this machine, told with the program's own commands. */

import type { Command } from "commander";
import { OperationError } from "../../base/errors.ts";
import { exitCodesHelp } from "../exit-codes.ts";
import { action } from "../session.ts";

export function registerDemo(program: Command): void {
  program
    .command("demo")
    .summary("see it all run on this machine: three hosts, deployed, changed, broken, rolled back")
    .description(
      "Starts three local hosts, deploys a small shop to them, changes it, breaks it in four ways, reboots and rolls back, and shows the evidence. Everything it does is a 'pristine' command that can be pasted. It first says what it will install, download, bridge and mount; --dry-run stops there. Needs root, at most 10 minutes and 3 GB.\n\n" +
        "'pristine demo stop' removes what a kept or killed demo left.",
    )
    .argument("[verb]", "'stop' removes every trace of the demo")
    .option("--keep", "leave the fleet up at the end")
    .option("--dry-run", "only say what would be done")
    .option("--report <file>", "where to write the report", "demo-report.json")
    .addHelpText(
      "after",
      exitCodesHelp({
        ok: "every chapter held",
        usage: "usage error",
        hostsFailed: "a chapter did not hold; demo-report.json says which",
        cannotStart: "not root, packages missing, or names and addresses are taken",
        interrupted: "interrupted; every trace was removed",
      }),
    )
    .action(
      action(
        async (session, verb: string | undefined, options: { keep?: boolean; dryRun?: boolean; report: string }) => {
          const demo = await import("../demo/demo.ts");
          if (verb === "stop") return demo.stopDemo(session);
          if (verb !== undefined) {
            throw new OperationError("USAGE", `'${verb}' is not something the demo can do; only 'stop' is`);
          }
          return demo.runDemo(session, {
            keep: options.keep ?? false,
            dryRun: options.dryRun ?? false,
            report: options.report,
          });
        },
      ),
    );
}
