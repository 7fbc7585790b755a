/**
 * `npm run simulate -- [--seed N] [--runs N]`: fleets in simulation, a story for each seed, whose invariants must hold.
 *
 *     npm run simulate -- --seed 7 --trace          tells one story whole
 *     npm run simulate -- --without timer           does without a safeguard until that is caught
 *     npm run simulate -- --runs 100000 --json      one record, for programs
 *
 * The exit status is 1 when something does not hold (with `--without`: when nothing is caught).
 */

import { parseArgs } from "node:util";
import { simulate, type Simulation } from "../test/simulate/fleet/simulate.ts";
import { SAFEGUARDS, type Safeguard } from "../test/simulate/fleet/safeguards.ts";

const RUNS_DEFAULT = "1000";
const PROGRESS_RUNS = 5_000;

const { values: options } = parseArgs({
  options: {
    seed: { type: "string", default: "0" },
    runs: { type: "string" },
    without: { type: "string" },
    trace: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
const without = safeguardOf(options.without);
const first = Number(options.seed);
const runs = Number(options.runs ?? (options.trace ? "1" : RUNS_DEFAULT));
if (!Number.isInteger(first) || !Number.isInteger(runs)) throw new Error("--seed and --runs take whole numbers");

function safeguardOf(name: string | undefined): Safeguard | undefined {
  const found = SAFEGUARDS.find((safeguard) => safeguard === name);
  if (name !== undefined && found === undefined) {
    throw new Error(`there is no safeguard '${name}': ${SAFEGUARDS.join(", ")}`);
  }
  return found;
}

const outcomes = new Map<string, number>();
const startedMs = performance.now();
let failed: Simulation | undefined;
let done = 0;
for (; done < runs && failed === undefined; done++) {
  const simulation = await simulate(first + done, without);
  for (const { status } of simulation.outcomes) outcomes.set(status, (outcomes.get(status) ?? 0) + 1);
  if (simulation.violation !== undefined) failed = simulation;
  if (options.trace && failed === undefined) console.log(simulation.trace.join("\n"));
  if (!options.json && done > 0 && done % PROGRESS_RUNS === 0) console.error(`${done} of ${runs}`);
}
const seconds = Math.round((performance.now() - startedMs) / 100) / 10;
const told = [...outcomes].sort(([, one], [, other]) => other - one);

if (options.json) {
  const records = told.map(([status, count]) => ({ status, count }));
  const story = failed && { seed: failed.seed, ...failed.violation, trace: failed.trace };
  console.log(
    JSON.stringify({ runs: done, seconds, without: without ?? null, outcomes: records, failed: story ?? null }),
  );
} else {
  if (failed !== undefined) {
    console.log(failed.trace.join("\n"));
    console.log(`\nseed ${failed.seed}: ${failed.violation?.invariant ?? ""}\n  ${failed.violation?.message ?? ""}`);
  }
  console.log(
    `${done} seeds in ${seconds} s; told of hosts: ${told.map(([status, count]) => `${status} ${count}`).join(", ")}`,
  );
  if (without !== undefined) console.log(failed === undefined ? `${without} was not missed` : `${without} was missed`);
}
process.exitCode = (failed === undefined) === (without === undefined) ? 0 : 1;
