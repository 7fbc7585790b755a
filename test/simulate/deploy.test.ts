/**
 * The deployer against a model of a host, over thousands of seeds: hosts that fail, connections that are lost at any
 * call, answers that are lost, power that is cut.
 *
 * What is told of a host is what the host did, a host that looks unhealthy is never confirmed, and the deployer ends in
 * bounded time. `SEED=n` runs one seed,
 * `SLOW=1` many more.
 */

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { activateHost } from "../../src/fleet/activate-host.ts";
import { KitError } from "../../src/fleet/host-kit.ts";
import type { HostResult } from "../../src/fleet/outcome.ts";
import type { HealthResult } from "../../src/machine/health-check.ts";
import type { TransactionPlan } from "../../src/machine/transaction.ts";
import { type Fate, ModelHost, type Span, VirtualClock } from "../support/model-host.ts";
import { Random } from "../support/random.ts";

const SEEDS = process.env["SLOW"] === "1" ? 50_000 : 4_000;
/** Six tries to begin, the window of the activation, and the last calls. */
const BOUND_MS = 6 * 121_000 + (300 + 120 + 90 + 120) * 1000;

interface Story {
  readonly fate: Fate;
  readonly plan: TransactionPlan;
  readonly abandonAtMs: number | undefined;
}

function storyOf(seed: number): Story {
  const random = new Random(seed);
  const chance = (probability: number): boolean => random.chance(probability);
  const upTo = (max: number): number => random.upTo(max);
  const span = (withinMs: number, lastsMs: number): Span => {
    const fromMs = upTo(withinMs);
    return { fromMs, toMs: fromMs + upTo(lastsMs) };
  };
  const calls = (count: number): Set<number> => new Set(Array.from({ length: upTo(count) }, () => 1 + upTo(8)));
  const fate: Fate = {
    activationMs: upTo(20_000),
    checkMs: upTo(30_000),
    revertMs: upTo(20_000),
    ...(chance(0.3) && { fails: chance(0.5) ? "activation" : "check" }),
    ...(chance(0.1) && { unitsFailOnTheWayBack: true }),
    ...(chance(0.15) && { cutsNetwork: true }),
    ...(chance(0.4) && { looks: { healthy: chance(0.5), afterMs: upTo(60_000) } }),
    outages: [
      ...(chance(0.05) ? [{ fromMs: 0, toMs: upTo(400_000) }] : []),
      ...(chance(0.4) ? Array.from({ length: 1 + upTo(3) }, () => span(120_000, chance(0.1) ? 900_000 : 40_000)) : []),
    ],
    ...(chance(0.2) && { powerCut: span(60_000, 120_000) }),
    answersLost: chance(0.3) ? calls(4) : new Set<number>(),
    callsFailing: chance(0.2) ? calls(4) : new Set<number>(),
    ...(chance(0.03) && { isLocked: true }),
  };
  const plan: TransactionPlan = {
    version: 1,
    id: `seed-${seed}`,
    goal: chance(0.2) ? "test" : "switch",
    host: "web",
    system: "new",
    operator: { user: "op", host: "desk", pid: 1 },
    reason: "deploy",
    confirmTimeoutSeconds: 10 + upTo(110),
    keepGenerations: 3,
    healthChecks: [],
  };
  return { fate, plan, abandonAtMs: chance(0.1) ? upTo(120_000) : undefined };
}

async function check(seed: number): Promise<HostResult["status"] | "refused"> {
  const { fate, plan, abandonAtMs } = storyOf(seed);
  const clock = new VirtualClock();
  const host = new ModelHost(clock, fate);
  const abandon = new AbortController();
  if (abandonAtMs !== undefined) clock.at(abandonAtMs, () => abandon.abort());
  const seen: number[] = [];
  let looked = 0;
  let isHealthy = true;
  const look = async (withinMs: number): Promise<HealthResult[]> => {
    looked++;
    const { healthy, afterMs } = fate.looks!;
    isHealthy = healthy && afterMs <= withinMs;
    await clock.sleep(Math.min(afterMs, withinMs), abandon.signal);
    return [
      { name: "page", from: "deployer", healthy: isHealthy, attempts: 1, milliseconds: afterMs, message: "seen" },
    ];
  };
  let result: HostResult | undefined;
  try {
    result = await activateHost({
      kit: host,
      plan,
      clock,
      ...(fate.looks !== undefined && { checkHealth: look }),
      cancel: new AbortController().signal,
      abandon: abandon.signal,
      onRecord: (record) => seen.push(record.seq),
      onNote: () => undefined,
    });
  } catch (error) {
    assert.ok(error instanceof KitError, `threw ${String(error)}`);
    assert.equal(host.state, undefined, "a refusal before anything began");
    return "refused";
  }
  const endedMs = clock.nowMs();
  assert.ok(endedMs <= BOUND_MS, `took ${endedMs} ms`);
  assert.deepEqual(
    seen,
    seen.map((_, index) => index + 1),
    "each record once, in order",
  );
  const wasReachable =
    host.isReachable() &&
    [...fate.outages, fate.powerCut].every((span) => span === undefined || span.toMs < endedMs - 60_000);
  const truth = host.settle();
  assert.ok(looked <= 1, `looked at ${looked} times`);
  if (fate.looks !== undefined && (looked === 0 || !isHealthy))
    assert.ok(truth !== "confirmed" && truth !== "tested", "confirmed, though it did not look healthy");
  switch (result.status) {
    case "activated":
      assert.equal(truth, "confirmed");
      break;
    case "tested":
      assert.equal(truth, "tested");
      break;
    case "rolled-back":
      assert.ok(truth?.startsWith("revert") === true, `told rolled-back, but it is ${truth}`);
      break;
    case "unreachable":
      assert.equal(truth, undefined, "told that nothing began");
      break;
    case "unknown":
      assert.ok(abandonAtMs !== undefined || !wasReachable, `reachable, ${truth}, and yet unknown: ${result.reason}`);
      break;
    default:
      assert.fail(`ended as ${result.status}`);
  }
  const isQuiet =
    fate.outages.length + fate.answersLost.size + fate.callsFailing.size === 0 && fate.powerCut === undefined;
  if (isQuiet && fate.fails === undefined && fate.cutsNetwork !== true && abandonAtMs === undefined) {
    if (isHealthy) assert.ok(result.status === "activated" || result.status === "tested", "nothing was wrong");
    else {
      assert.ok(host.wasAskedToReturn, "it returned by its timer, though it could have been asked to");
      assert.match("reason" in result ? result.reason : "", /^health check 'page' from the deployer failed/);
    }
  }
  return result.status;
}

suite("a deployer and its host", () => {
  const only = process.env["SEED"];
  if (only !== undefined) {
    test(`seed ${only}`, async () => void (await check(Number(only))));
    return;
  }
  test(`${SEEDS} seeds`, async () => {
    const counts = new Map<string, number>();
    for (let seed = 0; seed < SEEDS; seed++) {
      try {
        const status = await check(seed);
        counts.set(status, (counts.get(status) ?? 0) + 1);
      } catch (error) {
        throw new Error(`SEED=${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
      }
    }
    // Every ending occurs, or the stories are not worth telling.
    for (const status of ["activated", "tested", "rolled-back", "unreachable", "unknown", "refused"])
      assert.ok((counts.get(status) ?? 0) > 5, `${status}: ${counts.get(status) ?? 0}`);
  });
});
