/**
 * Lock files of flakes that are damaged or lie, and inputs that cannot be reached: an error that says which, soon, and
 * nothing is written; or the lock file is made good again, as a real Nix does.
 */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { promisify } from "node:util";
import { isWholeRun } from "../support/whole-run.ts";
import { LOCK_CASES, type LockCase, makeLockedFlakes, VALUE, verdictOf, writeCase, writeTop } from "./lock-cases.ts";

const NIX = join(import.meta.dirname, "../../bin/compat/nix");
const TIMEOUT_MS = 20_000;

const directory = realpathSync(mkdtempSync(join(tmpdir(), "pristine-locks-")));
after(() => rmSync(directory, { recursive: true, force: true }));
const env = {
  ...process.env,
  HOME: directory,
  XDG_CACHE_HOME: join(directory, "cache"),
  XDG_CONFIG_HOME: join(directory, "config"),
  PRISTINE_CACHE: "off",
  PRISTINE_RESIDENT: "off",
};
const registry = join(directory, "none.json");
const FLAGS = ["--extra-experimental-features", "nix-command flakes", "--flake-registry", registry];
const STORE = ["--store", `local?root=${join(directory, "root")}`];

makeLockedFlakes(directory);
mkdirSync(join(directory, "empty"));
writeTop(join(directory, "good"), directory);
writeFileSync(registry, '{"version":2,"flakes":[]}');
// This also brings the flakes into the store.
assert.equal(await nix("eval", `path:${directory}/good#x`), `${VALUE}\n`);
const good = readFileSync(join(directory, "good/flake.lock"), "utf8");

async function nix(...args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(NIX, [...args, ...FLAGS, ...STORE], { env, timeout: TIMEOUT_MS });
    return stdout;
  } catch (error) {
    const { code, stdout, stderr } = error as {
      readonly code?: unknown;
      readonly stdout: string;
      readonly stderr: string;
    };
    assert.equal(code, 1, stderr);
    return stdout + stderr;
  }
}

function lockOf({ name }: LockCase): string | undefined {
  try {
    return readFileSync(join(directory, name, "flake.lock"), "latin1");
  } catch {
    // The case has none.
    return undefined;
  }
}

/** One of each kind; the others when there is time. */
const ALWAYS = new Set(
  "absent cut-off nested-deeply version-text node-absent follows-itself hash-wrong path-gone git-unreachable".split(
    " ",
  ),
);

suite("a lock file", { concurrency: availableParallelism() }, () => {
  for (const locked of LOCK_CASES) {
    const { name, expected } = locked;
    if (!ALWAYS.has(name) && !isWholeRun) continue;
    test(name, async () => {
      writeCase(join(directory, name), locked, good);
      const before = lockOf(locked);
      const answer = await nix("eval", `path:${directory}/${name}#x`);
      if (expected === undefined) {
        assert.equal(answer, `${VALUE}\n`);
        assert.equal(lockOf(locked), good);
        return;
      }
      assert.equal(verdictOf(answer, directory, name), expected);
      assert.equal(lockOf(locked), before, "nothing is written");
    });
  }
});
