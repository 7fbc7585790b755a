/** `scripts/compare-engines.ts` finds what two engines say differently, and nothing else. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

const ROOT = join(import.meta.dirname, "../..");
const scratch = mkdtempSync(join(tmpdir(), "pristine-compare-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

const write = (path: string, text: string): void => {
  mkdirSync(join(scratch, path, ".."), { recursive: true });
  writeFileSync(join(scratch, path), text);
};
// Both engines are ours; what `<which>` is makes them differ.
write("left.nix", '"left"');
write("right.nix", '"right"');
write(
  "set/default.nix",
  `{ suffix ? "" }:
let
  which = import <which>;
  drv = name: derivation { name = name + suffix; system = "s"; builder = "b"; };
  set = rec {
    same = drv "same";
    other = drv which;
    thrown = throw "thrown by \${which}";
    ended = abort "ended on line 1\\nand 2 by \${which}";
    onlyLeft = if which == "left" then drv "one" else throw "no";
    count = 1;
    list = [ 1 which ];
    "with.dot" = { a = drv which; };
    within = { recurseForDerivations = true; same = drv "same"; deeper = { recurseForDerivations = true; it = drv which; }; };
    unmarked = { it = drv which; };
    itself = set;
    function = { a, b ? 1 }: a;
  };
in set`,
);

interface Found {
  readonly counts: Record<string, number>;
  readonly differences: readonly { readonly path: readonly string[]; readonly kind: string; readonly left: string }[];
}

function compare(...options: readonly string[]): {
  readonly status: number | null;
  readonly found: string[];
  all: Found;
} {
  const engine = (name: string): string =>
    `${join(ROOT, "bin/compat/nix-instantiate")} -I which=${scratch}/${name}.nix`;
  const sides = ["--left", engine("left"), "--right", engine("right"), "--explain", "0"];
  const script = join(ROOT, "scripts/compare-engines.ts");
  const argv = [script, "--json", ...sides, ...options, join(scratch, "set")];
  const env = { ...process.env, XDG_CACHE_HOME: join(scratch, "cache") };
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, { encoding: "utf8", env });
  assert.notEqual(stdout, "", stderr);
  const all = JSON.parse(stdout) as Found;
  return { status, all, found: all.differences.map(({ path, kind }) => `${path.join(" ")}: ${kind}`) };
}

test("the top level", () => {
  const { status, found, all } = compare();
  assert.deepEqual(found, [
    "ended: messages differ",
    "onlyLeft: fails right only",
    "other: drvPath differs",
    "thrown: messages differ",
  ]);
  assert.equal(status, 2);
  const ended = all.differences.find(({ path }) => path[0] === "ended")!;
  assert.match(ended.left, /ended on line 1\nand 2 by left/);
});

test("marked sets, values and arguments", () => {
  const { found } = compare("--recurse", "--values", "1", "--messages", "0", "--argstr", "suffix", "-x");
  const expected = ["list: value differs", "other: drvPath differs", "within deeper it: drvPath differs"];
  for (const one of expected) assert.ok(found.includes(one), `${one} is not in ${found.join("; ")}`);
  assert.ok(!found.some((one) => one.startsWith("unmarked it")));
});

test("sets within, by name or all of them", () => {
  assert.deepEqual(compare("-A", '"with.dot"', "-A", "unmarked").found, [
    "with.dot a: drvPath differs",
    "unmarked it: drvPath differs",
  ]);
  assert.ok(compare("--recurse-all", "--depth", "2").found.includes("itself other: drvPath differs"));
});

test("an engine that does not run ends the comparison", () => {
  const argv = [join(ROOT, "scripts/compare-engines.ts"), "--left", "false", "--right", "false", join(scratch, "set")];
  const { status, stderr } = spawnSync(process.execPath, argv, { encoding: "utf8" });
  assert.equal(status, 1);
  assert.match(stderr, /'left' \(false\) does not evaluate 1 \+ 1/);
});
