/** The thread in which evaluations share package sets: requests come one at a time, each gets one answer. */

import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { onStarterMessage, sendToStarter } from "../../system/worker.ts";
import { askStarter } from "../ask-starter.ts";
import { keep, type Said } from "../cache/evaluation-cache.ts";
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

function evaluate(query: SharedQuery & { kind: "evaluate" }): void {
  const { request, canAsk, canRealise, batchId, keepsMade, keeping } = query;
  if (batchId === undefined || batch?.id !== batchId) {
    batch = { id: batchId ?? -1, check: new ReadCheck(request.env ?? process.env) };
  }
  const said: Said[] = [];
  const say = (one: Said): void => {
    said.push(one);
    send(one);
  };
  const bridge = {
    onTrace: (line: string) => say({ kind: "trace", line }),
    onWarning: (text: string, isFromExpression: boolean) => say({ kind: "warning", text, isFromExpression }),
    canRealise,
    ask: canAsk ? askStarter : decline,
  };
  const startedMs = performance.now();
  try {
    const result = evaluator.evaluate(request, bridge, batch.check, { isPartial: !keepsMade });
    const tookMs = performance.now() - startedMs;
    if (keepsMade) {
      for (const [path, drv] of result.derivations) derivations.set(path, drv);
      for (const [path, source] of result.sources) sources.set(path, source);
    }
    const heapBytes = getHeapStatistics().used_heap_size;
    const { volatile } = result.reads;
    send({
      kind: "result",
      result: {
        ...result,
        ...(keepsMade ? { derivations: new Map(), sources: new Map() } : {}),
        ...(keeping === undefined ? {} : { reads: { reads: [], volatile } }),
      },
      heapBytes,
    });
    // The one who asked has the answer meanwhile.
    if (keeping !== undefined) keep(keeping, result, said, tookMs);
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
