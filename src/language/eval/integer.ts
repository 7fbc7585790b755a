/**
 * 64-bit integers: JavaScript numbers while they are safe, BigInts beyond, an error past 64 bits.
 */

import { EvalError } from "./eval-error.ts";
import type { NixInteger, Place } from "./value.ts";

const MIN = -(2n ** 63n);
const MAX = 2n ** 63n - 1n;

/** The canonical form of an integer that fits 64 bits, `undefined` when it does not fit. */
export function integerOfBigInt(value: bigint): NixInteger | undefined {
  if (value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  return value >= MIN && value <= MAX ? value : undefined;
}

/** Wraps to 64 bits, as bit operations do. */
export function integerOfBits(value: bigint): NixInteger {
  return integerOfBigInt(BigInt.asIntN(64, value))!;
}

function checked(
  value: bigint,
  doing: string,
  left: NixInteger,
  sign: string,
  right: NixInteger,
  at?: Place,
): NixInteger {
  const result = integerOfBigInt(value);
  if (result === undefined) {
    throw new EvalError(
      { kind: "integer-overflow", message: `integer overflow in ${doing} ${left} ${sign} ${right}` },
      at,
    );
  }
  return result;
}

export function add(left: NixInteger, right: NixInteger, at?: Place): NixInteger {
  if (typeof left === "number" && typeof right === "number") {
    const sum = left + right;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return checked(BigInt(left) + BigInt(right), "adding", left, "+", right, at);
}

export function subtract(left: NixInteger, right: NixInteger, at?: Place): NixInteger {
  if (typeof left === "number" && typeof right === "number") {
    const difference = left - right;
    if (Number.isSafeInteger(difference)) return difference;
  }
  return checked(BigInt(left) - BigInt(right), "subtracting", left, "-", right, at);
}

export function multiply(left: NixInteger, right: NixInteger, at?: Place): NixInteger {
  if (typeof left === "number" && typeof right === "number") {
    const product = left * right;
    // `+ 0` turns the float's negative zero into the integer zero.
    if (Number.isSafeInteger(product)) return product + 0;
  }
  return checked(BigInt(left) * BigInt(right), "multiplying", left, "*", right, at);
}

export function divide(left: NixInteger, right: NixInteger, at?: Place): NixInteger {
  if (right === 0) throw new EvalError({ kind: "invalid", message: "division by zero" }, at);
  if (typeof left === "number" && typeof right === "number") return Math.trunc(left / right) + 0;
  return checked(BigInt(left) / BigInt(right), "dividing", left, "/", right, at);
}
