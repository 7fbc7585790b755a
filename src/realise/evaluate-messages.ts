/** What the thread of an evaluation and its starter say to each other. */

import type {
  EvalDiagnosticData,
  EvaluationRequest,
  EvaluationResult,
  InstantiatedDerivation,
  SourcePath,
} from "./evaluation-request.ts";

export interface WorkerStart {
  readonly request: EvaluationRequest;
  /** Whether the starter can build what evaluation needs. */
  readonly canRealise: boolean;
}

/** What must exist before evaluation can go on, and what the evaluation has made so far. */
export interface RealiseRequest {
  /** Store paths, and outputs as `!OUTPUT!DRV`. */
  readonly context: readonly string[];
  readonly derivations: ReadonlyMap<string, InstantiatedDerivation>;
  readonly sources: ReadonlyMap<string, SourcePath>;
}

export type WorkerMessage =
  | { readonly kind: "trace"; readonly line: string }
  | { readonly kind: "warning"; readonly text: string; readonly isFromExpression: boolean }
  | ({ readonly kind: "realise"; readonly gate: SharedArrayBuffer } & RealiseRequest)
  | { readonly kind: "result"; readonly result: EvaluationResult }
  | { readonly kind: "diagnostic"; readonly data: EvalDiagnosticData };
