/** `pristine init`: a fleet to start from. */

import type { Command } from "commander";
import { EXIT, exitCodesHelp } from "../exit-codes.ts";
import { action } from "../session.ts";

export function registerInit(program: Command): void {
  program
    .command("init")
    .summary("write a fleet to start from")
    .description(
      "Writes a short commented fleet.nix, one file per host, a shared module and a .gitignore into DIRECTORY. Your ssh public keys go to keys/operator.pub, from where the hosts let you in as root; without any, a key pair is made. An existing file is never overwritten.",
    )
    .argument("[directory]", "where to write", ".")
    .option("--template <name>", "the example to start from: start, shop", "start")
    .option("--new-key", "make a key pair for this fleet, although you have one")
    .addHelpText("after", exitCodesHelp({ ok: "written", usage: "a file is in the way, or cannot be written" }))
    .action(
      action(async (session, directory: string, options: { template: string; newKey?: boolean }) => {
        const { initFleet } = await import("../../fleet/init.ts");
        const { terminal, signal } = session;
        const { written, madeKey } = await initFleet(directory, {
          template: options.template,
          newKey: options.newKey ?? false,
          signal,
        });
        if (session.options.json) {
          terminal.out(JSON.stringify({ written }));
          return EXIT.ok;
        }
        for (const path of written) terminal.out(`  ${path}`);
        terminal.out(
          madeKey
            ? "\nkeys/operator is a new key pair: the hosts will let it in as root. Keep the private part to yourself."
            : "\nkeys/operator.pub holds your ssh public keys: the hosts will let them in as root.",
        );
        const cd = directory === "." ? "" : `cd ${directory} && `;
        terminal.out(`
Next:
  ${cd}pristine lock            # resolve and verify the Debian packages
  pristine lab up          # rehearse on this machine, in containers (needs root)
  pristine deploy --lab    # the same deployment that real hosts get`);
        return EXIT.ok;
      }),
    );
}
