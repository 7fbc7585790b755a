/** A real Nix says the same of damaged lock files and of inputs that cannot be reached, or what the cases say it does. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { oracleCommand } from "../../scripts/oracle.ts";
import { LOCK_CASES, makeLockedFlakes, VALUE, verdictOf, writeCase, writeTop } from "../hostile/lock-cases.ts";

const directory = realpathSync(mkdtempSync(join(tmpdir(), "pristine-oracle-locks-")));
const nixDir = mkdtempSync(join(tmpdir(), "pristine-oracle-nix-"));
after(() => {
  for (const made of [directory, nixDir]) {
    spawnSync("chmod", ["-R", "u+w", made]);
    rmSync(made, { recursive: true, force: true });
  }
});

function runNix(script: string): string {
  const { argv, env } = oracleCommand(["bash", "-c", script], { nixDir, bind: [directory] });
  return spawnSync(argv[0]!, argv.slice(1), { env, encoding: "utf8" }).stdout;
}

makeLockedFlakes(directory);
mkdirSync(join(directory, "empty"));
writeTop(join(directory, "good"), directory);
writeFileSync(join(directory, "none.json"), '{"version":2,"flakes":[]}');
const nix = (words: string): string => `nix ${words} --flake-registry ${directory}/none.json 2>&1; printf '\\0'`;
runNix(nix(`eval path:${directory}/good#x`));
const good = readFileSync(join(directory, "good/flake.lock"), "utf8");
for (const locked of LOCK_CASES) writeCase(join(directory, locked.name), locked, good);
const words = LOCK_CASES.map(({ name }) => `eval path:${directory}/${name}#x`);
const answers = runNix(words.map(nix).join("\n")).split("\0");

for (const [index, { name, expected, real = expected ?? "repaired" }] of LOCK_CASES.entries()) {
  test(name, () => {
    if (real === "repaired") {
      assert.match(answers[index] ?? "", new RegExp(`^${VALUE}$`, "m"));
      assert.equal(readFileSync(join(directory, name, "flake.lock"), "utf8"), good);
    } else {
      const verdict = verdictOf(answers[index] ?? "", directory, name);
      assert.equal(verdict.slice(0, real.length), real);
    }
  });
}
