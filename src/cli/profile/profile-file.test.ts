/** Profiles name functions and builtins by what calls what, and come in forms that programs read. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Script } from "node:vm";
import type { EvaluationRequest } from "../../realise/evaluation-request.ts";
import type { Profile } from "../../realise/profile.ts";
import { runEvaluation } from "../../realise/run-evaluation.ts";
import { collapsedStacks, renderProfile } from "./profile-file.ts";

const EXPRESSION = `let
  double = x: x * 2;
  twice = f: x: f (f x);
in builtins.foldl' (sum: x: sum + twice double x) 0 [ 1 2 ]`;

/** The profile of an evaluation with a sample at every call. */
function profileOf(expression: string, request: Partial<EvaluationRequest> = {}): Profile {
  const profiles: Profile[] = [];
  const whole = { expression, baseDir: "/", output: "value", env: {}, ...request } as const;
  try {
    runEvaluation(
      { ...whole, profile: { periodMs: 0, byCallSite: false } },
      { onProfile: (profile) => profiles.push(profile) },
    );
  } catch {
    // What is asked is where the time went until then.
  }
  assert.equal(profiles.length, 1);
  return profiles[0]!;
}

test("stacks are of functions with their places, the same functions together", () => {
  const stacks = collapsedStacks(profileOf(EXPRESSION), ({ samples }) => samples);
  assert.deepEqual(
    stacks
      .trim()
      .split("\n")
      .map((line) => line.replace(/ \d+$/, "")),
    [
      "foldl'",
      "foldl';(lambda) «string»:4:21",
      "foldl';(lambda) «string»:4:21;twice «string»:3:11",
      "foldl';(lambda) «string»:4:21;twice «string»:3:11;double «string»:2:12",
      "foldl';(lambda) «string»:4:21;twice «string»:3:11;double «string»:2:12;double «string»:2:12",
    ],
  );
});

test("an evaluation that fails leaves its profile", () => {
  const stacks = collapsedStacks(profileOf("let f = x: throw x; in f 1"), () => 1);
  assert.match(stacks, /^f «string»:1:9 1\nf «string»:1:9;throw 1\n$/);
});

test("recursion is a stack of its own depth", () => {
  const profile = profileOf("let f = n: if n == 0 then 0 else 1 + f (n - 1); in f 300");
  const stacks = collapsedStacks(profile, ({ samples }) => samples)
    .trim()
    .split("\n");
  assert.equal(Math.max(...stacks.map((line) => line.split(";").length)), 301);
});

test("speedscope gets frames by index, and weights that add up", () => {
  const text = renderProfile(profileOf(EXPRESSION), "x.speedscope.json");
  const { shared, profiles } = JSON.parse(text) as {
    shared: { frames: { name: string; file?: string; line?: number; col?: number }[] };
    profiles: { samples: number[][]; weights: number[]; endValue: number }[];
  };
  const [{ samples, weights, endValue } = { samples: [], weights: [], endValue: 0 }] = profiles;
  assert.deepEqual(
    shared.frames.find(({ name }) => name === "twice"),
    { name: "twice", file: "«string»", line: 3, col: 11 },
  );
  assert.equal(samples.length, weights.length);
  assert.ok(samples.flat().every((index) => shared.frames[index] !== undefined));
  assert.equal(
    weights.reduce((sum, weight) => sum + weight, 0),
    endValue,
  );
});

test("the page holds its data and a script that parses, whatever functions are called", () => {
  const page = renderProfile(profileOf('let "</script><b>" = x: x; in builtins.map "${"</script>"}" 1'), "x.html");
  const withName = renderProfile(profileOf('{ "</script>" = x: x; }."</script>" 1'), "x.html");
  for (const text of [page, withName]) {
    const scripts = [...text.matchAll(/<script[^>]*>([^]*?)<\/script>/g)].map((match) => match[1]!);
    assert.equal(scripts.length, 2);
    JSON.parse(scripts[0]!);
    new Script(scripts[1]!);
  }
  assert.ok(withName.includes("\\u003c/script>"));
});
