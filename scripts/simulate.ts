/**
 * `npm run simulate -- [--seed N] [--runs N]`: fleets in simulation, a story for each seed, whose invariants must hold.
 *
 *     npm run simulate -- --seed 7 --trace          tells one story whole
 *     npm run simulate -- --without timer           does without a safeguard until what it is for does not hold
 *     npm run simulate -- --runs 100000 --json      one record, for programs
 *
 * `--jobs N` threads share the work, one for each processor unless said otherwise; what is told does not depend on it.
 * The exit status is 1 when something does not hold (with `--without`: when nothing is caught).
 */

import { once } from "node:events";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { mapConcurrently } from "../src/base/concurrency.ts";
import { SAFEGUARDS, type Safeguard } from "../test/simulate/fleet/safeguards.ts";
import type { SeedRange, SeedResults } from "./simulate-worker.ts";

const RUNS_DEFAULT = "1000";
const PROGRESS_RUNS = 1_000;
/** Seeds that a thread is given at a time. */
const RANGE_SEEDS = 50;

const { values: options } = parseArgs({
  options: {
    seed: { type: "string", default: "0" },
    runs: { type: "string" },
    jobs: { type: "string", default: String(availableParallelism()) },
    without: { type: "string" },
    trace: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
const without = safeguardOf(options.without);
const first = numberOf("seed", options.seed);
const runs = numberOf("runs", options.runs ?? (options.trace ? "1" : RUNS_DEFAULT));
const jobs = Math.max(1, numberOf("jobs", options.jobs));

function numberOf(option: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new Error(`--${option} takes a whole number, not '${text}'`);
  return Number(text);
}

function safeguardOf(name: string | undefined): Safeguard | undefined {
  if (name === undefined || isSafeguard(name)) return name;
  throw new Error(`there is no safeguard '${name}': ${Object.keys(SAFEGUARDS).join(", ")}`);
}

function isSafeguard(name: string): name is Safeguard {
  return Object.hasOwn(SAFEGUARDS, name);
}

const outcomes = new Map<string, number>();
const startedMs = performance.now();
let failed: SeedResults["failed"];
let done = 0;

/** Takes results in the order of the seeds; what comes after the first that fails does not count. */
function take(results: SeedResults): void {
  if (failed !== undefined) return;
  for (const trace of results.traces) console.log(trace.join("\n"));
  for (const status of results.statuses) outcomes.set(status, (outcomes.get(status) ?? 0) + 1);
  const before = done;
  done += results.done;
  failed = results.failed;
  const isDue = Math.floor(done / PROGRESS_RUNS) > Math.floor(before / PROGRESS_RUNS);
  if (isDue && done < runs) console.error(`${done} of ${runs}`);
}

/** Each thread takes the next range, until all are done or one has failed. */
async function simulateAll(): Promise<void> {
  const ranges = Math.ceil(runs / RANGE_SEEDS);
  const waiting = new Map<number, SeedResults>();
  let next = 0;
  let taken = 0;
  const threads = Array.from({ length: Math.min(jobs, ranges) }, (_, index) => index);
  await mapConcurrently(threads, jobs, async () => {
    const worker = new Worker(new URL("simulate-worker.ts", import.meta.url));
    while (next < ranges && failed === undefined) {
      const index = next++;
      const count = Math.min(RANGE_SEEDS, runs - index * RANGE_SEEDS);
      const range: SeedRange = { first: first + index * RANGE_SEEDS, count, without, traces: options.trace };
      worker.postMessage(range);
      waiting.set(index, ((await once(worker, "message")) as [SeedResults])[0]);
      for (let results = waiting.get(taken); results !== undefined; results = waiting.get(taken)) {
        waiting.delete(taken++);
        take(results);
      }
    }
    await worker.terminate();
  });
}

await simulateAll();
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
