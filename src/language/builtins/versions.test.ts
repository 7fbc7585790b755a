import assert from "node:assert/strict";
import { test } from "node:test";
import { compareVersions, parseDrvName, splitVersion } from "./versions.ts";

const comparisons: readonly (readonly [string, string, number])[] = [
  ["1.0", "2.3", -1],
  ["2.1", "2.3", -1],
  ["2.3", "2.3", 0],
  ["2.5", "2.3", 1],
  ["3.1", "2.3", 1],
  ["2.3.1", "2.3", 1],
  ["2.3.1", "2.3a", 1],
  ["2.3pre1", "2.3", -1],
  ["2.3pre3", "2.3pre12", -1],
  ["2.3a", "2.3c", -1],
  ["2.3pre1", "2.3c", -1],
  ["2.3pre1", "2.3q", -1],
  ["", "", 0],
  ["", "1", -1],
  ["", "a", -1],
  ["", "pre", 1],
  ["1-0", "1.0", 0],
  ["01", "1", 0],
  // Beyond 32 bits a component is text, which comes before any number.
  ["20240101000000", "1", -1],
  ["20240101000000", "20240101000001", -1],
  ["3000000000", "20000000000", 1],
];
for (const [left, right, expected] of comparisons) {
  test(`compareVersions ${left} ${right}`, () => {
    assert.equal(compareVersions(left, right), expected);
    if (expected !== 0) assert.equal(compareVersions(right, left), -expected);
  });
}

test("splitVersion", () => {
  assert.deepEqual(splitVersion("1.2.3pre-4a..5_"), ["1", "2", "3", "pre", "4", "a", "5", "_"]);
  assert.deepEqual(splitVersion(""), []);
});

const names: Record<string, readonly [string, string]> = {
  "nix-0.12pre12876": ["nix", "0.12pre12876"],
  "a-b-c-1234pre5+git": ["a-b-c", "1234pre5+git"],
  hello: ["hello", ""],
  "hello-": ["hello-", ""],
  "hello--1": ["hello", "-1"],
  "-1": ["", "1"],
};
for (const [text, [name, version]] of Object.entries(names)) {
  test(`parseDrvName ${text}`, () => assert.deepEqual(parseDrvName(text), { name, version }));
}
