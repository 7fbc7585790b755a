/** The benchmarks run, on tiny inputs, so that they cannot rot; what they measure is not asserted. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { CHECKOUT } from "../support/shop.ts";

const bench = (args: readonly string[]): string => {
  const argv = [join(CHECKOUT, "scripts/bench.ts"), ...args];
  const result = spawnSync(process.execPath, argv, { cwd: CHECKOUT, encoding: "utf8", timeout: 300_000 });
  assert.equal(result.status, 0, result.stderr);
  return result.stdout;
};

/** Those that need local hosts: `test/machine/bench.test.ts`. */
const ON_HOSTS = new Set(["fleet-load"]);

for (const name of bench(["--list"]).trim().split("\n")) {
  if (ON_HOSTS.has(name)) continue;
  test(`bench ${name} --tiny`, () => {
    assert.match(bench([name, "--tiny"]), /\d/);
  });
}
