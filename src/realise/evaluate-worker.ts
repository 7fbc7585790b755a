/** The thread an evaluation runs in: a request comes in when it starts, one result or error goes out. */

import { setFlagsFromString } from "node:v8";
import { sendToStarter, workerInput } from "../system/worker.ts";
import { askStarter } from "./ask-starter.ts";
import { EvalDiagnostic } from "./evaluation-request.ts";
import type { WorkerMessage, WorkerStart } from "./evaluate-messages.ts";
import { runEvaluation } from "./run-evaluation.ts";

// Programs run most of their functions once: optimising them costs more than it gains (reference figures: -20% CPU).
setFlagsFromString("--no-opt");
// As in bin/start.sh.
setFlagsFromString("--semi-space-growth-factor=4");

const { request, canRealise } = workerInput() as WorkerStart;

function send(message: WorkerMessage): void {
  sendToStarter(message);
}

try {
  const result = runEvaluation(request, {
    onTrace: (line) => send({ kind: "trace", line }),
    onWarning: (text, isFromExpression) => send({ kind: "warning", text, isFromExpression }),
    onProfile: (profile) => send({ kind: "profile", profile }),
    canRealise,
    ask: askStarter,
    mayThread: request.profile === undefined,
  });
  send({ kind: "result", result });
} catch (error) {
  if (error instanceof EvalDiagnostic) send({ kind: "diagnostic", data: error.data });
  else throw error;
}
