/** Attribute sets: look-up, order and layers. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Attrs, attrsOf, attrsOfEntries } from "./attrs.ts";

const shown = (attrs: Attrs): string =>
  attrs.keys.map((key, i) => `${key}=${JSON.stringify(attrs.values[i])}`).join(" ");

test("names are in byte order whatever order they came in", () => {
  assert.equal(shown(attrsOf({ b: 2, a: 1, Z: 0, _: 3 })), "Z=0 _=3 a=1 b=2");
});

test("of two entries with one name the first counts", () => {
  assert.equal(
    shown(
      attrsOfEntries([
        ["a", 1],
        ["a", 2],
      ]),
    ),
    "a=1",
  );
});

test("a large set is searched as well as a small one", () => {
  const entries = Array.from({ length: 1000 }, (_, i): [string, number] => [`k${i}`, i]);
  const attrs = attrsOfEntries(entries);
  for (const [name, value] of entries) assert.equal(attrs.get(name), value);
  assert.equal(attrs.get("k1000"), undefined);
});

test("a layered update looks like a merged one, before and after it is enumerated", () => {
  let attrs = attrsOfEntries(Array.from({ length: 40 }, (_, i): [string, number] => [`k${i}`, i]));
  const expected = new Map(Array.from({ length: 40 }, (_, i): [string, number] => [`k${i}`, i]));
  for (let round = 0; round < 20; round++) {
    const name = `k${round * 3}`;
    attrs = attrs.update(attrsOf({ [name]: -round, [`n${round}`]: round }));
    expected.set(name, -round).set(`n${round}`, round);
    assert.equal(attrs.size, expected.size);
    for (const [key, value] of expected) assert.equal(attrs.get(key), value);
  }
  assert.deepEqual([...attrs.keys], [...expected.keys()].sort());
  for (const [key, value] of expected) assert.equal(attrs.get(key), value);
});

test("an update with nothing, or of nothing, is the other side itself", () => {
  const attrs = attrsOf({ a: 1 });
  assert.equal(attrs.update(Attrs.empty), attrs);
  assert.equal(Attrs.empty.update(attrs), attrs);
});
