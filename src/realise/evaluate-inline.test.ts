/** An evaluation in this thread, up to where it has to wait, and its second beginning in another one. */

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { evaluateInline } from "./evaluate-inline.ts";
import { evaluateInWorker } from "./evaluate-in-worker.ts";
import type { EvaluationRequest } from "./evaluation-request.ts";
import type { EvaluationServices } from "./evaluation-services.ts";

const directory = mkdtempSync(join(tmpdir(), "pristine-inline-"));
after(() => rmSync(directory, { recursive: true, force: true }));

const storeRoot = join(directory, "root");
const NEEDED = 'derivation { name = "made"; system = "x"; builder = "x"; }';

function request(expression: string): EvaluationRequest {
  return { baseDir: directory, expression, output: "value", storeRoot, env: {} };
}

/** Services that write down what is said, and make the one derivation. */
function recording(): { services: EvaluationServices; said: string[] } {
  const said: string[] = [];
  const realise: EvaluationServices["realise"] = async ({ derivations }) => {
    const drv = new TextDecoder().decode([...derivations.values()][0]!.aterm);
    mkdirSync(join(storeRoot, "nix/store"), { recursive: true });
    writeFileSync(storeRoot + /"out","([^"]+)"/.exec(drv)![1]!, "40 + 2");
  };
  return { said, services: { realise, onTrace: (line) => said.push(line), onWarning: (text) => said.push(text) } };
}

const WAITING: Readonly<Record<string, string>> = {
  plainly: `builtins.trace "first" (builtins.warn "second" (import (${NEEDED})))`,
  "where the language catches errors": `
    builtins.trace "first" (builtins.warn "second" (
      let tried = builtins.tryEval (import (${NEEDED})); in if tried.success then tried.value else builtins.trace "caught" 0
    ))`,
};
for (const [name, expression] of Object.entries(WAITING)) {
  test(`what has to wait ${name} starts over, and says nothing twice`, async () => {
    rmSync(storeRoot, { recursive: true, force: true });
    const { services, said } = recording();
    const outcome = evaluateInline(request(expression), services);
    assert.deepEqual(outcome, { kind: "abandoned", linesShown: 2 });
    const signal = AbortSignal.timeout(60_000);
    const { text } = await evaluateInWorker(request(expression), signal, services, outcome.linesShown);
    assert.equal(text, "42");
    assert.deepEqual(said, ["first", "second"]);
  });
}

test("without somebody to build, waiting is an error of the expression", () => {
  assert.throws(() => evaluateInline(request(`import (${NEEDED})`), {}), {
    name: "EvalDiagnostic",
    code: "EVAL_WORLD",
  });
});

test("while it evaluates, signals have their default action; listeners are back afterwards", () => {
  const listener = (): void => undefined;
  process.on("SIGTERM", listener);
  try {
    const counts: number[] = [];
    const onTrace = (): void => void counts.push(process.listenerCount("SIGTERM"));
    const outcome = evaluateInline(request('builtins.trace "x" 1'), { onTrace });
    assert.equal(outcome.kind, "evaluated");
    assert.deepEqual(counts, [0]);
    assert.ok(process.listeners("SIGTERM").includes(listener));
  } finally {
    process.off("SIGTERM", listener);
  }
});
