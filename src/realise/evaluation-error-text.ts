/**
 * An error of the fleet's Nix code, for people: what is wrong, where in *their* files, in which option of which host.
 *
 * The Nix-compatible programs show errors as Nix does; here the message comes first, and frames inside Pristine's own
 * Nix code are left out.
 */

import type { DiagnosticPlace, EvalDiagnosticData } from "./evaluation-request.ts";

const HOST_FRAME = /^while evaluating the host '([^']+)':?$/;
const OPTION_FRAME = /^while evaluating the option [`']([^']+)':?$/;
const READING_FRAME = /^while reading (.+?):?$/;
const DEFINITIONS_FRAME = /^while evaluating definitions from [`']([^']+)':?$/;

export interface EvaluationErrorText {
  /** The first line of the message; the code belongs after it. */
  readonly headline: string;
  readonly details: readonly string[];
  readonly hint?: string;
}

/** The host that an error belongs to, when it happened inside one. */
export function hostOfError(data: EvalDiagnosticData): string | undefined {
  return lastMatch(data, HOST_FRAME);
}

export function describeEvaluationError(
  data: EvalDiagnosticData,
  options: {
    /** Where Pristine's own Nix code lies. */
    readonly ownDirectory: string;
    /** Paths below this directory are shown relative to it. */
    readonly baseDir?: string;
    /** The expression of the command line is the user's own, not one that the command has made. */
    readonly isExpressionTheirs?: boolean;
    /** Packages are looked up in the suite's index, not in a lock. */
    readonly isLocking?: boolean;
  },
): EvaluationErrorText {
  const [headline = "", ...rest] = data.message.split("\n");
  const place = placeToShow(data, options);
  const details = [...rest];
  if (place !== undefined) {
    details.push(`  at ${shownPath(place.file, options.baseDir)}:${place.line}:${place.column}`);
    if (place.excerpt !== "") details.push(...place.excerpt.split("\n").map((line) => ` ${line}`));
  }
  if (data.suggestion !== undefined) details.push(`  ${data.suggestion}`);
  // A message about an option names it; the frames only say for what it was needed.
  const option = /\boptions? [`']/.test(data.message) ? undefined : firstMatch(data, OPTION_FRAME);
  const host = hostOfError(data);
  const within = [
    ...(option === undefined ? [] : [`option '${option}'`]),
    ...(host === undefined ? [] : [`host '${host}'`]),
  ];
  const read = firstMatch(data, READING_FRAME);
  if (read !== undefined) details.push(`  … while reading ${read}`);
  if (within.length > 0) details.push(`  … while evaluating ${within.join(" of ")}`);
  if (data.code === "EVAL_INFINITE_RECURSION") {
    const round = matches(data, DEFINITIONS_FRAME).map((file) => shownPath(file, options.baseDir));
    if (round.length > 1) details.push(`  … the way round leads through definitions in ${round.join(", ")}`);
  }
  const hint = hintOf(data, place, options.isLocking ?? false);
  return { headline, details, ...(hint === undefined ? {} : { hint }) };
}

/** The place that a person is shown, for programs. */
export function placeOfError(
  data: EvalDiagnosticData,
  options: { readonly ownDirectory: string; readonly isExpressionTheirs?: boolean },
): DiagnosticPlace | undefined {
  return placeToShow(data, options);
}

function shownPath(file: string, baseDir: string | undefined): string {
  return baseDir !== undefined && file.startsWith(`${baseDir}/`) ? file.slice(baseDir.length + 1) : file;
}

/** The place of the error when it is the user's; else the innermost place of theirs that led to it. */
function placeToShow(
  data: EvalDiagnosticData,
  options: { readonly ownDirectory: string; readonly isExpressionTheirs?: boolean },
): DiagnosticPlace | undefined {
  const isTheirs = (place: DiagnosticPlace): boolean =>
    place.file.startsWith("/")
      ? !place.file.startsWith(`${options.ownDirectory}/`)
      : options.isExpressionTheirs === true && place.file === "«string»";
  if (data.place !== undefined && isTheirs(data.place)) return data.place;
  // What the module system throws names the definitions itself; a frame would only say where evaluation passed by.
  if (data.code === "EVAL_THROWN") return undefined;
  return data.trace.map((frame) => frame.place).find((place) => place !== undefined && isTheirs(place));
}

function hintOf(data: EvalDiagnosticData, place: DiagnosticPlace | undefined, isLocking: boolean): string | undefined {
  if (data.code === "EVAL_ATTR_MISSING") {
    const name = /^attribute '([^']+)' missing/.exec(data.message)?.[1];
    if (name !== undefined && namesPackage(place, name) && isLocking)
      return `the Debian suite has no package '${name}': 'apt-cache search' finds names`;
    if (name !== undefined && namesPackage(place, name))
      return `pristine.lock has no Debian package '${name}': run 'pristine lock' if it is newly named, else check its name`;
  }
  if (data.code === "EVAL_INFINITE_RECURSION")
    return "a value needs itself: the frames of 'pristine eval --show-trace' show the way round";
  return undefined;
}

function namesPackage(place: DiagnosticPlace | undefined, name: string): boolean {
  return place !== undefined && (place.excerpt.includes(`pkgs.${name}`) || /\bwith pkgs\b/.test(place.excerpt));
}

function firstMatch(data: EvalDiagnosticData, pattern: RegExp): string | undefined {
  return matches(data, pattern)[0];
}

function lastMatch(data: EvalDiagnosticData, pattern: RegExp): string | undefined {
  return data.trace.map(({ text }) => pattern.exec(text)?.[1]).findLast((found) => found !== undefined);
}

/** What the frames name, each once, innermost first. */
function matches(data: EvalDiagnosticData, pattern: RegExp): string[] {
  const found = data.trace.map(({ text }) => pattern.exec(text)?.[1]);
  return [...new Set(found.filter((name) => name !== undefined))];
}
