/** `pristine nixos-module`: what NixOS configurations import. */

import type { Command } from "commander";
import { safeText } from "../../base/safe-text.ts";
import { EXIT, exitCodesHelp } from "../exit-codes.ts";
import { action } from "../session.ts";

export function registerNixosModule(program: Command): void {
  program
    .command("nixos-module")
    .summary("write the module by which NixOS configurations have what hosts of ours have")
    .description(
      "Writes the files of a NixOS module to DIRECTORY, which is made where it is missing. A configuration imports DIRECTORY and declares what it wants below pristine (pristine.secrets, pristine.sshMesh); any tool can evaluate it. Files of these names are replaced: run it again for the module of a newer Pristine. See docs/manual/hosts.md.",
    )
    .argument("<directory>", "where to write it, for instance ./pristine-module")
    .addHelpText("after", exitCodesHelp({ ok: "written", usage: "it cannot be written" }))
    .action(
      action(async ({ options, signal, terminal }, directory: string) => {
        const { writeNixosModule } = await import("../../fleet/nixos-module.ts");
        const files = await writeNixosModule(directory, signal);
        if (options.json) terminal.out(JSON.stringify({ files }));
        else for (const file of files) terminal.out(safeText(file));
        return EXIT.ok;
      }),
    );
}
