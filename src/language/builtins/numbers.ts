/** Numbers. */

import { lessThan, operate } from "../eval/arithmetic.ts";
import { invalidError } from "../eval/eval-error.ts";
import { expectInteger, expectNumber } from "../eval/expect.ts";
import { renderFloatGeneral } from "../eval/float-text.ts";
import { integerOfBigInt, integerOfBits } from "../eval/integer.ts";
import { force } from "../eval/thunk.ts";
import { isInteger } from "../eval/type-name.ts";
import type { Float } from "../eval/value.ts";
import type { BuiltinBody, Builtins } from "./builtin.ts";

function bitwise(name: string, apply: (left: bigint, right: bigint) => bigint): BuiltinBody {
  return (_state, [left, right]) => {
    const first = expectInteger(left!, undefined, `while evaluating the first argument passed to builtins.${name}`);
    const second = expectInteger(right!, undefined, `while evaluating the second argument passed to builtins.${name}`);
    return integerOfBits(apply(BigInt(first), BigInt(second)));
  };
}

function rounding(name: "ceil" | "floor"): BuiltinBody {
  return (_state, [number]) => {
    const value = expectNumber(number!, undefined, `while evaluating the first argument passed to builtins.${name}`);
    const original = force(number!);
    const rounded = Math[name](value);
    const integer = Number.isFinite(rounded) ? integerOfBigInt(BigInt(rounded)) : undefined;
    if (!isInteger(original)) {
      if (integer === undefined) {
        throw invalidError(`NixFloat argument ${renderFloatGeneral(original as Float)} is not in the range of NixInt`);
      }
      return integer;
    }
    if (integer === undefined) {
      throw invalidError(
        `Due to a bug (see https://github.com/NixOS/nix/issues/12899) the NixInt argument ${original} caused undefined behavior in previous Nix versions.\n\tFuture Nix versions might implement the correct behavior.`,
      );
    }
    if (integer !== original) {
      throw invalidError(
        `Due to a bug (see https://github.com/NixOS/nix/issues/12899) a loss of precision occurred in previous Nix versions because the NixInt argument ${original} was rounded to ${integer}.\n\tFuture Nix versions might implement the correct behavior.`,
      );
    }
    return original;
  };
}

export const numberBuiltins: Builtins = {
  add: [2, (_state, [left, right]) => operate("add", left!, right!)],
  sub: [2, (_state, [left, right]) => operate("sub", left!, right!)],
  mul: [2, (_state, [left, right]) => operate("mul", left!, right!)],
  div: [2, (_state, [left, right]) => operate("div", left!, right!)],
  bitAnd: [2, bitwise("bitAnd", (left, right) => left & right)],
  bitOr: [2, bitwise("bitOr", (left, right) => left | right)],
  bitXor: [2, bitwise("bitXor", (left, right) => left ^ right)],
  lessThan: [2, (state, [left, right]) => lessThan(state, left!, right!)],
  ceil: [1, rounding("ceil")],
  floor: [1, rounding("floor")],
};
