/** Pure and restricted evaluation see what they may, and nothing else. */

import assert from "node:assert/strict";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { parseArguments } from "../../src/cli/compat/nix-instantiate-arguments.ts";
import { requestOf } from "../../src/cli/compat/nix-instantiate-run.ts";
import { evaluateMany } from "../support/evaluate-many.ts";
import { ACCESS_CASES, makeAccessTree, verdictOf } from "./access-cases.ts";

const directory = realpathSync(mkdtempSync(join(tmpdir(), "pristine-access-")));
after(() => rmSync(directory, { recursive: true, force: true }));
makeAccessTree(directory);

const here = (text: string): string => text.replaceAll("DIR", directory);
const outcomes = await evaluateMany(
  ACCESS_CASES.map(({ flags, expression }) => ({
    ...requestOf(parseArguments(["--eval", "--strict", ...flags.map(here)]), { baseDir: directory, storeRoot: "" }),
    expression: here(expression),
    env: { PATH: "/bin", HOME: "/home" },
  })),
);

for (const [index, { flags, expression, expected }] of ACCESS_CASES.entries()) {
  test(`${flags.join(" ")} ${expression}`, () => {
    assert.equal(verdictOf(outcomes[index]!.text), here(expected));
  });
}
