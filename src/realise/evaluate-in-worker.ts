/**
 * Evaluates Nix code in a thread of its own, with a deep stack.
 *
 * That thread blocks while this one does what evaluation waits for: building, fetching.
 */

import { InvariantError, OperationError } from "../base/errors.ts";
import type { FetchClosureRequest, FetchedClosure } from "../format/input/request.ts";
import { DEFAULT_STORE_DIR } from "../format/store-path.ts";
import { programModule } from "../system/program-files.ts";
import { Gate, runWorker, type WorkerHandle } from "../system/worker.ts";
import type { AnswerMessage, Question, WorkerMessage, WorkerStart } from "./evaluate-messages.ts";
import { EvalDiagnostic, type EvaluationRequest, type EvaluationResult } from "./evaluation-request.ts";
import type { EvaluationServices } from "./evaluation-services.ts";
import { threadSize } from "./thread-size.ts";
import type { FetchService } from "./fetch-for-evaluation.ts";

const WORKER = programModule("src/realise/evaluate-worker.ts");

/**
 * Evaluates; rejects with `EvalDiagnostic` for an error of the expression. Of the lines that traces and warnings print,
 * the first `linesShown` are those that an evaluation of the same request has shown already.
 */
export async function evaluateInWorker(
  request: EvaluationRequest,
  signal: AbortSignal,
  services: EvaluationServices,
  linesShown = 0,
): Promise<EvaluationResult> {
  const outcome: { result?: EvaluationResult; diagnostic?: EvalDiagnostic } = {};
  const start: WorkerStart = { request, canRealise: services.realise !== undefined };
  const answer = answering(services, request);
  let linesToSkip = linesShown;
  const isShownAlready = (): boolean => linesToSkip > 0 && linesToSkip-- > 0;
  const onMessage = (received: unknown, worker: WorkerHandle): void => {
    const message = received as WorkerMessage;
    switch (message.kind) {
      case "trace":
        if (!isShownAlready()) services.onTrace?.(message.line);
        return;
      case "warning":
        if (!isShownAlready()) services.onWarning?.(message.text, message.isFromExpression);
        return;
      case "profile":
        return services.onProfile?.(message.profile);
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
    ...threadSize(),
    onMessage,
    signal,
  });
  if (outcome.diagnostic !== undefined) throw outcome.diagnostic;
  if (outcome.result === undefined) throw new InvariantError("an evaluation ended without a result");
  return outcome.result;
}

type Fetching = Pick<EvaluationRequest, "storeDir" | "env" | "baseDir" | "fetchSettings">;

/** The fetchers are loaded when something is fetched. */
function defaultFetch(request: Fetching): FetchService {
  let loaded: Promise<FetchService> | undefined;
  const load = async (): Promise<FetchService> => {
    const { fetchForEvaluation } = await import("./fetch-for-evaluation.ts");
    const { storeDir = DEFAULT_STORE_DIR, env = process.env, baseDir, fetchSettings: settings } = request;
    return fetchForEvaluation({ storeDir, env, baseDir, ...(settings === undefined ? {} : { settings }) });
  };
  return async (question, signal) => await (await (loaded ??= load()))(question, signal);
}

async function fetchClosure(
  { fetchClosure: fetch }: EvaluationServices,
  { fetchSettings }: Fetching,
  request: FetchClosureRequest,
  signal: AbortSignal,
): Promise<FetchedClosure> {
  if (fetch === undefined) throw new OperationError("FETCH_UNSUPPORTED", "no store is at hand that can be written to");
  const { DEFAULT_FETCH_SETTINGS } = await import("../fetch/fetch-settings.ts");
  return await fetch(request, { ...DEFAULT_FETCH_SETTINGS, ...fetchSettings }, signal);
}

/** What does what an evaluation asks for while it waits; it never rejects. */
export function answering(
  services: EvaluationServices,
  request: Fetching,
): (question: Question, signal: AbortSignal) => Promise<AnswerMessage> {
  const fetch = services.fetch ?? defaultFetch(request);
  return async (question, signal) => {
    try {
      if (question.kind === "realise") {
        await services.realise!(question, signal);
        return { answer: undefined };
      }
      if (question.kind === "fetch-closure") {
        return { answer: await fetchClosure(services, request, question.request, signal) };
      }
      if (question.kind === "write-lock") {
        const { writeLockFile } = await import("./flake/write-lock-file.ts");
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
