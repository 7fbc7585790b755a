/** Shows an error to a person, or to a program as a small record. */

import { safeText } from "./safe-text.ts";
import type { Terminal } from "./terminal.ts";

interface Shown {
  readonly code?: string;
  readonly hint?: string | undefined;
  readonly rendered?: string;
}

/** The record of an error for `--json`. */
export function errorRecord(error: unknown): { code: string; message: string; hint?: string } {
  const { code, hint } = (error ?? {}) as Shown;
  const message = error instanceof Error ? error.message : String(error);
  return { code: code ?? "INTERNAL", message, ...(hint === undefined ? {} : { hint }) };
}

/** Prints an error: what and where, the way out, and the cause when asked. */
export function renderError(terminal: Terminal, error: unknown, options: { readonly verbose: boolean }): void {
  const { colors } = terminal;
  const { code, hint, rendered } = (error ?? {}) as Shown;
  if (rendered !== undefined) {
    // An evaluation error brings its own text, with position and excerpt.
    terminal.err(safeText(rendered).replace(/^error:/, colors.red("error:")));
  } else if (code === undefined || !(error instanceof Error)) {
    terminal.err(
      `${colors.red("error:")} ${safeText(error instanceof Error ? (error.stack ?? error.message) : String(error))}`,
    );
    terminal.err("this is a bug in pristine; please report it with the lines above");
  } else {
    terminal.err(`${colors.red("error:")} ${safeText(error.message)} ${colors.dim(`[${code}]`)}`);
  }
  if (hint !== undefined) terminal.err(`${colors.cyan("hint:")} ${safeText(hint)}`);
  if (options.verbose && error instanceof Error && error.cause !== undefined) {
    const cause = error.cause instanceof Error ? (error.cause.stack ?? error.cause.message) : String(error.cause);
    terminal.err(colors.dim(`cause: ${safeText(cause)}`));
  }
}
