/** Evaluates many requests in one thread, which is a hundred times faster than a thread for each. */

import { join } from "node:path";
import type { EvaluationRequest } from "../../src/realise/evaluate.ts";
import { runWorker } from "../../src/system/worker.ts";

export type Outcome =
  | {
      readonly ok: true;
      readonly text: string;
      readonly warnings: readonly string[];
      readonly traces: readonly string[];
    }
  | { readonly ok: false; readonly text: string; readonly code: string };

const TIMEOUT_MS = 300_000;

export async function evaluateMany(requests: readonly EvaluationRequest[]): Promise<readonly Outcome[]> {
  let outcomes: readonly Outcome[] = [];
  await runWorker(join(import.meta.dirname, "evaluate-many-worker.ts"), {
    input: requests,
    stackMb: 256,
    heapMb: 4096,
    youngHeapMb: 64,
    onMessage: (message) => void (outcomes = message as readonly Outcome[]),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  return outcomes;
}
