/**
 * Fleets in simulation: the rollout engine, its journal and its pending hosts against hosts that run the real kit, on
 * virtual time, with failures from a seed.
 *
 * `SEED=n` runs one seed and tells its story, `SLOW=1` runs many more; `npm run simulate` runs any number.
 */

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isWholeRun } from "../../support/whole-run.ts";
import { isCaught, SAFEGUARDS, type Safeguard } from "./safeguards.ts";
import { simulate, type Simulation } from "./simulate.ts";

const SEEDS = isWholeRun ? 10_000 : 250;
/** Within so many seeds a missing safeguard is caught. */
const MISSED_SEEDS_MAX = 1_000;

function storyOf({ seed, trace, violation }: Simulation): string {
  return `SEED=${seed}: ${violation?.invariant ?? "holds"}: ${violation?.message ?? ""}\n${trace.join("\n")}`;
}

async function check(seed: number): Promise<Simulation> {
  const simulation = await simulate(seed);
  assert.equal(simulation.violation, undefined, storyOf(simulation));
  return simulation;
}

const only = process.env["SEED"];
if (only !== undefined) {
  test(`seed ${only}`, async () => console.log(storyOf(await check(Number(only)))));
} else {
  test(`${SEEDS} fleets`, async () => {
    const told = new Map<string, number>();
    for (let seed = 0; seed < SEEDS; seed++) {
      for (const { status } of (await check(seed)).outcomes) told.set(status, (told.get(status) ?? 0) + 1);
    }
    // Every ending occurs, or the stories are not worth telling.
    for (const status of [
      "activated",
      "tested",
      "unchanged",
      "rolled-back",
      "failed",
      "unreachable",
      "unknown",
      "skipped",
    ])
      assert.ok((told.get(status) ?? 0) > 0, `${status}: ${told.get(status) ?? 0}`);
  });

  test("the same seed tells the same story", async () => {
    assert.deepEqual((await simulate(11)).trace, (await simulate(11)).trace);
  });

  suite("a safeguard would be missed", () => {
    for (const [safeguard, invariant] of Object.entries(SAFEGUARDS))
      test(`${safeguard}: ${invariant}`, async () => assert.ok(await isMissed(safeguard as Safeguard)));
  });
}

async function isMissed(safeguard: Safeguard): Promise<boolean> {
  for (let seed = 0; seed < MISSED_SEEDS_MAX; seed++) {
    if (isCaught((await simulate(seed, safeguard)).violation, safeguard)) return true;
  }
  return false;
}
