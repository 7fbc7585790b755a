/** How the Nix-compatible programs report what went wrong. */

import { stripVTControlCharacters } from "node:util";
import { byteStringOfText } from "../../base/byte-string.ts";

export const GC_WARNING = "you did not specify '--add-root'; the result might be removed by the garbage collector";

/** An error as Nix shows it. */
export function renderFailure(error: unknown): string {
  const { name, rendered, message, hint } = error as {
    readonly name?: string;
    readonly rendered?: string;
    readonly message?: string;
    readonly hint?: string;
  };
  if (rendered !== undefined) return rendered;
  if (name === "InvariantError" || name === "TypeError" || name === "ReferenceError") {
    return `error: this is a bug in Pristine; please report it\n${(error as Error).stack ?? String(error)}`;
  }
  return `error: ${message ?? String(error)}${hint === undefined ? "" : `\nhint: ${hint}`}`;
}

/** Writes a line to standard error, without the terminal's control sequences when it is not one, as Nix does. */
export function writeError(text: string): void {
  const shown = process.stderr.isTTY ? text : stripVTControlCharacters(text);
  process.stderr.write(Buffer.from(byteStringOfText(`${shown}\n`), "latin1"));
}
