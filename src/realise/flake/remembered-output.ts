/**
 * What a locked flake evaluated to, remembered by its fingerprint.
 *
 * The fingerprint names the flake's tree and all of its inputs, and a pure evaluation reads nothing else: such a result
 * needs no check of what was read. Only results that came with nothing to say are kept.
 */

import { renderFlakeReference } from "../../format/input/flake-reference.ts";
import { EvaluationCache } from "../cache/evaluation-cache.ts";
import { ReadCheck } from "../cache/read-check.ts";
import { requestKey } from "../cache/request-key.ts";
import type { EvaluationRequest } from "../evaluation-request.ts";
import { flakeFingerprint } from "./flake-metadata.ts";
import type { FlakeRequest } from "./flake-request.ts";
import type { OpenFlake } from "./open-flake.ts";

/** Evaluations that take less are done again as quickly as they would be looked up. */
const WORTH_KEEPING_MS = 10;

export interface RememberedOutput {
  /** The result as a byte string, or what `evaluate` answers, which is then kept. */
  readonly answer: (evaluate: () => string, isSilent: () => boolean) => string;
}

/** How a request is remembered; `undefined` when its result depends on more than the fingerprint. */
export function rememberedOutput(
  request: EvaluationRequest,
  asked: FlakeRequest,
  flake: OpenFlake,
  options: { readonly canRealise: boolean; readonly onFound: () => void },
): RememberedOutput | undefined {
  const { kind } = asked.task;
  const isKept = asked.remembers === true && request.pure === true && request.output !== "tree";
  const fingerprint = isKept && kind !== "lock" && kind !== "metadata" ? flakeFingerprint(flake.locked) : undefined;
  if (fingerprint === undefined) return undefined;
  const locked = renderFlakeReference(flake.locked.flake.locked);
  const named = { reference: `${fingerprint} ${locked}#${flake.fragment}`, task: asked.task, lock: {} };
  const key = requestKey({ ...request, flake: named }, options);
  return {
    answer: (evaluate, isSilent) => {
      const cache = EvaluationCache.ofUser(process.env);
      const found = cache.find(key, new ReadCheck({}));
      if (found !== undefined) {
        options.onFound();
        return found.text;
      }
      const startedMs = performance.now();
      const text = evaluate();
      const isWorth = performance.now() - startedMs >= WORTH_KEEPING_MS;
      if (isWorth && isSilent()) cache.store(key, { text, said: [], reads: [] });
      return text;
    },
  };
}
