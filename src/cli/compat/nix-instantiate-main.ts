/** What `nix-instantiate` does: parse, run, report. */

import { NIX_VERSION } from "../../language/nix-version.ts";
import { writeOutput } from "../../system/standard-output.ts";
import { endOnInterrupt, runCompatProgram } from "./compat-program.ts";
import { parseArguments, USAGE } from "./nix-instantiate-arguments.ts";
import { runNixInstantiate } from "./nix-instantiate-run.ts";

export async function main(): Promise<number> {
  return await runCompatProgram("nix-instantiate", async (abort) => {
    endOnInterrupt(abort);
    const parsed = parseArguments(process.argv.slice(2));
    if (parsed.help) writeOutput(`${USAGE}\n`);
    else if (parsed.version) writeOutput(`nix-instantiate (Nix) ${NIX_VERSION}\n`);
    else await runNixInstantiate(parsed, abort.signal);
    return undefined;
  });
}
