/** A real Nix says about our own corpus what the corpus expects, so that no case asks for what Nix does not do. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { oracleCommand } from "../../scripts/oracle.ts";
import { expectationOf, OWN_DIRECTORY, ownCases } from "../language/own-cases.ts";

/** Cases of which another release of Nix than the corpus's says something else, with the reason. */
const VERSION_DIFFERENCES: Readonly<Record<string, string>> = {};

const nixDir = mkdtempSync(join(tmpdir(), "pristine-oracle-nix-"));
after(() => {
  spawnSync("chmod", ["-R", "u+w", nixDir]);
  rmSync(nixDir, { recursive: true, force: true });
});

// One entry into the oracle for all cases: each answer is a file, of the value or of the error.
const ASK = `
cd "$1"; answers=$2; shift 2
for name in "$@"; do
  if nix-instantiate --eval --strict --read-write-mode "$name.nix" >"$answers/$name.okay" 2>"$answers/$name.fail"
  then rm "$answers/$name.fail"; else rm "$answers/$name.okay"; fi
done
`;

const cases = ownCases();
const answers = mkdtempSync(join(tmpdir(), "pristine-own-corpus-"));
after(() => rmSync(answers, { recursive: true, force: true }));
const { argv, env } = oracleCommand(["bash", "-c", ASK, "ask", OWN_DIRECTORY, answers, ...cases], {
  nixDir,
  bind: [answers],
});
const asked = spawnSync(argv[0]!, argv.slice(1), { env, encoding: "utf8" });

for (const name of cases) {
  test(name, { skip: VERSION_DIFFERENCES[name] ?? false }, () => {
    assert.equal(asked.status, 0, asked.stderr);
    const kind = name.startsWith("eval-okay") ? "okay" : "fail";
    const said = readFileSync(join(answers, `${name}.${kind}`), "latin1").replaceAll(OWN_DIRECTORY, "/pwd");
    assert.equal(said, readFileSync(expectationOf(name), "latin1"));
  });
}
