/** What the terminal can do, and the few styles that are used. */

import picocolors from "picocolors";
import { OperationError } from "../../base/errors.ts";

export interface Terminal {
  /** Writes a whole line to standard output. */
  out(line: string): void;
  /** Writes a whole line to standard error. */
  err(line: string): void;
  /** Whether a live display can be drawn on standard error. */
  readonly live: boolean;
  readonly columns: number;
  readonly colors: ReturnType<typeof picocolors.createColors>;
}

/** The terminal of this process. Colour follows `NO_COLOR`, `FORCE_COLOR` and whether output is a terminal. */
export function processTerminal(options: { readonly color?: boolean | undefined } = {}): Terminal {
  const color =
    options.color ?? (picocolors.isColorSupported && (process.stdout.isTTY || "FORCE_COLOR" in process.env));
  return {
    out: (line) => void process.stdout.write(`${line}\n`),
    err: (line) => void process.stderr.write(`${line}\n`),
    live: process.stderr.isTTY && process.env["TERM"] !== "dumb" && process.env["CI"] === undefined,
    columns: process.stderr.columns ?? 100,
    colors: picocolors.createColors(color),
  };
}

/**
 * Keeps a closed or full output from ending the program in the middle of its work.
 *
 * When nobody reads standard output any more (`pristine status | head`), the rest of it vanishes and the command ends
 * with its own status. Any other failure to write is told, and the status is then never that of success.
 */
export function guardOutput(): void {
  let told = false;
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE" || told) return;
    told = true;
    const failure = new OperationError("OUTPUT_FAILED", `cannot write to standard output: ${error.message}`);
    process.stderr.write(`error: ${failure.message} [${failure.code}]\n`);
    process.once("exit", () => {
      if (process.exitCode === undefined || process.exitCode === 0) process.exitCode = 1;
    });
  });
  // There is nowhere left to tell it.
  process.stderr.on("error", () => undefined);
}

// eslint-disable-next-line no-control-regex -- escape sequences are what this looks for
const ESCAPES = /\u001b\[[0-9;]*[A-Za-z]/g;

/** The number of columns a styled text takes. */
export function widthOf(text: string): number {
  return text.replace(ESCAPES, "").length;
}
