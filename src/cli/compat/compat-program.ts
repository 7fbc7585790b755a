/** The frame of a Nix-compatible program: signals, and how it tells what went wrong. */

import { renderFailure, writeError } from "./failure.ts";
import { UsageError } from "./usage-error.ts";

const INTERRUPTED = 130;

/** Runs a program; answers its exit status: 0 or what `run` says, 1 for an error, 130 when interrupted. */
export async function runCompatProgram(
  name: string,
  run: (abort: AbortController) => Promise<number | undefined>,
): Promise<number> {
  const abort = new AbortController();
  process.once("SIGTERM", () => abort.abort());
  try {
    return (await run(abort)) ?? 0;
  } catch (error) {
    if (abort.signal.aborted) {
      writeError("error: interrupted by the user");
      return INTERRUPTED;
    }
    writeError(renderFailure(error));
    if (error instanceof UsageError) writeError(`Try '${name} --help' for more information.`);
    return 1;
  }
}

/** Ctrl-C ends the program, as SIGTERM does. */
export function endOnInterrupt(abort: AbortController): void {
  process.once("SIGINT", () => abort.abort());
}
