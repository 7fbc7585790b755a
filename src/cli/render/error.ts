/** Shows an error to a person, or to a program as a small record. */

import { EvalDiagnostic } from "../../realise/evaluation-request.ts";
import { describeEvaluationError, hostOfError, placeOfError } from "../../realise/evaluation-error-text.ts";
import { safeText } from "../../base/safe-text.ts";
import type { Terminal } from "./terminal.ts";

interface Shown {
  readonly code?: unknown;
  readonly hint?: string | undefined;
}

/** What a program is told of an error. */
export interface ErrorRecord {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly host?: string;
  readonly place?: { readonly file: string; readonly line: number; readonly column: number };
}

/** The record of an error for `--json`. */
export function errorRecord(
  error: unknown,
  options: { readonly nixDirectory: string; readonly isLocking?: boolean; readonly isExpressionTheirs?: boolean },
): ErrorRecord {
  const { code, hint } = (error ?? {}) as Shown;
  const record = {
    code: isInterruption(error) ? "INTERRUPTED" : typeof code === "string" ? code : "INTERNAL",
    message: safeText(error instanceof Error ? error.message : String(error)),
    ...(hint === undefined ? {} : { hint: safeText(hint) }),
  };
  if (!(error instanceof EvalDiagnostic)) return record;
  const own = {
    ownDirectory: options.nixDirectory,
    isLocking: options.isLocking ?? false,
    isExpressionTheirs: options.isExpressionTheirs ?? false,
  };
  const place = placeOfError(error.data, own);
  const evaluationHint = describeEvaluationError(error.data, own).hint;
  const host = hostOfError(error.data);
  return {
    ...record,
    ...(evaluationHint === undefined ? {} : { hint: evaluationHint }),
    ...(host === undefined ? {} : { host }),
    ...(place === undefined ? {} : { place: { file: place.file, line: place.line, column: place.column } }),
  };
}

/** Prints an error: what and where, the way out, and the cause when asked. */
export function renderError(
  terminal: Terminal,
  error: unknown,
  options: {
    readonly verbose: boolean;
    /** Where Pristine's own Nix code lies. */
    readonly nixDirectory: string;
    readonly isLocking?: boolean;
    /** The expression of the command line is the user's own. */
    readonly isExpressionTheirs?: boolean;
    /** Show an evaluation's whole trace, as Nix does. */
    readonly showTrace?: boolean;
  },
): void {
  const { cyan, dim, red } = terminal.colors;
  let { hint } = (error ?? {}) as Shown;
  if (isInterruption(error)) {
    terminal.err(`${red("error:")} interrupted ${dim("[INTERRUPTED]")}`);
    return;
  }
  if (error instanceof EvalDiagnostic) {
    const described = describeEvaluationError(error.data, {
      ownDirectory: options.nixDirectory,
      baseDir: process.cwd(),
      isLocking: options.isLocking ?? false,
      isExpressionTheirs: options.isExpressionTheirs ?? false,
    });
    if (options.verbose || options.showTrace === true)
      terminal.err(safeText(error.rendered).replace(/^error:/, red("error:")));
    else {
      terminal.err(`${red("error:")} ${withCode(safeText(described.headline), dim(`[${error.code}]`))}`);
      for (const line of described.details) terminal.err(safeText(line));
    }
    hint = described.hint;
  } else {
    const { code } = (error ?? {}) as Shown;
    if (typeof code !== "string" || !(error instanceof Error)) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      terminal.err(`${red("error:")} ${safeText(text)}`);
      terminal.err("this is a bug in pristine; please report it with the lines above");
    } else terminal.err(`${red("error:")} ${withCode(safeText(error.message), dim(`[${code}]`))}`);
  }
  if (hint !== undefined) terminal.err(`${cyan("hint:")} ${safeText(hint)}`);
  if (options.verbose && error instanceof Error && error.cause !== undefined) {
    const cause =
      error.cause instanceof Error ? (error.cause.stack ?? error.cause.message) : JSON.stringify(error.cause);
    terminal.err(dim(`cause: ${safeText(cause)}`));
  }
}

/** Puts the code after the first line of a message. */
function withCode(message: string, code: string): string {
  const [headline = "", ...rest] = message.split("\n");
  return [`${headline} ${code}`, ...rest].join("\n");
}

/** Whether an error only says that the user, or a signal, ended the command. */
function isInterruption(error: unknown): boolean {
  return (error as Error | undefined)?.name === "AbortError" || (error as Shown | undefined)?.code === "INTERRUPTED";
}
