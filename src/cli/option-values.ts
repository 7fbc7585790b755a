/** Values of options that are more than text, checked before anything is done. */

import { OperationError } from "../base/errors.ts";

/** A time in seconds, as milliseconds. */
export function durationMsOf(option: string, text: string): number {
  const seconds = text.trim() === "" ? NaN : Number(text);
  if (!(seconds > 0) || !Number.isFinite(seconds))
    throw new OperationError("USAGE", `${option} takes a number of seconds, not '${text}'`);
  return seconds * 1000;
}

/** A whole number from `min`. */
export function wholeNumberOf(
  option: string,
  text: string,
  options: { readonly min: number; readonly unit?: string },
): number {
  const count = text.trim() === "" ? NaN : Number(text);
  if (!Number.isSafeInteger(count) || count < options.min) {
    const what = options.unit === undefined ? "a whole number" : `a whole number of ${options.unit}`;
    throw new OperationError("USAGE", `${option} takes ${what} from ${options.min}, not '${text}'`);
  }
  return count;
}

/** What a question on the terminal was answered; throws unless it was yes. */
export function requireApproval(answer: boolean | undefined, nothingDone: string): void {
  if (answer === true) return;
  throw answer === undefined
    ? new OperationError("NOT_APPROVED", `there is no terminal to ask on; ${nothingDone}`, {
        hint: "approve with --yes",
      })
    : new OperationError("NOT_APPROVED", `not approved; ${nothingDone}`);
}
