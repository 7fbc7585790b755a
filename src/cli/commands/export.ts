/** `pristine export`: the fleet for plain Nix and Colmena. */

import type { Command } from "commander";
import { safeText } from "../../base/safe-text.ts";
import { EXIT, exitCodesHelp } from "../exit-codes.ts";
import { renderCount } from "../../base/quantities.ts";
import { action } from "../session.ts";

export function registerExport(program: Command): void {
  program
    .command("export")
    .summary("write the fleet for plain Nix and Colmena")
    .description(
      "Writes DIRECTORY with a flake.nix (nixosConfigurations, colmena), a hive.nix and a default.nix, which Nix evaluates to the same derivations without Pristine, and with all that they need: a copy of the fleet's files that its evaluation reads, of the lock, and of Pristine's own Nix code. Each host's derivation is compared before DIRECTORY appears. A DIRECTORY with anything in it is refused. No host is contacted.",
    )
    .option("-o, --output <directory>", "where to write", "export")
    .addHelpText(
      "after",
      `${exitCodesHelp({
        ok: "written",
        usage: "usage or evaluation error, the directory is in use, or a derivation would differ: nothing was written",
      })}\n\nExample:\n  pristine export -o plain && nix-build plain -A systems.web1`,
    )
    .action(
      action(async (session, { output }: { output: string }) => {
        const { exportFleet } = await import("../../fleet/export/export.ts");
        const { terminal, progress, signal, options } = session;
        progress.update("export", "evaluating");
        const { drvPaths, leftOut, elsewhere } = await exportFleet(session.fleetFile, output, signal);
        progress.done("export", renderCount(Object.keys(drvPaths).length, "host"));
        const hosts = Object.entries(drvPaths).map(([host, drvPath]) => ({ host, drvPath }));
        if (options.json) terminal.out(JSON.stringify({ output, hosts, leftOut, elsewhere }));
        else {
          for (const { host, drvPath } of hosts) terminal.out(`${host}  ${drvPath}`);
          for (const [host, why] of Object.entries(leftOut)) terminal.out(`not in hive.nix: ${host}: ${why}`);
          for (const path of elsewhere)
            terminal.out(`not in ${safeText(output)}, and needed where it is: ${safeText(path)}`);
        }
        return EXIT.ok;
      }),
    );
}
