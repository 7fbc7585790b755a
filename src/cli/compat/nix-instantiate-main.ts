/** What `nix-instantiate` does: parse, run, report. */

import { writeOutput } from "../../system/standard-output.ts";
import { parseArguments, USAGE } from "./nix-instantiate-arguments.ts";
import { renderFailure, writeError } from "./failure.ts";
import { runNixInstantiate } from "./nix-instantiate-run.ts";
import { UsageError } from "./usage-error.ts";

/** The Nix whose behaviour this follows. */
const VERSION = "2.34.8";

export async function main(): Promise<number> {
  const abort = new AbortController();
  process.once("SIGINT", () => abort.abort());
  process.once("SIGTERM", () => abort.abort());
  try {
    const parsed = parseArguments(process.argv.slice(2));
    if (parsed.help) writeOutput(`${USAGE}\n`);
    else if (parsed.version) writeOutput(`nix-instantiate (Nix) ${VERSION}\n`);
    else await runNixInstantiate(parsed, abort.signal);
    return 0;
  } catch (error) {
    if (abort.signal.aborted) {
      writeError("error: interrupted by the user");
      return 130;
    }
    writeError(renderFailure(error));
    if (error instanceof UsageError) writeError("Try 'nix-instantiate --help' for more information.");
    return 1;
  }
}
