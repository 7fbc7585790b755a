/** What the thread of shared evaluations and its starter say to each other. */

import type { Keeping } from "../cache/evaluation-cache.ts";
import type { Question } from "../evaluate-messages.ts";
import type {
  EvalDiagnosticData,
  EvaluationRequest,
  EvaluationResult,
  InstantiatedDerivation,
  SourcePath,
} from "../evaluation-request.ts";

export type SharedQuery =
  | {
      readonly kind: "evaluate";
      readonly request: EvaluationRequest;
      /** Whether questions are answered; otherwise an evaluation that has one is declined. */
      readonly canAsk: boolean;
      readonly canRealise: boolean;
      /** Requests with the same number look at each file once. */
      readonly batchId?: number;
      /** Whether `made` will be asked for. */
      readonly keepsMade: boolean;
      readonly keeping?: Keeping;
    }
  | { readonly kind: "made" };

export type SharedAnswer =
  | { readonly kind: "trace"; readonly line: string }
  | { readonly kind: "warning"; readonly text: string; readonly isFromExpression: boolean }
  | { readonly kind: "question"; readonly question: Question; readonly gate: SharedArrayBuffer }
  /** Without what was made before, or will be asked for: that is large, and often nobody wants it. */
  | { readonly kind: "result"; readonly result: EvaluationResult; readonly heapBytes: number }
  | { readonly kind: "diagnostic"; readonly data: EvalDiagnosticData }
  | { readonly kind: "declined" }
  | {
      readonly kind: "made";
      readonly derivations: ReadonlyMap<string, InstantiatedDerivation>;
      readonly sources: ReadonlyMap<string, SourcePath>;
    };
