/** A real Nix evaluates the same expressions to the same values and store paths. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { oracleCommand } from "../../scripts/oracle.ts";
import { evaluateMany } from "../support/evaluate-many.ts";

const DIRECTORY = join(import.meta.dirname, "evaluation");
const nixDir = mkdtempSync(join(tmpdir(), "pristine-oracle-nix-"));
after(() => {
  spawnSync("chmod", ["-R", "u+w", nixDir]);
  rmSync(nixDir, { recursive: true, force: true });
});

function oracle(): Record<string, unknown> {
  const command = ["nix-instantiate", "--extra-experimental-features", "ca-derivations"];
  const flags = ["--eval", "--strict", "--json", "--read-write-mode", join(DIRECTORY, "values.nix")];
  const { argv, env } = oracleCommand([...command, ...flags], { nixDir });
  const result = spawnSync(argv[0] as string, argv.slice(1), { env, encoding: "utf8", maxBuffer: 1 << 28 });
  assert.equal(result.status, 0, result.stderr);
  return JSON.parse(result.stdout) as Record<string, unknown>;
}

async function ours(): Promise<Record<string, unknown>> {
  const [outcome] = await evaluateMany([{ file: "values.nix", baseDir: DIRECTORY, output: "json", env: {} }]);
  assert.ok(outcome?.ok, outcome?.text);
  return JSON.parse(outcome.text) as Record<string, unknown>;
}

const [expected, actual] = [oracle(), await ours()];
for (const name of Object.keys(expected)) {
  test(name, () => assert.deepEqual(actual[name], expected[name]));
}
