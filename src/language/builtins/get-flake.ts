/** `getFlake`. */

import { parseFlakeReference } from "../../format/input/flake-reference.ts";
import { isLockedInput } from "../../format/input/input.ts";
import { invalidError } from "../eval/eval-error.ts";
import { expectPlainText } from "../eval/expect.ts";
import type { Program } from "../eval/program.ts";
import { callFlake } from "../flake/call-flake.ts";
import { refusing } from "../flake/flake-file.ts";
import { flakeContextOf, lockFlake } from "../flake/lock-flake.ts";
import { keepUnwritten } from "../flake/settle-locks.ts";
import type { Builtins } from "./builtin.ts";

export function flakeBuiltins(program: Program): Builtins {
  return {
    getFlake: [
      1,
      (state, [reference]) => {
        const frame = "while evaluating the argument passed to builtins.getFlake";
        const text = expectPlainText(reference!, undefined, frame);
        const { pure } = state.settings;
        const parsed = refusing(() => parseFlakeReference(text));
        if (pure && !refusing(() => isLockedInput(parsed.input))) {
          throw invalidError(
            `cannot call 'getFlake' on unlocked flake reference '${text}', at \xc2\xabnone\xc2\xbb:0 (use --impure to override)`,
          );
        }
        const context = flakeContextOf(program);
        const locked = lockFlake(context, parsed, { usesRegistries: !pure, allowsUnlocked: !pure });
        return callFlake(context, keepUnwritten(context, locked));
      },
    ],
  };
}
