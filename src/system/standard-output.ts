/** Standard output without a stream: for programs that print once, loading streams would take longer than their work. */

import { writeSync } from "node:fs";
import { byteStringOfText } from "../base/byte-string.ts";
import { OperationError } from "../base/errors.ts";
import { systemErrorCode } from "./file-error.ts";

const STDOUT = 1;
/** Between attempts to write to a pipe that is full and does not block. */
const RETRY_MS = 2;

/** Writes a text at once and in full. When nobody reads any more, the rest vanishes. */
export function writeOutput(text: string): void {
  writeOutputBytes(Buffer.from(byteStringOfText(text), "latin1"));
}

export function writeOutputBytes(bytes: Uint8Array): void {
  for (let start = 0; start < bytes.length;) {
    try {
      start += writeSync(STDOUT, bytes, start);
    } catch (error) {
      const code = systemErrorCode(error);
      if (code === "EPIPE") return;
      if (code !== "EAGAIN") {
        throw new OperationError("OUTPUT_FAILED", `cannot write to standard output: ${(error as Error).message}`);
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    }
  }
}
