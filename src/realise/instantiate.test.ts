/** A result that was remembered in part is written as it is when the store has the rest, and evaluated again when not. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { StorePath } from "../format/store-path.ts";
import { MemoryStore } from "../store/memory-store.ts";
import type { WriteStore } from "../store/store.ts";
import type { EvaluationResult } from "./evaluation-request.ts";
import { instantiate } from "./instantiate.ts";
import { runEvaluation } from "./run-evaluation.ts";

const signal = AbortSignal.timeout(60_000);
const expression = `
  let
    common = derivation { name = "common"; system = "x"; builder = "b"; };
    host = derivation { name = "host"; system = "x"; builder = "b"; inherit common; };
  in
  { inherit common host; }`;
const whole = runEvaluation({ expression, baseDir: "/", attrPath: "host", output: "drv" });
const commonOnly = runEvaluation({ expression, baseDir: "/", attrPath: "common", output: "drv" });

/** Writes what was made of the host alone; answers how often everything was evaluated again for it. */
async function writtenFromPart(store: WriteStore): Promise<number> {
  let evaluations = 0;
  const part: EvaluationResult = {
    ...whole,
    derivations: new Map([...whole.derivations].filter(([path]) => path === whole.text)),
    evaluateAgain: async () => {
      evaluations++;
      return await Promise.resolve(whole);
    },
  };
  await instantiate(part, [whole.text], store, signal);
  const paths = [whole.text, commonOnly.text].map((path) => StorePath.ofFull(path, "/nix/store"));
  assert.equal((await store.validPaths(paths, signal)).size, 2);
  return evaluations;
}

test("what is new is enough when the store has the rest", async () => {
  const store = new MemoryStore();
  await instantiate(commonOnly, [commonOnly.text], store, signal);
  assert.equal(await writtenFromPart(store), 0);
  assert.equal(await writtenFromPart(store), 0, "nothing is new any more");
});

test("what the store lacks is evaluated again", async () => {
  assert.equal(await writtenFromPart(new MemoryStore()), 1);
});
