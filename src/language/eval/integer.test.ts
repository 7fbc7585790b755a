/** 64-bit integers. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { add, divide, integerOfBits, multiply, subtract } from "./integer.ts";

const MAX = 2n ** 63n - 1n;

test("results beyond the safe numbers stay exact, and come back when they shrink", () => {
  const beyond = add(Number.MAX_SAFE_INTEGER, 2);
  assert.equal(beyond, 9007199254740993n);
  assert.equal(subtract(beyond, 3), 9007199254740990);
});

test("past 64 bits is an error that names the operands", () => {
  assert.throws(() => add(MAX, 1), /integer overflow in adding 9223372036854775807 \+ 1/);
  assert.throws(() => multiply(MAX, 2), /integer overflow in multiplying/);
  assert.throws(() => divide(-(2n ** 63n), -1), /integer overflow in dividing/);
});

test("division cuts towards zero, and has no negative zero", () => {
  assert.equal(divide(-7, 2), -3);
  assert.ok(Object.is(divide(0, -5), 0));
  assert.ok(Object.is(multiply(0, -5), 0));
  assert.throws(() => divide(1, 0), /division by zero/);
});

test("bits wrap", () => assert.equal(integerOfBits(2n ** 64n - 1n), -1));
