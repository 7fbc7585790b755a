/** A real Nix refuses and allows the same looks at files. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { oracleCommand } from "../../scripts/oracle.ts";
import { ACCESS_CASES, makeAccessTree, verdictOf } from "../language/access-cases.ts";

const directory = realpathSync(mkdtempSync(join(tmpdir(), "pristine-oracle-access-")));
after(() => {
  spawnSync("chmod", ["-R", "u+w", directory]);
  rmSync(directory, { recursive: true, force: true });
});
const nixDir = join(directory, "nix");
const tree = join(directory, "tree");
spawnSync("mkdir", [tree]);
makeAccessTree(tree);

const here = (text: string): string => text.replaceAll("DIR", tree);
// Entering the oracle takes longer than all the cases.
const script = ACCESS_CASES.map(({ flags, expression }) => {
  const quoted = [...flags.map(here), "-E", here(expression)].map((word) => `'${word.replaceAll("'", "'\\''")}'`);
  return `nix-instantiate --eval --strict --read-write-mode ${quoted.join(" ")} 2>&1; printf '\\0'`;
}).join("\n");
const { argv, env } = oracleCommand(["bash", "-c", script], { nixDir, bind: [directory] });
const { stdout } = spawnSync(argv[0]!, argv.slice(1), { env, encoding: "utf8" });
const answers = stdout.split("\0");

for (const [index, { flags, expression, expected }] of ACCESS_CASES.entries()) {
  test(`${flags.join(" ")} ${expression}`, () => {
    assert.equal(verdictOf(answers[index] ?? ""), here(expected));
  });
}
