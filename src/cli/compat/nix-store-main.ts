/** What `nix-store` does: parse, run, report. */

import { NIX_VERSION } from "../../language/nix-version.ts";
import { textFileSync } from "../../system/files-sync.ts";
import { endOnInterrupt, runCompatProgram } from "./compat-program.ts";
import { writeError } from "./failure.ts";
import { parseStoreCommand, STORE_USAGE } from "./nix-store-arguments.ts";
import { runStoreCommand } from "./nix-store-run.ts";
import { settingsOfEnvironment } from "./nix-settings.ts";

export async function main(): Promise<number> {
  return await runCompatProgram("nix-store", async (abort) => {
    endOnInterrupt(abort);
    const command = parseStoreCommand(process.argv.slice(2));
    if (command.operation === "help") process.stdout.write(`${STORE_USAGE}\n`);
    else if (command.operation === "version") process.stdout.write(`nix-store (Nix) ${NIX_VERSION}\n`);
    else {
      const settings = settingsOfEnvironment(process.env, textFileSync).apply(command.settings);
      for (const warning of settings.warnings) writeError(`warning: ${warning}`);
      return await runStoreCommand(command, settings, abort.signal);
    }
    return undefined;
  });
}
