/** Strings and sets of strings as files and directories, for `eval --write-to`. */

import { bytesOfByteString } from "../base/byte-string.ts";
import { Attrs } from "../language/eval/attrs.ts";
import { invalidError, typeError, withFrame } from "../language/eval/eval-error.ts";
import { renderPlace } from "../language/eval/place-text.ts";
import type { EvalState } from "../language/eval/state.ts";
import { force } from "../language/eval/thunk.ts";
import { isString, textOf } from "../language/eval/type-name.ts";
import type { Place, Slot } from "../language/eval/value.ts";
import type { TextTree } from "../system/text-tree.ts";

/** How Nix shows that a value comes from nowhere in particular. */
const NOWHERE = "\u00c2\u00abnone\u00c2\u00bb:0";

/** Evaluates a value all the way down to its strings. */
export function textTreeOf(state: EvalState, slot: Slot, at?: Place): TextTree {
  state.enterCall(at);
  const value = force(slot, at);
  if (isString(value)) {
    state.callDepth--;
    return bytesOfByteString(textOf(value));
  }
  if (!(value instanceof Attrs)) {
    const place = at === undefined ? NOWHERE : renderPlace(at);
    throw typeError(`value at '${place}' is not a string or an attribute set`);
  }
  const entries = new Map<string, TextTree>();
  value.keys.forEach((name, index) => {
    const place = value.places?.[index];
    try {
      if (name === "." || name === "..") throw invalidError(`invalid file name '${name}'`);
      if (name === "" || name.includes("/")) throw invalidError(`invalid file name '${name}'`);
      entries.set(name, textTreeOf(state, value.values[index]!, place));
    } catch (error) {
      throw withFrame(error, `while evaluating the attribute '${name}'`, place);
    }
  });
  state.callDepth--;
  return entries;
}
