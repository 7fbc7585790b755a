/** `pristine option`: what an option of a host is, and why. */

import type { Command } from "commander";
import { EXIT, exitCodesHelp } from "../exit-codes.ts";
import { action } from "../session.ts";

export function registerOption(program: Command): void {
  program
    .command("option")
    .summary("show an option of a host: its value, and where it was defined")
    .description(
      "Shows the value of an option on HOST, its default, type and description, where it is declared, and each definition with its place and its priority. A path that is a set of options lists those below it; <name> or * in a path stand for any.",
    )
    .argument("<host>", "the host's name")
    .argument("[option]", "the option's path, such as networking.firewall.allowedTCPPorts")
    .addHelpText(
      "after",
      `${exitCodesHelp({
        ok: "shown, also when its value cannot be evaluated",
        usage: "there is no such option, or the fleet cannot be evaluated",
      })}\n\nExample:\n  pristine option web1 networking.firewall.allowedTCPPorts`,
    )
    .action(
      action(async (session, host: string, option: string | undefined) => {
        const { findOption } = await import("../../fleet/option.ts");
        const { nixDirectory } = await import("../../fleet/inventory.ts");
        const { parseAttrPath } = await import("../../language/eval/attr-path.ts");
        const { renderOption, optionRecord } = await import("../render/option.ts");
        const { terminal, signal } = session;
        const path = parseAttrPath(option ?? "");
        const found = await findOption(session.fleetFile, { host, path, withJson: session.options.json }, signal);
        if (session.options.json) terminal.out(JSON.stringify(optionRecord(found, host)));
        else {
          const view = { host, baseDir: process.cwd(), nixDirectory: nixDirectory(), terminal };
          for (const line of renderOption(found, view)) terminal.out(line);
        }
        return EXIT.ok;
      }),
    );
}
