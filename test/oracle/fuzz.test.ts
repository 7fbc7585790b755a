/** A short run of the differential fuzzer with a fixed seed; `SLOW=1` makes it long. `scripts/fuzz.ts` runs it by hand. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzz } from "../support/fuzz.ts";

const PROGRAMS = process.env["SLOW"] === "1" ? 20_000 : 500;

test("programs made by chance mean the same here and to a real Nix", async () => {
  const report = await fuzz({ seed: 20_340, programs: PROGRAMS, batch: 500, reduces: false });
  assert.deepEqual(report.differences, []);
  // Most evaluate, and some fail: otherwise little is compared.
  assert.ok(report.evaluating > PROGRAMS / 2 && report.failing > PROGRAMS / 20, JSON.stringify(report));
});
