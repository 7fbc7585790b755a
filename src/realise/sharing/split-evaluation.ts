/**
 * Evaluating a set member by member: each has its own result with its own reads, so that a change costs the members that
 * saw it. The whole is put together from them as if it had been evaluated at once.
 */

import { joinReads } from "../cache/join-reads.ts";
import type { EvaluationReads } from "../cache/world-reads.ts";
import type { EvaluationRequest, EvaluationResult } from "../evaluation-request.ts";
import { joinMembers } from "../members/member-set.ts";

/** What is remembered of a part: its result without what was made. */
export interface RememberedPart {
  readonly text: string;
  readonly reads: EvaluationReads["reads"];
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
  const text = joinMembers(request.output, new Map([...parts].map(([name, part]) => [name, part.text])));
  if (request.output === "drv" && hasRepeatedLine(text)) return undefined;
  const reads = joinReads([names.reads, ...[...parts.values()].map((part) => part.reads)]);
  return { text, ...made, reads: { reads, volatile: undefined }, warnings: [], traces: [] };
}

/** A derivation that several attributes have counts once if it is one value, which its path does not tell. */
function hasRepeatedLine(text: string): boolean {
  const lines = text.split("\n");
  return new Set(lines).size !== lines.length;
}
