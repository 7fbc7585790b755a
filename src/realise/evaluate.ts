/**
 * Evaluates Nix code in a thread with a deep stack.
 *
 * The thread blocks while this one builds what evaluation needs (import from derivation).
 */

import { InvariantError } from "../base/errors.ts";
import type { FetcherOptions } from "../fetch/fetcher.ts";
import { DEFAULT_STORE_DIR } from "../format/store-path.ts";
import { programModule } from "../system/program-files.ts";
import { Gate, runWorker, type WorkerHandle } from "../system/worker.ts";
import { type Remembering, rememberedEvaluation } from "./cache/remembered-evaluation.ts";
import type { AnswerMessage, Question, RealiseRequest, WorkerMessage, WorkerStart } from "./evaluate-messages.ts";
import { writeLockFile } from "./flake/write-lock-file.ts";
import { EvalDiagnostic, type EvaluationRequest, type EvaluationResult } from "./evaluation-request.ts";

import { type FetchService, fetchForEvaluation } from "./fetch-for-evaluation.ts";

export type {
  EvaluationArgument,
  EvaluationOutput,
  EvaluationRequest,
  EvaluationResult,
} from "./evaluation-request.ts";
export { instantiate } from "./instantiate.ts";

export interface EvaluationServices {
  /** Makes what evaluation needs exist. Without it, import from derivation is an error of the expression. */
  readonly realise?: (request: RealiseRequest, signal: AbortSignal) => Promise<void>;
  /** Fetches what evaluation asks for; without it, a fetcher with this user's cache and the default settings does. */
  readonly fetch?: FetchService;
  /** Told of each line of `builtins.trace` as it comes. */
  readonly onTrace?: (line: string) => void;
  readonly onWarning?: (text: string, isFromExpression: boolean) => void;
  /** How results are kept; this user's cache when absent. */
  readonly remembering?: Remembering | "off";
}

/** Deep enough that the limit on nested calls is always reached first. */
const STACK_MB = 256;
const HEAP_MB = 8192;
/** As quick as with V8's default, with a fifth less memory at the peak. */
const YOUNG_HEAP_MB = 64;

const WORKER = programModule("src/realise/evaluate-worker.ts");

/** The size of a thread that evaluates. */
export function evaluationThread(): {
  readonly stackMb: number;
  readonly heapMb: number;
  readonly youngHeapMb: number;
} {
  return { stackMb: STACK_MB, heapMb: HEAP_MB, youngHeapMb: YOUNG_HEAP_MB };
}

/** Evaluates, or remembers; rejects with `EvalDiagnostic` for an error of the expression. */
export async function evaluate(
  request: EvaluationRequest,
  signal: AbortSignal,
  services: EvaluationServices = {},
): Promise<EvaluationResult> {
  return await rememberedEvaluation({ request, signal, services, evaluate: evaluateAnew });
}

/** Evaluates whatever is remembered. */
export async function evaluateAnew(
  request: EvaluationRequest,
  signal: AbortSignal,
  services: EvaluationServices = {},
): Promise<EvaluationResult> {
  const outcome: { result?: EvaluationResult; diagnostic?: EvalDiagnostic } = {};
  const start: WorkerStart = { request, canRealise: services.realise !== undefined };
  const answer = answering(services, request);
  const onMessage = (received: unknown, worker: WorkerHandle): void => {
    const message = received as WorkerMessage;
    switch (message.kind) {
      case "trace":
        return services.onTrace?.(message.line);
      case "warning":
        return services.onWarning?.(message.text, message.isFromExpression);
      case "question":
        void answer(message.question, signal).then((reply) => {
          worker.send(reply);
          new Gate(message.gate).open();
        });
        return;
      case "result":
        outcome.result = message.result;
        return;
      case "diagnostic":
        outcome.diagnostic = new EvalDiagnostic(message.data);
        return;
    }
  };
  await runWorker(WORKER, {
    input: start,
    ...evaluationThread(),
    onMessage,
    signal,
  });
  if (outcome.diagnostic !== undefined) throw outcome.diagnostic;
  if (outcome.result === undefined) throw new InvariantError("an evaluation ended without a result");
  return outcome.result;
}

function fetcherOptionsOf(request: Pick<EvaluationRequest, "storeDir" | "env" | "fetchSettings">): FetcherOptions {
  const { storeDir = DEFAULT_STORE_DIR, env = process.env, fetchSettings } = request;
  return { storeDir, env, ...(fetchSettings === undefined ? {} : { settings: fetchSettings }) };
}

/** What does what an evaluation asks for while it waits; it never rejects. */
export function answering(
  services: EvaluationServices,
  request: Pick<EvaluationRequest, "storeDir" | "env" | "fetchSettings">,
): (question: Question, signal: AbortSignal) => Promise<AnswerMessage> {
  const fetch = services.fetch ?? fetchForEvaluation(fetcherOptionsOf(request));
  return async (question, signal) => {
    try {
      if (question.kind === "realise") {
        await services.realise!(question, signal);
        return { answer: undefined };
      }
      if (question.kind === "write-lock") {
        await writeLockFile(question.write, signal);
        return { answer: undefined };
      }
      return { answer: await fetch(question, signal) };
    } catch (error) {
      const failure = error instanceof Error ? error.message : String(error);
      return { failure: failure === "" ? "what evaluation asked for failed" : failure };
    }
  };
}
