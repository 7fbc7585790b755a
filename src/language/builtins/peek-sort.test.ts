/** Sorting with a comparison that may be wrong. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { peekSort } from "./peek-sort.ts";

test("equal elements keep their order", () => {
  const items = Array.from({ length: 100 }, (_, i) => ({ key: (i * 7) % 5, at: i }));
  const sorted = peekSort(items, (a, b) => a.key < b.key);
  const expected = items.toSorted((a, b) => a.key - b.key);
  assert.deepEqual(sorted, expected);
});

test("a comparison that contradicts itself loses nothing", () => {
  const items = Array.from({ length: 33 }, (_, i) => i);
  assert.deepEqual(
    peekSort(items, () => true).sort((a, b) => a - b),
    items,
  );
});
