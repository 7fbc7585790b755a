import assert from "node:assert/strict";
import { chmodSync, lstatSync, mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { test } from "node:test";
import {
  exists,
  linkTarget,
  makeTemporaryDirectory,
  namesIn,
  readTail,
  readText,
  readTextIfPresent,
  removeTree,
  replaceSymlink,
  statusOf,
  writeFileAtomic,
} from "./files.ts";

test("files are replaced as a whole, links too, and read-only trees can be removed", async () => {
  const directory = await makeTemporaryDirectory(`${tmpdir()}/files-`);
  await writeFileAtomic(`${directory}/a`, "one");
  await writeFileAtomic(`${directory}/a`, "two", { mode: 0o600 });
  assert.equal(await readText(`${directory}/a`), "two");
  assert.equal((await statusOf(`${directory}/a`))?.mode, 0o600);
  assert.equal((await readTail(`${directory}/a`, 2)).toString(), "wo");
  assert.equal(await readTextIfPresent(`${directory}/b`), undefined);
  await replaceSymlink("a", `${directory}/l`);
  await replaceSymlink("nowhere", `${directory}/l`);
  assert.equal(await linkTarget(`${directory}/l`), "nowhere");
  assert.equal(await linkTarget(`${directory}/a`), undefined);
  assert.deepEqual(await namesIn(directory), ["a", "l"]);

  mkdirSync(`${directory}/ro/deep`, { recursive: true });
  writeFileSync(Buffer.concat([Buffer.from(`${directory}/ro/deep/`), Buffer.from([0xff])]), "x");
  chmodSync(`${directory}/ro/deep`, 0o555);
  chmodSync(`${directory}/ro`, 0o555);
  const occupied = lstatSync(directory).blocks;
  assert(occupied >= 0);
  await removeTree(directory);
  assert.equal(await exists(directory), false);
});
