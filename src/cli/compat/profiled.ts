/** Evaluating as the settings of Nix's profiler say. */

import {
  type EvaluationRequest,
  type EvaluationResult,
  type EvaluationServices,
  evaluate,
} from "../../realise/evaluate.ts";
import type { NixSettings } from "./nix-settings.ts";
import { UsageError } from "./usage-error.ts";

const FREQUENCY_DEFAULT_HZ = 99;

/** Evaluates; with `eval-profiler = flamegraph`, writes the samples to `eval-profile-file`, too. */
export async function evaluateForNix(
  request: EvaluationRequest,
  signal: AbortSignal,
  services: EvaluationServices,
  settings: NixSettings,
): Promise<EvaluationResult> {
  const profiler = settings.text("eval-profiler") || "disabled";
  if (profiler === "disabled") return await evaluate(request, signal, services);
  if (profiler !== "flamegraph") throw new UsageError(`option 'eval-profiler' has invalid value '${profiler}'`);
  const { nixProfiledEvaluation } = await import("../profile/profiled-evaluation.ts");
  const frequency = Number(settings.text("eval-profiler-frequency") || FREQUENCY_DEFAULT_HZ);
  const profile = { periodMs: frequency === 0 ? 0 : 1000 / frequency, byCallSite: true };
  return await nixProfiledEvaluation(settings.text("eval-profile-file") || "nix.profile", async (told) => {
    return await evaluate({ ...request, profile }, signal, { ...services, ...told });
  });
}
