/** Files of somebody else that may not be read: the errors of Nix, and no answer that others were given before. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { unmetNeed } from "../support/needs.ts";
import { AS_NOBODY, makeLockedTree, PERMISSION_CASES, verdictOf } from "./permission-cases.ts";

const NOBODY = 65534;
/** Any group that nobody is not in. */
const GROUP = 4;
const NIX_INSTANTIATE = join(import.meta.dirname, "../../bin/compat/nix-instantiate");

const skip = unmetNeed("root", "open-checkout", "setpriv");
const directory = realpathSync(mkdtempSync(join(tmpdir(), "pristine-permissions-")));
after(() => rmSync(directory, { recursive: true, force: true }));
const tree = join(directory, "tree");
const home = join(directory, "home");
if (skip === false) {
  chmodSync(directory, 0o755);
  mkdirSync(tree);
  makeLockedTree(tree);
  mkdirSync(home);
  chownSync(home, NOBODY, NOBODY);
}

const env = { ...process.env, HOME: home, XDG_CACHE_HOME: join(home, "cache"), NIX_PATH: "", PRISTINE_RESIDENT: "off" };

/** What is printed, or the error; the command line stands before the expression. */
function evaluate(as: readonly string[], expression: string): string {
  const [program, ...args] = [...as, NIX_INSTANTIATE, "--eval", "--strict", "-E", expression];
  const { stdout, stderr } = spawnSync(program!, args, { env, encoding: "utf8", cwd: directory });
  return verdictOf(stdout + stderr);
}

suite("looks at what may not be read", { skip }, () => {
  for (const [expression, expected] of PERMISSION_CASES) {
    test(expression, () => {
      assert.equal(evaluate(AS_NOBODY, expression.replaceAll("DIR", tree)), expected.replaceAll("DIR", tree));
    });
  }
});

suite("what was remembered", { skip }, () => {
  const file = join(directory, "shared.nix");
  const nested = join(directory, "open/shared.nix");
  const slow = "builtins.foldl' (a: b: a + b) 0 (builtins.genList (x: x) 100000)";
  /** Takes so long that it is worth remembering. */
  const asked = (path: string): string => `builtins.seq (${slow}) (builtins.readFile ${path})`;
  const cache = join(home, "cache/pristine/evaluations");
  const entries = (): number => (existsSync(cache) ? readdirSync(cache).length : 0);
  const withMode = (path: string, mode: number): string => {
    rmSync(path, { force: true });
    mkdirSync(join(directory, "open"), { recursive: true });
    writeFileSync(path, "text");
    chmodSync(path, mode);
    return asked(path);
  };

  test("is not for those who have left the group", () => {
    const expression = withMode(file, 0o640);
    chownSync(file, 0, GROUP);
    const inGroup = AS_NOBODY.map((word) => (word === "--clear-groups" ? `--groups=${GROUP}` : word));
    const before = entries();
    assert.deepEqual([evaluate(inGroup, expression), evaluate(inGroup, expression)], ['"text"', '"text"']);
    assert.equal(entries(), before + 1);
    assert.equal(evaluate(AS_NOBODY, expression), `error: opening file '${file}': Permission denied`);
  });

  test("is not for those who may not read the file any more", () => {
    const expression = withMode(file, 0o644);
    assert.equal(evaluate(AS_NOBODY, expression), '"text"');
    chmodSync(file, 0o600);
    assert.equal(evaluate(AS_NOBODY, expression), `error: opening file '${file}': Permission denied`);
  });

  test("is not for those who may not enter the directory any more", () => {
    const expression = withMode(nested, 0o644);
    assert.equal(evaluate(AS_NOBODY, expression), '"text"');
    chmodSync(join(directory, "open"), 0o700);
    assert.equal(evaluate(AS_NOBODY, expression), `error: getting status of "${nested}": Permission denied`);
    chmodSync(join(directory, "open"), 0o755);
    assert.equal(evaluate(AS_NOBODY, expression), '"text"');
  });

  test("by root, in a cache that anybody may enter, is not for others", () => {
    const expression = withMode(file, 0o600);
    const before = entries();
    assert.equal(evaluate([], expression), '"text"');
    assert.equal(entries(), before, "root writes nothing into the cache of another user");
    const ofRoot = join(directory, "cache-of-root");
    env.XDG_CACHE_HOME = ofRoot;
    assert.equal(evaluate([], expression), '"text"');
    const written = readdirSync(join(ofRoot, "pristine/evaluations"), { recursive: true, encoding: "utf8" });
    assert.equal(written.length, 1);
    for (const path of ["", "pristine", "pristine/evaluations", `pristine/evaluations/${written[0]!}`]) {
      chmodSync(join(ofRoot, path), 0o755);
    }
    assert.equal(evaluate(AS_NOBODY, expression), `error: opening file '${file}': Permission denied`);
  });
});
