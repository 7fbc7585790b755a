/** Nix's experimental features, as far as the language asks for them. */

import type { InputAttrs } from "../../format/input/attributes.ts";
import { invalidError } from "../eval/eval-error.ts";
import type { EvalState } from "../eval/state.ts";

/** Attributes of inputs that are part of `verified-fetches`. */
const VERIFYING = ["verifyCommit", "keytype", "publicKey", "publicKeys"];

/** Refuses an input that only an experimental feature that is off would allow. */
export function requireInputFeatures(state: EvalState, input: InputAttrs): void {
  if (VERIFYING.some((name) => input.has(name))) requireFeature(state, "verified-fetches");
}

/** Refuses what an experimental feature that is off would allow; `reason` says what asked for it. */
export function requireFeature(state: EvalState, feature: string, reason = ""): void {
  if (state.settings.features.has(feature)) return;
  const why = reason === "" ? "" : ` (${reason})`;
  throw invalidError(
    `experimental Nix feature '${feature}' is disabled${why}; add '--extra-experimental-features ${feature}' to enable it`,
  );
}
