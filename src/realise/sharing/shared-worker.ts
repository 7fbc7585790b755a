/** The thread in which evaluations share package sets: requests come one at a time, each gets one answer. */

import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { onStarterMessage, sendToStarter } from "../../system/worker.ts";
import { askStarter } from "../ask-starter.ts";
import { ReadCheck } from "../cache/read-check.ts";
import { EvalDiagnostic, type InstantiatedDerivation, type SourcePath } from "../evaluation-request.ts";
import { SharedEvaluator } from "./shared-evaluator.ts";
import type { SharedAnswer, SharedQuery } from "./shared-messages.ts";

// As in the thread of a single evaluation.
setFlagsFromString("--no-opt");
setFlagsFromString("--semi-space-growth-factor=4");

/** What was asked for cannot be had in this thread. */
class DeclinedError extends Error {}

const evaluator = new SharedEvaluator();
let derivations = new Map<string, InstantiatedDerivation>();
let sources = new Map<string, SourcePath>();
/** The check of the batch that the last request belonged to. */
let batch: { readonly id: number; readonly check: ReadCheck } | undefined;

function send(answer: SharedAnswer): void {
  sendToStarter(answer);
}

function decline(): never {
  throw new DeclinedError();
}

function evaluate({ request, canAsk, canRealise, batchId, keepsMade }: SharedQuery & { kind: "evaluate" }): void {
  if (batchId === undefined || batch?.id !== batchId) {
    batch = { id: batchId ?? -1, check: new ReadCheck(request.env ?? process.env) };
  }
  const bridge = {
    onTrace: (line: string) => send({ kind: "trace", line }),
    onWarning: (text: string, isFromExpression: boolean) => send({ kind: "warning", text, isFromExpression }),
    canRealise,
    ask: canAsk ? askStarter : decline,
  };
  try {
    const result = evaluator.evaluate(request, bridge, batch.check, { isPartial: !keepsMade });
    if (keepsMade) {
      for (const [path, drv] of result.derivations) derivations.set(path, drv);
      for (const [path, source] of result.sources) sources.set(path, source);
    }
    const heapBytes = getHeapStatistics().used_heap_size;
    send({
      kind: "result",
      result: keepsMade ? { ...result, derivations: new Map(), sources: new Map() } : result,
      heapBytes,
    });
  } catch (error) {
    if (error instanceof EvalDiagnostic) send({ kind: "diagnostic", data: error.data });
    else if (error instanceof DeclinedError) send({ kind: "declined" });
    else throw error;
  }
}

onStarterMessage((message) => {
  const query = message as SharedQuery;
  if (query.kind === "evaluate") return evaluate(query);
  send({ kind: "made", derivations, sources });
  derivations = new Map();
  sources = new Map();
});
