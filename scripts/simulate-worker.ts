/** Simulates the seeds that it is sent, in order and up to the first that fails, in a thread of its own. */

import { parentPort } from "node:worker_threads";
import { isCaught, type Safeguard } from "../test/simulate/fleet/safeguards.ts";
import { simulate, type Simulation } from "../test/simulate/fleet/simulate.ts";

export interface SeedRange {
  readonly first: number;
  readonly count: number;
  readonly without: Safeguard | undefined;
  /** Whether the stories are wanted, or only that of the seed that fails. */
  readonly traces: boolean;
}

export interface SeedResults {
  /** Those that were simulated, the failing one included. */
  readonly done: number;
  /** What deployers told of hosts. */
  readonly statuses: readonly string[];
  readonly traces: readonly (readonly string[])[];
  readonly failed: Omit<Simulation, "outcomes"> | undefined;
}

async function simulateRange({ first, count, without, traces: isTold }: SeedRange): Promise<SeedResults> {
  const statuses: string[] = [];
  const traces: (readonly string[])[] = [];
  for (let seed = first; seed < first + count; seed++) {
    const { outcomes, ...simulation } = await simulate(seed, without);
    statuses.push(...outcomes.map(({ status }) => status));
    if (isCaught(simulation.violation, without)) {
      return { done: seed - first + 1, statuses, traces, failed: simulation };
    }
    if (isTold) traces.push(simulation.trace);
  }
  return { done: count, statuses, traces, failed: undefined };
}

parentPort!.on("message", (range: SeedRange) => {
  void simulateRange(range).then((results) => parentPort!.postMessage(results));
});
