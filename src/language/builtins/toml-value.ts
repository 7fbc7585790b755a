/** TOML text as values. */

import { EvalError } from "../eval/eval-error.ts";
import type { Value } from "../eval/value.ts";

export function valueOfToml(_text: string): Value {
  throw new EvalError({ kind: "unavailable", feature: "builtins.fromTOML", hint: "use JSON" }, undefined);
}
