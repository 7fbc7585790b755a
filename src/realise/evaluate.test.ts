/** Evaluation as callers see it: results, what they record, and errors. */

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { EvaluationRequest } from "./evaluation-request.ts";
import { evaluate } from "./evaluate.ts";

const directory = mkdtempSync(join(tmpdir(), "pristine-evaluate-"));
after(() => rmSync(directory, { recursive: true, force: true }));
mkdirSync(join(directory, "source"));
writeFileSync(join(directory, "source/kept.txt"), "kept");
writeFileSync(join(directory, "source/left-out.log"), "left out");
writeFileSync(join(directory, "file.nix"), "{ answer ? 41 }: { result = answer + 1; }");

const signal = AbortSignal.timeout(60_000);
const run = (request: Partial<EvaluationRequest>): ReturnType<typeof evaluate> =>
  evaluate({ baseDir: directory, output: "value", strict: true, env: { SET: "yes" }, ...request }, signal, {
    remembering: "off",
  });

test("a file with arguments and an attribute path", async () => {
  const result = await run({ file: "file.nix", args: { answer: { expr: "1" } }, attrPath: "result" });
  assert.equal(result.text, "2");
});

test("text beyond ASCII comes back as it went in", async () => {
  assert.equal((await run({ expression: '"é€😀"', output: "json" })).text, '"é€😀"');
});

test("a derivation comes back with its closure: texts, sources and what a filter let through", async () => {
  const { text, derivations, sources } = await run({
    output: "drv",
    expression: `derivation {
      name = "x"; system = "x86_64-linux"; builder = "/none";
      src = builtins.path { path = ./source; filter = path: _: baseNameOf path == "kept.txt"; };
      file = builtins.toFile "note" "text";
    }`,
  });
  const drv = derivations.get(text);
  assert.ok(drv !== undefined);
  assert.deepEqual([...drv.references].sort(), [...sources.keys()].sort());
  const [note, source] = ["text", "path"].map((kind) => [...sources.values()].find((one) => one.kind === kind));
  assert.ok(note?.kind === "text" && Buffer.from(note.contents).toString() === "text");
  assert.ok(source?.kind === "path" && source.recursive);
  assert.deepEqual(source.included, ["kept.txt"]);
  assert.equal(source.localPath, join(directory, "source"));
});

test("what was read is recorded", async () => {
  const { reads } = await run({
    expression: 'import ./file.nix { answer = builtins.stringLength (builtins.getEnv "SET"); }',
  });
  const subjects = reads.reads.map((read) => `${read.kind} ${read.kind === "environment" ? read.name : read.path}`);
  assert.ok(subjects.includes(`node ${directory}/file.nix`));
  assert.ok(subjects.includes("environment SET"));
});

test("an error names its place, and the names that come close", async () => {
  await assert.rejects(run({ expression: "{ nginx = 1; }.nginix" }), (error: Error & { rendered: string }) => {
    assert.equal(error.name, "EvalDiagnostic");
    assert.match(error.rendered, /attribute 'nginix' missing\n {7}at «string»:1:1:/);
    assert.match(error.rendered, /Did you mean nginx\?/);
    return true;
  });
});

const failures: Record<string, readonly [expression: string, code: string]> = {
  "endless recursion is an error, not a crash": ["let f = n: (f (n + 1)) + 1; in f 0", "EVAL_STACK_OVERFLOW"],
  "a value that needs itself": ["let x = x + 1; in x", "EVAL_INFINITE_RECURSION"],
  "a missing file": ["import ./missing.nix", "EVAL_WORLD"],
  "a hash that does not fit": [
    'builtins.path { path = ./source; sha256 = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; }',
    "EVAL_WORLD",
  ],
  "building where nothing can be built": [
    'import (derivation { name = "x"; system = "x"; builder = "x"; })',
    "EVAL_WORLD",
  ],
  "a syntax error": ["{ a = }", "EVAL_SYNTAX"],
  "an unbound name": ["{ a = b; }", "EVAL_VARIABLE_UNDEFINED"],
};
for (const [name, [expression, code]] of Object.entries(failures)) {
  test(name, () => assert.rejects(run({ expression }), { name: "EvalDiagnostic", code }));
}

test("what evaluation needs is built by the caller, while it waits", async () => {
  const storeRoot = join(directory, "root");
  const asked: string[] = [];
  const expression = 'import (derivation { name = "made"; system = "x"; builder = "x"; })';
  const request: EvaluationRequest = { baseDir: directory, expression, output: "value", storeRoot, env: {} };
  const { text } = await evaluate(request, signal, {
    remembering: "off",
    realise: async ({ context, derivations }) => {
      asked.push(...context);
      assert.equal(derivations.size, 1);
      const drv = new TextDecoder().decode([...derivations.values()][0]!.aterm);
      const outPath = /"out","([^"]+)"/.exec(drv)![1]!;
      mkdirSync(join(storeRoot, "nix/store"), { recursive: true });
      writeFileSync(storeRoot + outPath, "40 + 2");
    },
  });
  assert.equal(text, "42");
  assert.match(asked.join(), /^!out!\/nix\/store\/.*-made\.drv$/);
});

test("a cancelled evaluation ends", async () => {
  const abort = new AbortController();
  const endless =
    "builtins.foldl' (a: b: builtins.foldl' (x: y: x + y) a (builtins.genList (i: i) 1000000)) 0 (builtins.genList (i: i) 1000000)";
  const running = evaluate({ baseDir: directory, expression: endless, output: "value" }, abort.signal);
  setTimeout(() => abort.abort(), 300);
  await assert.rejects(running, { name: "AbortError" });
});
