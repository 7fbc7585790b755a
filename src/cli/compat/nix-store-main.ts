/** What `nix-store` does: parse, run, report. */

import { textFileSync } from "../../system/files-sync.ts";
import { renderFailure, writeError } from "./failure.ts";
import { parseStoreCommand, STORE_USAGE } from "./nix-store-arguments.ts";
import { runStoreCommand } from "./nix-store-run.ts";
import { settingsOfEnvironment } from "./nix-settings.ts";
import { UsageError } from "./usage-error.ts";

/** The Nix whose behaviour this follows. */
const VERSION = "2.34.8";

export async function main(): Promise<number> {
  const abort = new AbortController();
  process.once("SIGINT", () => abort.abort());
  process.once("SIGTERM", () => abort.abort());
  try {
    const command = parseStoreCommand(process.argv.slice(2));
    if (command.operation === "help") process.stdout.write(`${STORE_USAGE}\n`);
    else if (command.operation === "version") process.stdout.write(`nix-store (Nix) ${VERSION}\n`);
    else {
      const settings = settingsOfEnvironment(process.env, textFileSync).apply(command.settings);
      for (const warning of settings.warnings) writeError(`warning: ${warning}`);
      return await runStoreCommand(command, settings, abort.signal);
    }
    return 0;
  } catch (error) {
    if (abort.signal.aborted) {
      writeError("error: interrupted by the user");
      return 130;
    }
    writeError(renderFailure(error));
    if (error instanceof UsageError) writeError("Try 'nix-store --help' for more information.");
    return 1;
  }
}
