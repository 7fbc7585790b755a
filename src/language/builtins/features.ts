/** Nix's experimental features, as far as the language asks for them. */

import { invalidError } from "../eval/eval-error.ts";
import type { EvalState } from "../eval/state.ts";

/** Refuses what an experimental feature that is off would allow; `reason` says what asked for it. */
export function requireFeature(state: EvalState, feature: string, reason = ""): void {
  if (state.settings.features.has(feature)) return;
  const why = reason === "" ? "" : ` (${reason})`;
  throw invalidError(
    `experimental Nix feature '${feature}' is disabled${why}; add '--extra-experimental-features ${feature}' to enable it`,
  );
}
