/** A thread with a deep stack that evaluates many requests, one after the other, for tests that compare their results. */

import type { EvaluationRequest } from "../../src/realise/evaluation-request.ts";
import { EvalDiagnostic } from "../../src/realise/evaluation-request.ts";
import { runEvaluation } from "../../src/realise/run-evaluation.ts";
import { sendToStarter, workerInput } from "../../src/system/worker.ts";
import type { Outcome } from "./evaluate-many.ts";

function outcomeOf(request: EvaluationRequest): Outcome {
  try {
    const { text, warnings, traces } = runEvaluation(request);
    return { ok: true, text, warnings, traces };
  } catch (error) {
    if (error instanceof EvalDiagnostic) return { ok: false, text: error.rendered, code: error.code };
    return { ok: false, text: String((error as Error).stack ?? error), code: "BUG" };
  }
}

sendToStarter((workerInput() as readonly EvaluationRequest[]).map(outcomeOf));
