/** Derivations of every kind have the store paths that a real Nix gave them (`test/oracle/evaluation`). */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { evaluateMany } from "../support/evaluate-many.ts";

const EXPRESSIONS = join(import.meta.dirname, "../oracle/evaluation");

const expected = JSON.parse(readFileSync(join(import.meta.dirname, "derivation-paths.json"), "utf8")) as Readonly<
  Record<string, string>
>;
const [outcome] = await evaluateMany([
  { file: "values.nix", attrPath: "drvPaths", baseDir: EXPRESSIONS, output: "json", env: {} },
]);
assert.ok(outcome?.ok, outcome?.text);
const actual = JSON.parse(outcome.text) as Readonly<Record<string, string>>;

for (const [name, path] of Object.entries(expected)) test(name, () => assert.equal(actual[name], path));
