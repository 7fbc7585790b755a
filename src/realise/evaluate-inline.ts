/**
 * Evaluates Nix code in this thread, which answers nobody meanwhile and can wait for nothing: what is short is then not
 * dominated by the start of another thread.
 */

import { withDefaultSignals } from "../system/main-thread.ts";
import type { EvaluationRequest, EvaluationResult } from "./evaluation-request.ts";
import type { EvaluationServices } from "./evaluation-services.ts";
import { runEvaluation } from "./run-evaluation.ts";

export type InlineOutcome =
  | { readonly kind: "evaluated"; readonly result: EvaluationResult }
  /**
   * Something has to be waited for: the evaluation starts over where that is possible. It has the same beginning there,
   * of which this many lines of traces and warnings have been shown.
   */
  | { readonly kind: "abandoned"; readonly linesShown: number };

/** Ends an evaluation from within; no error of the expression, so nothing of the language catches it. */
class Abandoned extends Error {
  override readonly name = "Abandoned";
}

/** Evaluates; throws `EvalDiagnostic` for an error of the expression. */
export function evaluateInline(request: EvaluationRequest, services: EvaluationServices): InlineOutcome {
  let isAbandoned = false;
  let linesShown = 0;
  const abandon = (): never => {
    isAbandoned = true;
    throw new Abandoned("this evaluation starts over in a thread that can wait");
  };
  // Between the abandonment and its end nothing is shown: the second run decides what comes then.
  const isShown = (): boolean => !isAbandoned && ++linesShown > 0;
  try {
    const result = withDefaultSignals(() =>
      runEvaluation(request, {
        canRealise: services.realise !== undefined,
        ask: abandon,
        mayThread: request.profile === undefined,
        onTrace: (line) => isShown() && services.onTrace?.(line),
        onWarning: (text, isFromExpression) => isShown() && services.onWarning?.(text, isFromExpression),
      }),
    );
    if (!isAbandoned) return { kind: "evaluated", result };
  } catch (error) {
    if (!isAbandoned) throw error;
  }
  return { kind: "abandoned", linesShown };
}
