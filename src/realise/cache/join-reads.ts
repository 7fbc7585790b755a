/** What several evaluations have read, as if one had. */

import type { EvaluationRead, EvaluationReads, NodeRead } from "./world-reads.ts";

/** All reads, each once. What is the same object in several parts was read for something that they share. */
export function joinReads(parts: readonly EvaluationReads["reads"][]): EvaluationReads["reads"] {
  const seen = new Set<EvaluationRead>();
  const nodes = new Map<string, NodeRead>();
  const others = new Map<string, EvaluationRead>();
  for (const part of parts) {
    for (const read of part) {
      if (seen.has(read)) continue;
      seen.add(read);
      const known = read.kind === "node" ? nodes.get(read.path) : undefined;
      if (read.kind !== "node" || (known !== undefined && !agrees(known, read))) others.set(JSON.stringify(read), read);
      else if (known === undefined) nodes.set(read.path, { ...read, answers: { ...read.answers } });
      else Object.assign(known.answers, read.answers);
    }
  }
  return [...nodes.values(), ...others.values()];
}

/** Whether two records of a path can be one: both were made of the same state of it, as far as they show. */
function agrees(left: NodeRead, right: NodeRead): boolean {
  if (left.stamp !== right.stamp || left.target !== right.target) return false;
  const answers: Readonly<Record<string, unknown>> = { ...left.answers };
  return Object.entries(right.answers).every(([key, answer]) => !(key in answers) || answers[key] === answer);
}
