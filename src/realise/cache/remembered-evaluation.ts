/** Answers evaluations from the cache where that is sound, and keeps the results of others. */

import { OperationError } from "../../base/errors.ts";
import type { EvaluationRequest, EvaluationResult } from "../evaluation-request.ts";
import type { EvaluationServices } from "../evaluation-services.ts";
import { type CachedEvaluation, EvaluationCache, keep, type Said } from "./evaluation-cache.ts";
import { ReadCheck } from "./read-check.ts";
import { requestKey } from "./request-key.ts";

type Evaluate = (
  request: EvaluationRequest,
  signal: AbortSignal,
  services: EvaluationServices,
) => Promise<EvaluationResult>;

/** How one evaluation is to be remembered. */
export interface Remembering {
  readonly cache: EvaluationCache;
  /** Keep results that came in less time than this, too. */
  readonly worthKeepingMs?: number;
  /** Shared by the evaluations of one command, so that each file is looked at once. */
  readonly check?: ReadCheck;
}

/** The cache of this user, unless `PRISTINE_CACHE=off`. */
export function rememberingOfUser(env: Readonly<Record<string, string | undefined>>): Remembering | undefined {
  return env["PRISTINE_CACHE"] === "off" ? undefined : { cache: EvaluationCache.ofUser(env) };
}

export async function rememberedEvaluation(options: {
  readonly request: EvaluationRequest;
  readonly signal: AbortSignal;
  readonly services: EvaluationServices;
  readonly evaluate: Evaluate;
}): Promise<EvaluationResult> {
  const { request, signal, services, evaluate } = options;
  const remembering = services.remembering === undefined ? rememberingOfUser(process.env) : services.remembering;
  // What a flake's reference leads to is not among what an evaluation reads.
  const isFlake = request.flake !== undefined;
  if (remembering === undefined || remembering === "off" || isFlake) return await evaluate(request, signal, services);
  const { cache } = remembering;
  const key = requestKey(request, { canRealise: services.realise !== undefined });
  const check = remembering.check ?? new ReadCheck(request.env ?? process.env);
  const found = cache.find(key, check);
  if (found !== undefined) {
    for (const said of found.said) repeat(said, services);
    let again: Promise<EvaluationResult> | undefined;
    return resultOf(found, (abort) => (again ??= evaluateAgain(found, evaluate(request, abort, silent(services)))));
  }
  const keeping = cache.keeping(key, remembering.worthKeepingMs);
  const { residentEvaluation, startResidentAfter } = await import("../resident/resident-client.ts");
  const given = await residentEvaluation(request, services, signal, keeping);
  if (typeof given === "object") {
    return { ...given, evaluateAgain: (abort) => evaluateAgain(given, evaluate(request, abort, silent(services))) };
  }
  const said: Said[] = [];
  const started = process.hrtime.bigint();
  const result = await evaluate(request, signal, listening(services, said));
  const tookMs = Number(process.hrtime.bigint() - started) / 1e6;
  if (given === undefined) startResidentAfter(request, tookMs);
  keep(keeping, result, said, tookMs);
  return result;
}

/** What a remembered evaluation made, which must still be what it was. */
async function evaluateAgain(
  found: { readonly text: string },
  evaluating: Promise<EvaluationResult>,
): Promise<EvaluationResult> {
  const result = await evaluating;
  if (result.text === found.text) return result;
  throw new OperationError("SOURCE_CHANGED", "a file changed after it was evaluated", {
    hint: "run the same command again",
    retryable: true,
  });
}

function repeat(said: Said, services: EvaluationServices): void {
  if (said.kind === "trace") services.onTrace?.(said.line);
  else services.onWarning?.(said.text, said.isFromExpression);
}

function listening(services: EvaluationServices, said: Said[]): EvaluationServices {
  return {
    ...services,
    onTrace: (line) => {
      said.push({ kind: "trace", line });
      services.onTrace?.(line);
    },
    onWarning: (text, isFromExpression) => {
      said.push({ kind: "warning", text, isFromExpression });
      services.onWarning?.(text, isFromExpression);
    },
  };
}

/** Evaluating again says nothing that was not said already. */
function silent({ realise, fetch, mayBlock = false }: EvaluationServices): EvaluationServices {
  return { mayBlock, ...(realise === undefined ? {} : { realise }), ...(fetch === undefined ? {} : { fetch }) };
}

function resultOf(
  found: CachedEvaluation,
  evaluateAgain: (signal: AbortSignal) => Promise<EvaluationResult>,
): EvaluationResult {
  return {
    text: found.text,
    derivations: new Map(),
    sources: new Map(),
    reads: { reads: found.reads, volatile: undefined },
    warnings: found.said.flatMap((one) => (one.kind === "warning" ? [one.text] : [])),
    traces: found.said.flatMap((one) => (one.kind === "trace" ? [one.line] : [])),
    evaluateAgain,
  };
}
