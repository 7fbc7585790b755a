/**
 * Expressions whose values do not fit into memory: an error with a place, before V8 gives up and ends the process. The heap
 * is small here, so that it is full soon.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { EvaluationRequest } from "../../src/realise/evaluation-request.ts";
import { EvalDiagnostic } from "../../src/realise/evaluation-request.ts";
import { EvaluationThread } from "../../src/realise/sharing/evaluation-thread.ts";
import { isWholeRun } from "../support/whole-run.ts";

const BIN = join(import.meta.dirname, "../../bin");
const HEAP_MB = 160;
const TIMEOUT_MS = 60_000;
const FULL = `out of memory: more than ${HEAP_MB} megabytes are needed; the variable PRISTINE_HEAP_MB allows more`;

const scratch = mkdtempSync(join(tmpdir(), "pristine-memory-"));
after(() => rmSync(scratch, { recursive: true, force: true }));
const env = {
  ...process.env,
  NO_COLOR: "1",
  HOME: scratch,
  XDG_STATE_HOME: scratch,
  PRISTINE_CACHE: "off",
  PRISTINE_RESIDENT: "off",
  PRISTINE_HEAP_MB: String(HEAP_MB),
};

/** An endless list, made in the loop of a builtin. */
const ENDLESS = "builtins.genericClosure { startSet = [ { key = 0; } ]; operator = x: [ { key = x.key + 1; } ]; }";

/** A value made of twice itself, so and so often. */
const doubled = (twice: string, times: number, one: string): string =>
  `let f = n: x: if n == 0 then x else f (n - 1) (${twice}); in f ${times} ${one}`;

/** What is too much, what is said of it, and the innermost place that is named. */
const TOO_MUCH: readonly (readonly [expression: string, message: string, place: string])[] = [
  ["builtins.length (builtins.genList (x: x) 100000000)", FULL, "1:18"],
  ["builtins.foldl' (a: x: a + x) 0 (builtins.genList (x: x) 1000000000)", "out of memory", "1:34"],
  ["builtins.deepSeq (map (x: [ x ]) (builtins.genList (x: x) 1000000)) 1", FULL, "1:19"],
  [`builtins.length (${doubled("builtins.concatLists [ x x ]", 30, "[ 1 ]")})`, FULL, "1:65"],
  [`builtins.length (${doubled("x ++ x", 40, "[ 1 ]")})`, FULL, "1:1"],
  [`builtins.stringLength (${doubled("x + x", 40, '"a"')})`, "out of memory", "1:73"],
  [`builtins.length (${ENDLESS})`, FULL, "1:18"],
  ["let f = n: if n == 0 then 1 else [ (f (n - 1)) (f (n - 1)) ]; in builtins.deepSeq (f 40) 1", FULL, "1:"],
  ["let f = l: if l == [ ] then 0 else 1 + f (builtins.tail l); in f (builtins.genList (x: x) 200000)", FULL, "1:43"],
  ["builtins.foldl' (a: x: a // { ${toString x} = a; }) { } (builtins.genList (x: x) 900000)", FULL, "1:1"],
  ['builtins.concatStringsSep "," (builtins.genList (x: toString x) 100000000)', FULL, "1:32"],
  [doubled('builtins.replaceStrings [ "a" ] [ "aa" ] x', 40, '"a"'), FULL, "1:"],
];

/** These fill the heap slot by slot, which takes longer than to find that a list has no room. */
const IS_SLOW = /deepSeq|replaceStrings|toString x\} = a/;

for (const [expression, message, place] of TOO_MUCH) {
  if (IS_SLOW.test(expression) && !isWholeRun) continue;
  test(expression, () => {
    const { stderr, status, signal } = spawnSync(join(BIN, "compat/nix-instantiate"), ["--eval", "-E", expression], {
      env,
      encoding: "utf8",
      timeout: TIMEOUT_MS,
    });
    assert.deepEqual({ status, signal }, { status: 1, signal: null }, stderr);
    assert.match(stderr, new RegExp(`error: ${message}$`, "m"));
    assert.ok(stderr.slice(stderr.lastIndexOf("at «string»:")).startsWith(`at «string»:${place}`), stderr);
  });
}

test("nothing catches it, and what has room is evaluated", () => {
  const caught = `(builtins.tryEval (builtins.length (${ENDLESS}))).success`;
  const outcomes = [caught, "builtins.length (builtins.genList (x: x) 300000)"].map((expression) => {
    const { stdout, stderr } = spawnSync(join(BIN, "pristine"), ["eval", "--expr", expression], {
      env,
      encoding: "utf8",
      timeout: TIMEOUT_MS,
    });
    return stdout + (stderr.split("\n")[0] ?? "");
  });
  assert.deepEqual(outcomes, [`error: ${FULL} [EVAL_OUT_OF_MEMORY]`, "300000\n"]);
});

test("a thread of its own says the same", () => {
  const script = `ulimit -H -s 8192; exec "$0" eval --json --expr "$1"`;
  const { stdout, status } = spawnSync("sh", ["-c", script, join(BIN, "pristine"), ENDLESS], {
    env,
    encoding: "utf8",
    timeout: TIMEOUT_MS,
  });
  const { error } = JSON.parse(stdout) as { readonly error: { readonly code: string; readonly message: string } };
  assert.deepEqual([error.code, error.message, status], ["EVAL_OUT_OF_MEMORY", FULL, 1]);
});

test("a session goes on", () => {
  const input = ["kept = 1", `big = ${ENDLESS}`, "builtins.length big", "kept + 1", "builtins.length big", "kept + 2"];
  const { stdout, stderr, status } = spawnSync(join(BIN, "pristine"), ["repl"], {
    env,
    input: input.join("\n"),
    encoding: "utf8",
    timeout: TIMEOUT_MS,
  });
  assert.deepEqual([stdout, status], ["2\n3\n", 0], stderr);
  assert.equal(stderr.split(`error: ${FULL}`).length - 1, 2);
});

test("the thread of the resident process goes on", async () => {
  const thread = new EvaluationThread({ heapMb: HEAP_MB });
  try {
    const ask = async (expression: string): Promise<string> => {
      const request: EvaluationRequest = { expression, baseDir: scratch, output: "json", env: {} };
      try {
        return (await thread.evaluate(request, {}))!.text;
      } catch (error) {
        if (error instanceof EvalDiagnostic) return error.code;
        throw error;
      }
    };
    assert.deepEqual(
      [await ask("1 + 1"), await ask(`builtins.length (${ENDLESS})`), await ask("2 + 2")],
      ["2", "EVAL_OUT_OF_MEMORY", "4"],
    );
  } finally {
    await thread.end();
  }
});
