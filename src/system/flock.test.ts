import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { lockFile, tryLockFile } from "./flock.ts";
import { run } from "./process.ts";

test("a lock excludes others, is waited for, and may be removed with its file", async () => {
  const directory = mkdtempSync(`${tmpdir()}/flock-`);
  try {
    const path = `${directory}/x.lock`;
    const first = await lockFile(path);
    assert.equal(tryLockFile(path), undefined);
    assert.equal((await run(["flock", "-n", path, "true"])).code, 1);
    await assert.rejects(lockFile(path, { waitMs: 20 }), /held by another process/);
    let waited = false;
    const second = lockFile(path, { onWait: () => (waited = true) });
    first.release({ remove: true });
    const held = await second;
    assert.equal(waited, true);
    assert.equal(tryLockFile(path), undefined);
    held.release({ remove: true });
    assert.equal(existsSync(path), false);

    using shared = await lockFile(path, { mode: "shared" });
    assert.equal(shared.path, path);
    using other = tryLockFile(path, "shared");
    assert.notEqual(other, undefined);
    assert.equal(tryLockFile(path, "exclusive"), undefined);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("a file that is not empty can be locked: whoever wrote it was killed", () => {
  const directory = mkdtempSync(`${tmpdir()}/flock-`);
  try {
    const path = `${directory}/1234`;
    writeFileSync(path, "roots of a process that was killed");
    using lock = tryLockFile(path);
    assert.notEqual(lock, undefined);
    assert.equal(tryLockFile(path), undefined);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
