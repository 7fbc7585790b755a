/**
 * Our own evaluator corpus, in the form of Nix's: `eval-okay-*.nix` with the printed value in `.exp`, `eval-fail-*.nix` with
 * the whole error in `.err.exp`. Every expectation is what a real Nix says, and `test/oracle/own-corpus.test.ts` asks it
 * again.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { evaluateMany } from "../support/evaluate-many.ts";
import { expectationOf, ownCases, ownRequest, shownOutcome } from "./own-cases.ts";

const cases = ownCases();
const outcomes = await evaluateMany(cases.map(ownRequest));

for (const [index, name] of cases.entries()) {
  test(name, () => {
    const outcome = outcomes[index]!;
    assert.equal(outcome.ok, name.startsWith("eval-okay"), outcome.text);
    assert.equal(shownOutcome(outcome.text), readFileSync(expectationOf(name), "latin1"));
  });
}
