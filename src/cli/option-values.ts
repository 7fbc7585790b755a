/** Values of options that are more than text, checked before anything is done. */

import { Option } from "commander";
import { OperationError } from "../base/errors.ts";
import type { EvaluationArgument } from "../realise/evaluation-request.ts";

/** A longer one would overflow the timers, and then not last at all. */
const SECONDS_MAX = 2_000_000;

/** A time in seconds, as milliseconds. */
export function durationMsOf(option: string, text: string): number {
  const seconds = text.trim() === "" ? NaN : Number(text);
  if (!(seconds > 0) || !Number.isFinite(seconds))
    throw new OperationError("USAGE", `${option} takes a number of seconds, not '${text}'`);
  if (seconds > SECONDS_MAX) throw new OperationError("USAGE", `${option} takes at most ${SECONDS_MAX} seconds`);
  return seconds * 1000;
}

const DAY_SECONDS = 86_400;
const SECONDS_OF: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: DAY_SECONDS };
const SPAN_SECONDS_MIN = 10;
const SPAN_DAYS_MAX = 7;

/** A time span such as `90s`, `30m`, `2h` or `1d`, in seconds. */
export function timeSpanOf(option: string, text: string, daysMax: number = SPAN_DAYS_MAX): number {
  const [, count, unit = ""] = /^(\d{1,9})([smhd])$/.exec(text.trim()) ?? [];
  const seconds = Number(count) * (SECONDS_OF[unit] ?? NaN);
  if (Number.isNaN(seconds)) {
    throw new OperationError("USAGE", `${option} takes a time such as 90s, 30m, 2h or 1d, not '${text}'`);
  }
  if (seconds < SPAN_SECONDS_MIN || seconds > daysMax * DAY_SECONDS) {
    throw new OperationError("USAGE", `${option} takes a time from ${SPAN_SECONDS_MIN}s to ${daysMax}d, not '${text}'`);
  }
  return seconds;
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

/** Options with two values; the parser knows only those with one, so these are joined by what no argument can hold. */
const PAIRS = new Set(["--arg", "--argstr", "--override-flake", "--override-input"]);
const JOINT = "\0";

/** Joins the two values of each option that has two. */
export function joinPairs(argv: readonly string[]): string[] {
  const joined: string[] = [];
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at]!;
    if (word === "--") return [...joined, ...argv.slice(at)];
    joined.push(word);
    if (!PAIRS.has(word) || at + 2 >= argv.length) continue;
    joined.push(`${argv[at + 1]!}${JOINT}${argv[at + 2]!}`);
    at += 2;
  }
  return joined;
}

/** An option with two values that may be given more than once. */
export function pair(flags: string, description: string): Option {
  return new Option(flags, description)
    .argParser((value, former: readonly string[]) => [...former, value])
    .default([], "none");
}

/** The two values of an option made by `pair`. */
export function splitPair(flag: string, value: string): readonly [string, string] {
  const at = value.indexOf(JOINT);
  if (at < 0) throw new OperationError("USAGE", `${flag} takes a name and a value`);
  return [value.slice(0, at), value.slice(at + 1)];
}

/** Arguments for functions of an evaluation, from `--arg` and `--argstr`. */
export function argumentsOf(options: {
  readonly arg: readonly string[];
  readonly argstr: readonly string[];
}): Readonly<Record<string, EvaluationArgument>> {
  const args: Record<string, EvaluationArgument> = {};
  for (const given of options.arg) {
    const [name, expr] = splitPair("--arg", given);
    args[name] = { expr };
  }
  for (const given of options.argstr) {
    const [name, string] = splitPair("--argstr", given);
    args[name] = { string };
  }
  return args;
}
