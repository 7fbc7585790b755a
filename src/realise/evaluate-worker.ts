/** The thread an evaluation runs in: a request comes in when it starts, one result or error goes out. */

import { setFlagsFromString } from "node:v8";
import { byteStringOfText } from "../base/byte-string.ts";
import { HostError } from "../language/host.ts";
import { Gate, receiveFromStarter, sendToStarter, workerInput } from "../system/worker.ts";
import { EvalDiagnostic } from "./evaluation-request.ts";
import type { Answer, AnswerMessage, Question, WorkerMessage, WorkerStart } from "./evaluate-messages.ts";
import { runEvaluation } from "./run-evaluation.ts";

// Programs run most of their functions once: optimising them costs more than it gains (reference figures: -20% CPU).
setFlagsFromString("--no-opt");
// Helpers that copy live objects in parallel cost more than they save: nearly everything lives.
setFlagsFromString("--no-parallel-scavenge");

const { request, canRealise } = workerInput() as WorkerStart;

function send(message: WorkerMessage): void {
  sendToStarter(message);
}

/** Puts a question to the thread that can wait, and blocks until the answer is there. */
function askStarter<Q extends Question>(question: Q): Answer<Q> {
  const gate = new Gate();
  send({ kind: "question", question, gate: gate.shared });
  gate.wait();
  const received = receiveFromStarter() as AnswerMessage;
  if ("failure" in received) throw new HostError(byteStringOfText(received.failure));
  return received.answer as Answer<Q>;
}

try {
  const result = runEvaluation(request, {
    onTrace: (line) => send({ kind: "trace", line }),
    onWarning: (text, isFromExpression) => send({ kind: "warning", text, isFromExpression }),
    onProfile: (profile) => send({ kind: "profile", profile }),
    canRealise,
    ask: askStarter,
  });
  send({ kind: "result", result });
} catch (error) {
  if (error instanceof EvalDiagnostic) send({ kind: "diagnostic", data: error.data });
  else throw error;
}
