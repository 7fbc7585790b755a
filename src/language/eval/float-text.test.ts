/** Floats as C writes them. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { renderFloatFixed, renderFloatGeneral } from "./float-text.ts";

const GENERAL: readonly (readonly [number, string])[] = [
  [0, "0"],
  [-0, "-0"],
  [1, "1"],
  [0.1, "0.1"],
  [123456, "123456"],
  [1234567, "1.23457e+06"],
  [0.0001, "0.0001"],
  [0.00001, "1e-05"],
  [1e100, "1e+100"],
  [2.5e-7, "2.5e-07"],
  [100000, "100000"],
  [999999.5, "1e+06"],
  [Infinity, "inf"],
  [NaN, "-nan"],
];
for (const [value, expected] of GENERAL) {
  test(`printed: ${value}`, () => assert.equal(renderFloatGeneral({ value }), expected));
}

const FIXED: readonly (readonly [number, string])[] = [
  [0.1, "0.100000"],
  [-1.5, "-1.500000"],
  [0.0078125, "0.007812"],
  [1e22, "10000000000000000000000.000000"],
  [-Infinity, "-inf"],
];
for (const [value, expected] of FIXED) {
  test(`as a string: ${value}`, () => assert.equal(renderFloatFixed({ value }), expected));
}
