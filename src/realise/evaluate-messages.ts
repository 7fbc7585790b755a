/** What the thread of an evaluation and its starter say to each other. */

import type { InputAttrs } from "../format/input/attributes.ts";
import type {
  FetchClosureRequest,
  FetchedClosure,
  FetchedObject,
  FetchedTree,
  FetchFileRequest,
} from "../format/input/request.ts";
import type { LockFileWrite } from "../language/flake/settle-locks.ts";
import type { Profile } from "./profile.ts";
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

/** Everything an evaluation waits for. */
export type Question =
  | ({ readonly kind: "realise" } & RealiseRequest)
  /** `path` says where the object of the store is that the input names, an ordinary path. */
  | { readonly kind: "fetch-tree"; readonly input: InputAttrs; readonly path?: string }
  | { readonly kind: "fetch-file"; readonly request: FetchFileRequest }
  | { readonly kind: "fetch-closure"; readonly request: FetchClosureRequest }
  | { readonly kind: "write-lock"; readonly write: LockFileWrite };

/** What the answer to a kind of question is. */
export interface Answers {
  readonly realise: undefined;
  readonly "fetch-tree": FetchedObject & FetchedTree;
  readonly "fetch-file": FetchedObject;
  readonly "fetch-closure": FetchedClosure;
  readonly "write-lock": undefined;
}

export type Answer<Q extends Question = Question> = Answers[Q["kind"]];

/** The answer as it crosses to the evaluation's thread, or why there is none. */
export type AnswerMessage = { readonly answer: Answer } | { readonly failure: string };

/** Asks and waits; a refusal is a `HostError`. The one way in which an evaluation waits for anything. */
export type Ask = <Q extends Question>(question: Q) => Answer<Q>;

export type WorkerMessage =
  | { readonly kind: "trace"; readonly line: string }
  | { readonly kind: "warning"; readonly text: string; readonly isFromExpression: boolean }
  | { readonly kind: "profile"; readonly profile: Profile }
  | { readonly kind: "question"; readonly question: Question; readonly gate: SharedArrayBuffer }
  | { readonly kind: "result"; readonly result: EvaluationResult }
  | { readonly kind: "diagnostic"; readonly data: EvalDiagnosticData };
