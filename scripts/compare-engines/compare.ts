/** What two engines' answers about the same attributes have in common, and what not. */

import type { Outcome } from "./engine.ts";
import type { AttrPath } from "./probe.ts";

/** Each side's answers by the attribute's key. */
export interface SideOutcomes {
  readonly left: Map<string, Outcome>;
  readonly right: Map<string, Outcome>;
}

export interface Difference {
  readonly path: AttrPath;
  readonly kind:
    | "drvPath differs"
    | "value differs"
    | "names differ"
    | "fails left only"
    | "fails right only"
    | "messages differ"
    | "only one failure can be caught"
    | "no answer left"
    | "no answer right";
  readonly left: string;
  readonly right: string;
}

export interface Comparison {
  readonly differences: readonly Difference[];
  /** How many attributes came out the same, by what they are. */
  readonly counts: Readonly<Record<string, number>>;
  /** How many attributes neither engine answered for within its bounds. */
  readonly unanswered: number;
}

/** The name of an attribute in a table. */
export function outcomeKey(path: AttrPath): string {
  return JSON.stringify(path);
}

export function compareOutcomes(sides: SideOutcomes): Comparison {
  const differences: Difference[] = [];
  const counts: Record<string, number> = { derivations: 0, "other values": 0, failures: 0 };
  let unanswered = 0;
  for (const [key, left] of sides.left) {
    const right = sides.right.get(key)!;
    const kind = differenceOf(left, right);
    if (left.kind === "unanswered" && right.kind === "unanswered") unanswered++;
    else if (kind === undefined) counts[groupOf(left)]!++;
    else differences.push({ path: JSON.parse(key) as AttrPath, kind, left: show(left), right: show(right) });
  }
  return { differences, counts, unanswered };
}

/** Pairs of messages that differ in the same way: what is quoted, paths and numbers left out. */
export function messageGroups(differences: readonly Difference[]): Map<string, number> {
  const groups = new Map<string, number>();
  for (const { kind, left, right } of differences) {
    if (kind !== "messages differ") continue;
    const group = `${pattern(left)}  |  ${pattern(right)}`;
    groups.set(group, (groups.get(group) ?? 0) + 1);
  }
  return new Map([...groups].sort(([, a], [, b]) => b - a));
}

const PATTERN_CHARS_MAX = 160;

function pattern(message: string): string {
  return message
    .replace(/\/[\w.+-]+(\/[\w.+-]+)+/g, "PATH")
    .replace(/'[^']*'|"[^"]*"|«[^»]*»/g, "'…'")
    .replace(/\d+/g, "N")
    .slice(0, PATTERN_CHARS_MAX);
}

function fails(outcome: Outcome): boolean {
  return outcome.kind === "caught" || outcome.kind === "error";
}

function groupOf(outcome: Outcome): string {
  if (outcome.kind === "derivation") return "derivations";
  return fails(outcome) ? "failures" : "other values";
}

function differenceOf(left: Outcome, right: Outcome): Difference["kind"] | undefined {
  if (left.kind === "unanswered") return right.kind === "unanswered" ? undefined : "no answer left";
  if (right.kind === "unanswered") return "no answer right";
  if (fails(left) !== fails(right)) return fails(left) ? "fails left only" : "fails right only";
  if (left.kind === "error" && right.kind === "error") {
    return left.message === right.message ? undefined : "messages differ";
  }
  if (fails(left)) return left.kind === right.kind ? undefined : "only one failure can be caught";
  if (left.kind === "derivation" && right.kind === "derivation") {
    return left.drvPath === right.drvPath ? undefined : "drvPath differs";
  }
  if (JSON.stringify(left) === JSON.stringify(right)) return undefined;
  return left.kind === "inside" && right.kind === "inside" ? "names differ" : "value differs";
}

function show(outcome: Outcome): string {
  switch (outcome.kind) {
    case "derivation":
      return outcome.drvPath;
    case "inside":
      return `a set of ${outcome.names.length} attributes`;
    case "value":
      return `a value of type '${outcome.type}'`;
    case "caught":
      return "fails (tryEval catches it)";
    case "error":
      return `fails: ${outcome.message}`;
    case "unanswered":
      return outcome.reason;
  }
}
