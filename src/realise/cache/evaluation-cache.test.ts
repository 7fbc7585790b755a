/** Entries: what is found, what is not believed, and how much is kept. */

import assert from "node:assert/strict";
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { EvaluationCache } from "./evaluation-cache.ts";
import { ReadCheck } from "./read-check.ts";
import { RecordedWorld } from "./recorded-world.ts";

const scratch = mkdtempSync(join(tmpdir(), "pristine-cache-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

const KEY = "a".repeat(64);
const EVALUATION = { text: "1", said: [{ kind: "trace", line: "hello" } as const], reads: [] };

let count = 0;
function newCache(): { readonly cache: EvaluationCache; readonly directory: string } {
  const directory = join(scratch, `cache-${count++}`);
  return { cache: new EvaluationCache(directory), directory };
}

const find = (cache: EvaluationCache, key = KEY): string | undefined => cache.find(key, new ReadCheck({}))?.text;

test("what was stored is found, by its own user alone", () => {
  const { cache, directory } = newCache();
  assert.equal(find(cache), undefined);
  cache.store(KEY, EVALUATION);
  assert.equal(find(cache), "1");
  assert.equal(find(cache, "b".repeat(64)), undefined);
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  assert.equal(statSync(join(directory, KEY)).mode & 0o777, 0o600);
});

test("damage anywhere in an entry costs the entry and nothing else", () => {
  const { cache, directory } = newCache();
  cache.store(KEY, EVALUATION);
  const whole = readFileSync(join(directory, KEY));
  for (let at = 0; at < whole.length; at++) {
    const damaged = Buffer.from(whole);
    damaged[at] = damaged[at]! ^ 1;
    writeFileSync(join(directory, KEY), damaged, { mode: 0o600 });
    assert.equal(find(cache), undefined, `a bit was changed in byte ${at}`);
    writeFileSync(join(directory, KEY), whole.subarray(0, at), { mode: 0o600 });
    assert.equal(find(cache), undefined, `cut off at byte ${at}`);
  }
  cache.store(KEY, EVALUATION);
  assert.equal(find(cache), "1");
});

test("what others could have written is not looked at", () => {
  const { cache, directory } = newCache();
  cache.store(KEY, EVALUATION);
  chmodSync(join(directory, KEY), 0o666);
  assert.equal(find(cache), undefined);
  cache.store(KEY, EVALUATION);
  chmodSync(directory, 0o777);
  assert.equal(find(new EvaluationCache(directory)), undefined);
});

test("a directory that cannot be looked at only costs evaluations", () => {
  // A file in its way is refused to root as well, as a directory without permission is to others.
  const file = join(scratch, "in-the-way");
  writeFileSync(file, "");
  const cache = new EvaluationCache(join(file, "evaluations"));
  assert.equal(find(cache), undefined);
  cache.store(KEY, EVALUATION);
  assert.equal(find(cache), undefined);
});

test("what was not used for longest goes first", () => {
  const { cache, directory } = newCache();
  const keys = Array.from({ length: 20 }, (_, index) => index.toString(16).padStart(64, "f"));
  const text = "x".repeat(1000);
  keys.forEach((key, index) => {
    cache.store(key, { ...EVALUATION, text });
    utimesSync(join(directory, key), 1_000_000 + index, 1_000_000 + index);
  });
  const { bytes } = cache.usage();
  assert.ok(cache.setBytesMax(bytes / 2));
  const left = readdirSync(directory).filter((name) => name !== "limit");
  assert.ok(left.length > 5 && left.length <= 10, `${left.length} entries are left`);
  assert.deepEqual(left.sort(), keys.slice(-left.length).sort());
  assert.equal(cache.clear().entries, left.length);
  assert.equal(cache.usage().entries, 0);
  assert.equal(cache.bytesMax, bytes / 2);
});

test("a file that has just changed is known by its contents only", () => {
  const path = join(scratch, "file");
  writeFileSync(path, "1");
  const recorded = (): ReturnType<typeof Object.entries> => {
    const world = new RecordedWorld();
    world.readFile(path);
    return Object.entries(world.reads.reads[0]!).filter(([key]) => key === "stamp" || key === "target");
  };
  assert.deepEqual(recorded(), [
    ["stamp", ""],
    ["target", ""],
  ]);
});
