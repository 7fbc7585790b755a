/** What is kept of the results of a check, and for how long it is told to be unhealthy. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type CheckSpan, spansAfter, unhealthySince } from "./check-history.ts";

const MINUTE = 60_000;

function at(minutes: number): string {
  return new Date(minutes * MINUTE).toISOString();
}

/** Results at minutes, as what is kept of them: `from-until message`, with `!` where it was unhealthy. */
function kept(
  results: readonly (readonly [minutes: number, message: string])[],
  everySeconds = 60,
): readonly CheckSpan[] {
  return results.reduce<readonly CheckSpan[]>((spans, [minutes, text]) => {
    const seen = { at: at(minutes), healthy: !text.startsWith("!"), message: text };
    return spansAfter(spans, seen, { everySeconds });
  }, []);
}

function show(spans: readonly CheckSpan[]): string[] {
  const minutes = (date: string): number => Date.parse(date) / MINUTE;
  return spans.map(({ from, until, message }) => `${minutes(from)}-${minutes(until)} ${message}`);
}

const CASES: Readonly<Record<string, readonly [results: readonly (readonly [number, string])[], spans: string[]]>> = {
  "equal results are one span, whose end is written down now and then": [
    [0, 1, 2, 3, 4, 5, 6, 7].map((minute) => [minute, "ok"] as const),
    ["0-5 ok"],
  ],
  "healthy is healthy": [
    [
      [0, "10 free"],
      [5, "is fine"],
    ],
    ["0-5 10 free"],
  ],
  "another reason is another span, another number is none": [
    [
      [0, "!10 free"],
      [1, "!9 free"],
      [2, "!gone"],
      [3, "ok"],
    ],
    ["0-2 !10 free", "2-3 !gone", "3-3 ok"],
  ],
  "nothing is told of a time when nobody looked": [
    [
      [0, "ok"],
      [90, "ok"],
    ],
    ["0-0 ok", "90-90 ok"],
  ],
  "a clock that was set back": [
    [
      [100, "ok"],
      [10, "ok"],
    ],
    ["100-100 ok", "10-10 ok"],
  ],
};
for (const [what, [results, spans]] of Object.entries(CASES)) {
  test(what, () => assert.deepEqual(show(kept(results)), spans));
}

test("the oldest spans go, and long messages are cut", () => {
  const spans = kept(Array.from({ length: 300 }, (_, i) => [i, i % 2 === 0 ? "ok" : `!${"x".repeat(5000)}`] as const));
  assert.equal(spans.length, 50);
  assert.equal(spans.at(-1)?.from, at(299));
  assert.ok(JSON.stringify(spans).length < 20_000);
});

test("since when a check is unhealthy", () => {
  const since = (...results: (readonly [number, string])[]): string | undefined => unhealthySince(kept(results));
  assert.equal(since(), undefined);
  assert.equal(since([0, "!a"], [1, "ok"]), undefined);
  assert.equal(since([0, "ok"], [1, "!a"], [2, "!b"], [3, "!b"]), at(1), "for whatever reason");
  assert.equal(since([0, "!a"], [90, "!a"]), at(90), "as far as somebody looked");
});
