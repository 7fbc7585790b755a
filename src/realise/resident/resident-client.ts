/** Has evaluations done by the resident process, when there is one; starts one when it would have paid. */

import { join } from "node:path";
import { startDetached } from "../../system/detached.ts";
import { programModule } from "../../system/program-files.ts";
import { converse } from "../../system/sockets.ts";
import type { EvaluationServices } from "../evaluate.ts";
import { EvalDiagnostic, type EvaluationRequest, type EvaluationResult } from "../evaluation-request.ts";
import type { Keeping } from "../cache/evaluation-cache.ts";
import { canShare } from "../sharing/can-share.ts";
import {
  encodeFrame,
  FrameReader,
  type ResidentAnswer,
  residentDirectory,
  type ResidentQuery,
  residentSocketName,
} from "./resident-socket.ts";

/** An evaluation that took this long would have been worth a resident process. */
const WORTH_STARTING_MS = 300;
/** The resident process says something each second; one that is silent for so long is stopped or stuck. */
const SILENCE_MS_MAX = 10_000;

type Environment = Readonly<Record<string, string | undefined>>;

/** Whether the resident process may be used: not with `PRISTINE_RESIDENT=off`, and in tests only where they ask for it. */
function mayUse(env: Environment): boolean {
  const wish = env["PRISTINE_RESIDENT"];
  return wish === "on" || (wish !== "off" && env["NODE_TEST_CONTEXT"] === undefined);
}

/** The request with everything that the resident process would otherwise take from itself. */
function wholeRequest(request: EvaluationRequest): EvaluationRequest {
  if (request.env !== undefined) return request;
  const env = Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return { ...request, env: Object.fromEntries(env) };
}

/**
 * The result; `declined` when the resident process is there and has none, `undefined` when it is not there. With
 * `keeping`, the resident process keeps it, and it comes without what was read.
 */
export async function residentEvaluation(
  request: EvaluationRequest,
  services: EvaluationServices,
  signal: AbortSignal,
  keeping?: Keeping,
): Promise<EvaluationResult | "declined" | undefined> {
  if (!mayUse(process.env) || !canShare(request)) return undefined;
  const kept = keeping === undefined ? {} : { keeping };
  const answer = await ask({ kind: "evaluate", request: wholeRequest(request), ...kept }, signal, services);
  if (answer?.kind === "diagnostic") throw new EvalDiagnostic(answer.data);
  if (answer === undefined) return undefined;
  return answer.kind === "result" ? answer.result : "declined";
}

/** What the resident process says of itself; `undefined` when there is none. */
export async function residentStatus(
  signal: AbortSignal,
): Promise<Extract<ResidentAnswer, { readonly kind: "status" }> | undefined> {
  const answer = await ask({ kind: "status" }, signal, {});
  return answer?.kind === "status" ? answer : undefined;
}

/** Starts the resident process after an evaluation that took so long that the next one should be quicker. */
export function startResidentAfter(request: EvaluationRequest, tookMs: number): void {
  if (tookMs < WORTH_STARTING_MS || !mayUse(process.env) || !canShare(request)) return;
  if (residentDirectory({ make: true }) === undefined) return;
  const first = encodeFrame({ kind: "evaluate", request: wholeRequest(request) });
  startDetached([process.execPath, programModule("src/realise/resident/resident-main.ts")], first);
}

/** Asks and waits; every way in which there is no answer is the same to the caller. */
async function ask(
  query: ResidentQuery,
  signal: AbortSignal,
  services: Pick<EvaluationServices, "onTrace" | "onWarning">,
): Promise<ResidentAnswer | undefined> {
  const directory = residentDirectory({ make: false });
  if (directory === undefined) return undefined;
  const reader = new FrameReader();
  const said: ResidentAnswer[] = [];
  let last: ResidentAnswer | undefined;
  await converse(join(directory.path, residentSocketName()), encodeFrame(query), {
    signal,
    silenceMsMax: SILENCE_MS_MAX,
    onData: (chunk) => {
      for (const message of reader.take(chunk) as ResidentAnswer[]) {
        if (message.kind === "trace" || message.kind === "warning") said.push(message);
        else if (message.kind !== "working") last = message;
      }
      return last !== undefined;
    },
  });
  // Only now: an evaluation that is done again here says everything again.
  if (last?.kind === "result" || last?.kind === "diagnostic") {
    for (const one of said) {
      if (one.kind === "trace") services.onTrace?.(one.line);
      else if (one.kind === "warning") services.onWarning?.(one.text, one.isFromExpression);
    }
  }
  return last;
}
