/** A real Nix says the same of files that may not be read. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { oracleCommand } from "../../scripts/oracle.ts";
import { AS_NOBODY, makeLockedTree, PERMISSION_CASES, verdictOf } from "../hostile/permission-cases.ts";

const directory = realpathSync(mkdtempSync(join(tmpdir(), "pristine-oracle-permissions-")));
after(() => rmSync(directory, { recursive: true, force: true }));
chmodSync(directory, 0o755);
const tree = join(directory, "tree");
mkdirSync(tree);
makeLockedTree(tree);

const here = (text: string): string => text.replaceAll("DIR", tree);
// Nothing is written, so that nobody needs no store.
const nix = `${AS_NOBODY.join(" ")} nix-instantiate --store dummy:// --eval --strict`;
const script = PERMISSION_CASES.map(([expression]) => `${nix} -E '${here(expression)}' 2>&1; printf '\\0'`).join("\n");
const { argv, env } = oracleCommand(["bash", "-c", `export HOME=/homeless\n${script}`], {
  nixDir: join(directory, "nix"),
  bind: [directory],
});
const { stdout } = spawnSync(argv[0]!, argv.slice(1), { env, encoding: "utf8" });
const answers = stdout.split("\0");

for (const [index, [expression, expected]] of PERMISSION_CASES.entries()) {
  test(expression, () => {
    assert.equal(verdictOf(answers[index] ?? ""), here(expected));
  });
}
