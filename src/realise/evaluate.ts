/**
 * Evaluates Nix code, or remembers what it came to: in this thread when that is possible and quicker, else in one of its
 * own.
 */

import { hasDeepStack } from "../system/main-thread.ts";
import { rememberedEvaluation } from "./cache/remembered-evaluation.ts";
import type { EvaluationRequest, EvaluationResult } from "./evaluation-request.ts";
import type { EvaluationServices } from "./evaluation-services.ts";

export type {
  EvaluationArgument,
  EvaluationOutput,
  EvaluationRequest,
  EvaluationResult,
} from "./evaluation-request.ts";
export type { EvaluationServices } from "./evaluation-services.ts";

/** Evaluates, or remembers; rejects with `EvalDiagnostic` for an error of the expression. */
export async function evaluate(
  request: EvaluationRequest,
  signal: AbortSignal,
  services: EvaluationServices = {},
): Promise<EvaluationResult> {
  // What is remembered takes no time.
  if (request.profile !== undefined) return await evaluateAnew(request, signal, services);
  const { flake } = request;
  if (flake === undefined || services.remembering !== undefined || process.env["PRISTINE_CACHE"] === "off") {
    return await rememberedEvaluation({ request, signal, services, evaluate: evaluateAnew });
  }
  const remembering = { ...request, flake: { ...flake, remembers: true } };
  const result = await rememberedEvaluation({ request: remembering, signal, services, evaluate: evaluateAnew });
  if (result.isRecalled !== true || result.evaluateAgain !== undefined) return result;
  const { realise } = services;
  const silent = realise === undefined ? {} : { realise };
  return { ...result, evaluateAgain: async (abort) => await evaluateAnew(request, abort, silent) };
}

/** Evaluates whatever is remembered. */
export async function evaluateAnew(
  request: EvaluationRequest,
  signal: AbortSignal,
  services: EvaluationServices = {},
): Promise<EvaluationResult> {
  signal.throwIfAborted();
  let linesShown = 0;
  if (services.mayBlock === true && request.profile === undefined && hasDeepStack()) {
    const { evaluateInline } = await import("./evaluate-inline.ts");
    const outcome = evaluateInline(request, services);
    if (outcome.kind === "evaluated") return outcome.result;
    linesShown = outcome.linesShown;
  }
  const { evaluateInWorker } = await import("./evaluate-in-worker.ts");
  return await evaluateInWorker(request, signal, services, linesShown);
}
