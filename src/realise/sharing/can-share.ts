/** Which requests can be answered with values that other evaluations have used. */

import type { EvaluationRequest } from "../evaluation-request.ts";

/** Whether the result is the same however much of shared values others have evaluated. */
export function canShare(request: EvaluationRequest): boolean {
  const { output, showTrace, findFile, flake, pure, restricted } = request;
  const isWhole = output === "drv" || output === "json" || output === "raw";
  const isPlain = findFile === undefined && flake === undefined && pure !== true && restricted !== true;
  return isWhole && isPlain && showTrace !== true;
}
