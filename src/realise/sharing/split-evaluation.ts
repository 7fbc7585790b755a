/**
 * Evaluating a set member by member: each has its own result with its own reads, so that a change costs the members that
 * saw it. The whole is put together from them as if it had been evaluated at once.
 */

import type { EvaluationRead, EvaluationReads, NodeRead } from "../cache/world-reads.ts";
import type { EvaluationRequest, EvaluationResult } from "../evaluation-request.ts";

/** What is remembered of a part: its result without what was made. */
export interface RememberedPart {
  readonly text: string;
  readonly reads: EvaluationReads["reads"];
}

/** Whether the value is a set that is shown member by member. */
export function canSplit(request: EvaluationRequest): boolean {
  const { output, attrPath, apply, perMember } = request;
  if (request.part !== undefined || apply !== undefined) return false;
  if (output === "json") return perMember === true;
  return output === "drv" && (attrPath === undefined || attrPath === "");
}

/** Everything in a request but the environment, of which only what is read counts. */
export function splitKey(request: EvaluationRequest): string {
  const { env: _, ...asked } = request;
  return JSON.stringify(Object.entries(asked).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The result of the whole; `undefined` when it does not follow from those of its members. */
export function joinParts(
  request: EvaluationRequest,
  parts: ReadonlyMap<string, RememberedPart>,
  names: RememberedPart,
  made: Pick<EvaluationResult, "derivations" | "sources">,
): EvaluationResult | undefined {
  const text = request.output === "json" ? joinJson(parts) : joinDerivations(parts);
  if (text === undefined) return undefined;
  const reads = joinReads([names, ...parts.values()]);
  return { text, ...made, reads, warnings: [], traces: [] };
}

function joinJson(parts: ReadonlyMap<string, RememberedPart>): string {
  return `{${[...parts].map(([name, { text }]) => `${JSON.stringify(name)}:${text}`).join(",")}}`;
}

/** A derivation that several attributes have counts once if it is one value, which its path does not tell. */
function joinDerivations(parts: ReadonlyMap<string, RememberedPart>): string | undefined {
  const lines = [...parts.values()].flatMap(({ text }) => (text === "" ? [] : text.split("\n")));
  return new Set(lines).size === lines.length ? lines.join("\n") : undefined;
}

/** All reads, each once. What is the same object in several parts was read for something that they share. */
function joinReads(parts: readonly RememberedPart[]): EvaluationReads {
  const seen = new Set<EvaluationRead>();
  const nodes = new Map<string, NodeRead>();
  const others = new Map<string, EvaluationRead>();
  for (const part of parts) {
    for (const read of part.reads) {
      if (seen.has(read)) continue;
      seen.add(read);
      const known = read.kind === "node" ? nodes.get(read.path) : undefined;
      if (read.kind !== "node" || (known !== undefined && !agrees(known, read))) others.set(JSON.stringify(read), read);
      else if (known === undefined) nodes.set(read.path, { ...read, answers: { ...read.answers } });
      else Object.assign(known.answers, read.answers);
    }
  }
  return { reads: [...nodes.values(), ...others.values()], volatile: undefined };
}

/** Whether two records of a path can be one: both were made of the same state of it, as far as they show. */
function agrees(left: NodeRead, right: NodeRead): boolean {
  if (left.stamp !== right.stamp || left.target !== right.target) return false;
  const answers: Readonly<Record<string, unknown>> = { ...left.answers };
  return Object.entries(right.answers).every(([key, answer]) => !(key in answers) || answers[key] === answer);
}
