/** `pristine adopt`: what is taken over from other tools, and what of it differs. */

import type { Command } from "commander";
import { EXIT, exitCodesHelp } from "../exit-codes.ts";
import { action } from "../session.ts";

export function registerAdopt(program: Command): void {
  program
    .command("adopt")
    .summary("show what is taken over from Colmena and other tools")
    .description(
      "Shows which hosts the fleet takes over from files of other tools (`adopt` in the fleet file; a hive.nix or flake.nix where there is no fleet.nix), what becomes of each option that they set, and what works differently from the tool they were made for. Nothing is written, built or contacted.",
    )
    .addHelpText(
      "after",
      `${exitCodesHelp({
        ok: "everything that was found is served, if differently",
        usage: "usage or evaluation error",
        hostsFailed: "a host is left out, or an option is not served",
      })}\n\nExample:\n  pristine --fleet hive.nix adopt`,
    )
    .action(
      action(async (session) => {
        const { loadAdopted } = await import("../../fleet/adopted.ts");
        const { renderAdopted } = await import("../render/adopted.ts");
        const { terminal, signal } = session;
        const adopted = await loadAdopted(session.fleetFile, signal);
        if (session.options.json) terminal.out(JSON.stringify(adopted));
        else for (const line of renderAdopted(adopted, process.cwd(), terminal)) terminal.out(line);
        const options = [...adopted.fleets, ...adopted.hosts].flatMap((one) => one.options);
        const isServed =
          adopted.hosts.every(({ left }) => left === null) && options.every(({ serves }) => serves !== "no");
        return isServed ? EXIT.ok : EXIT.hostsFailed;
      }),
    );
}
