/** Of a set, what nothing has changed for is not evaluated again. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ReadCheck } from "../cache/read-check.ts";
import type { EvaluationRequest } from "../evaluation-request.ts";
import { runEvaluation } from "../run-evaluation.ts";
import { SharedEvaluator } from "./shared-evaluator.ts";

const scratch = mkdtempSync(join(tmpdir(), "pristine-shared-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

const derive = (name: string): string =>
  `derivation { name = import ./${name}.nix; system = "x86_64-linux"; builder = "/none"; common = import ./common.nix; }`;

function write(file: string, text: string): void {
  writeFileSync(join(scratch, file), text);
}

for (const name of ["one", "two", "three"]) write(`${name}.nix`, `"${name}"`);
write("common.nix", `"all"`);

/** Evaluates after a change; answers how many members that took, and compares with evaluating alone. */
function membersOf(shared: SharedEvaluator, request: EvaluationRequest): number {
  const before = shared.membersEvaluated;
  const { text } = shared.evaluate(request, {}, new ReadCheck({}), { isPartial: true });
  assert.equal(text, runEvaluation(request).text);
  return shared.membersEvaluated - before;
}

const FLEETS: Readonly<Record<string, readonly [text: string, request: Partial<EvaluationRequest>]>> = {
  derivations: [
    `{ one = ${derive("one")}; two = ${derive("two")}; inner = { recurseForDerivations = true; three = ${derive("three")}; }; none = 5; }`,
    { output: "drv" },
  ],
  "the members of an object": [
    `{ one = { drv = (${derive("one")}).drvPath; }; two = [ (${derive("two")}) ]; three = import ./three.nix; none = null; }`,
    { output: "json", perMember: true },
  ],
};

for (const [what, [text, asked]] of Object.entries(FLEETS)) {
  test(`of ${what}, a change costs those that saw it`, () => {
    write("fleet.nix", text);
    const shared = new SharedEvaluator();
    const request: EvaluationRequest = { file: "./fleet.nix", baseDir: scratch, output: "drv", env: {}, ...asked };
    assert.equal(membersOf(shared, request), 4);
    assert.equal(membersOf(shared, request), 0);
    write("two.nix", `"second"`);
    assert.equal(membersOf(shared, request), 1);
    write("common.nix", `"others"`);
    assert.equal(membersOf(shared, request), what === "derivations" ? 3 : 2);
    write("fleet.nix", text.replace("5", "6").replace("null", "true"));
    assert.equal(membersOf(shared, request), 4);
    write("two.nix", `"two"`);
    write("common.nix", `"all"`);
  });
}

test("what is said or appears twice is evaluated as a whole", () => {
  const shared = new SharedEvaluator();
  const request: EvaluationRequest = { file: "./fleet.nix", baseDir: scratch, output: "drv", env: {} };
  write("fleet.nix", `rec { one = ${derive("one")}; alias = one; equal = ${derive("one")}; }`);
  membersOf(shared, request);
  write("fleet.nix", `builtins.trace "said" { one = ${derive("one")}; two = ${derive("two")}; }`);
  const traces: string[] = [];
  const onTrace = (line: string): number => traces.push(line);
  shared.evaluate(request, { onTrace }, new ReadCheck({}), { isPartial: true });
  assert.deepEqual(traces, ["said"]);
});

/**
 * Evaluates twice, both times anew, by a clock that has the first time take as long as the test says; answers how many
 * members were evaluated the second time.
 */
function membersOfSecond(take: Readonly<Record<"first" | "second" | "whole", number>>): number {
  // Read before and after the first member, the second one, and the whole.
  const clock = [0, take.first, 0, take.second, 0, take.whole];
  const shared = new SharedEvaluator({ nowMs: () => clock.shift() ?? 0 });
  const request: EvaluationRequest = { file: "./fleet.nix", baseDir: scratch, output: "drv", env: {} };
  write("fleet.nix", `{ one = ${derive("one")}; two = ${derive("two")}; }`);
  membersOf(shared, request);
  write("common.nix", `"changed"`);
  const members = membersOf(shared, request);
  write("common.nix", `"all"`);
  return members;
}

test("a set whose members share little is evaluated as a whole, unless that takes as long", () => {
  assert.equal(membersOfSecond({ first: 1000, second: 900, whole: 800 }), 0);
  assert.equal(membersOfSecond({ first: 1000, second: 900, whole: 1800 }), 2);
  assert.equal(membersOfSecond({ first: 1000, second: 100, whole: 0 }), 2, "they share most");
  assert.equal(membersOfSecond({ first: 20, second: 20, whole: 0 }), 2, "they cost nothing");
});
