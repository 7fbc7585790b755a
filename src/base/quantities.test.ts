import assert from "node:assert/strict";
import { test } from "node:test";
import { renderBytes, renderDuration } from "./quantities.ts";

test("sizes and durations", () => {
  assert.deepEqual([0, 1023, 1024, 5 * 1024 ** 3].map(renderBytes), ["0 B", "1023 B", "1.0 KiB", "5.0 GiB"]);
  assert.deepEqual([4.4, 999, 1000, 59_940, 125_000].map(renderDuration), [
    "4 ms",
    "999 ms",
    "1.0 s",
    "59.9 s",
    "2 min 05 s",
  ]);
});
