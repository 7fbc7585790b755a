/** Decompression by the system's `xz`, which Debian's indexes and packages use. */

import { OperationError } from "../../base/errors.ts";
import { findProgram, run, succeeded } from "../../system/process.ts";

const OUTPUT_BYTES_MAX = 512 * 1024 * 1024;

export async function decompressXz(bytes: Uint8Array, signal: AbortSignal): Promise<Buffer> {
  if ((await findProgram("xz")) === undefined) {
    throw new OperationError("PROGRAM_MISSING", "the program 'xz' was not found", {
      hint: "install it: apt-get install xz-utils",
    });
  }
  const outcome = await run(["xz", "-dc"], {
    stdin: bytes,
    signal,
    deadlineMs: 120_000,
    outputSizeMax: OUTPUT_BYTES_MAX,
  });
  if (succeeded(outcome)) return outcome.stdout;
  const said = outcome.stderr.toString("utf8").trim();
  throw new OperationError("DECOMPRESSION_FAILED", `xz cannot decompress a download that has the right hash: ${said}`);
}
