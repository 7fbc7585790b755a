/** The benchmark of deployments runs, on two hosts, so that it cannot rot; what it measures is not asserted. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { CHECKOUT } from "../support/shop.ts";
import { labsMissing } from "../support/test-system.ts";

test("bench fleet-load --tiny", { skip: await labsMissing() }, () => {
  const argv = [join(CHECKOUT, "bench/fleet-load.ts"), "--tiny"];
  const stdout = execFileSync(process.execPath, argv, { encoding: "utf8", timeout: 400_000 });
  assert.equal((JSON.parse(stdout) as { first: { hosts: number } }).first.hosts, 2);
});
