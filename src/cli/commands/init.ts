/** `pristine init`: a fleet to start from. */

import type { Command } from "commander";
import { EXIT, exitCodesHelp } from "../exit-codes.ts";
import { action } from "../session.ts";

export function registerInit(program: Command): void {
  program
    .command("init")
    .summary("write a fleet to start from")
    .description(
      "Writes a short commented fleet.nix, one file per host, a shared module and a .gitignore into DIRECTORY.\nAn existing file is never overwritten.",
    )
    .argument("[directory]", "where to write", ".")
    .addHelpText("after", exitCodesHelp({ ok: "written", usage: "a file is in the way, or cannot be written" }))
    .action(
      action(async (session, directory: string) => {
        const { initFleet } = await import("../../fleet/init.ts");
        const { written, keys } = await initFleet(directory);
        const { terminal } = session;
        if (session.options.json) {
          terminal.out(JSON.stringify({ written }));
          return EXIT.ok;
        }
        for (const path of written) terminal.out(`  ${path}`);
        if (keys === 0) {
          terminal.err(
            `${terminal.colors.yellow("note:")} no ssh public key was found; put yours into keys/operator.pub before deploying to real hosts`,
          );
        }
        const cd = directory === "." ? "" : `cd ${directory} && `;
        terminal.out(
          `\nNext:\n  ${cd}pristine lock            # resolve and verify the Debian packages\n  pristine lab up          # rehearse on this machine, in containers\n  pristine deploy --lab    # the same deployment that real hosts get`,
        );
        return EXIT.ok;
      }),
    );
}
