/** Whatever changes: what is remembered equals what would be found anew. `SLOW=1` tries many more worlds. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { EvaluationCache } from "../../src/realise/cache/evaluation-cache.ts";
import { rememberedEvaluation } from "../../src/realise/cache/remembered-evaluation.ts";
import { ReadCheck } from "../../src/realise/cache/read-check.ts";
import type { EvaluationRequest, EvaluationResult } from "../../src/realise/evaluation-request.ts";
import { type EvaluationBridge, runEvaluation } from "../../src/realise/run-evaluation.ts";
import { SharedEvaluator } from "../../src/realise/sharing/shared-evaluator.ts";
import { setStampGrain } from "../../src/system/file-stamp.ts";
import { ChangingWorld, Dice } from "../support/changing-world.ts";

const SLOW = process.env["SLOW"] === "1";
/** One world alone, for finding out why it fails. */
const ONE = process.env["SEED"];
const SEEDS = ONE !== undefined ? [Number(ONE)] : Array.from({ length: SLOW ? 200 : 2 }, (_, index) => index + 1);
const CHANGES = SLOW ? 150 : 60;
/** A little more than what the kernel's clock of files advances by. */
const GRAIN_MS = 12;

const signal = AbortSignal.timeout(600_000);

type Evaluate = (request: EvaluationRequest, bridge: EvaluationBridge) => EvaluationResult;

const BY_MEMBERS = "member by member";

/** Ways to evaluate that are to be as good as evaluating alone; each is opened for one world. */
const WAYS: Readonly<Record<string, () => Evaluate>> = {
  alone: () => (request, bridge) => runEvaluation(request, bridge),
  "sharing package sets": () => {
    const shared = new SharedEvaluator();
    return (request, bridge) => shared.evaluate(request, bridge, new ReadCheck(request.env ?? {}));
  },
  [BY_MEMBERS]: () => {
    const shared = new SharedEvaluator();
    return (request, bridge) => shared.evaluate(request, bridge, new ReadCheck(request.env ?? {}), { isPartial: true });
  },
};

for (const [way, seed] of Object.keys(WAYS).flatMap((one) => SEEDS.map((number) => [one, number] as const))) {
  test(`a remembered answer equals a fresh one (${way}, seed ${seed})`, async () => {
    const scratch = mkdtempSync(join(tmpdir(), "pristine-sound-"));
    const grain = setStampGrain(GRAIN_MS);
    try {
      const dice = new Dice(seed);
      const world = new ChangingWorld(join(scratch, "world"), dice, { asSets: way === BY_MEMBERS });
      const remembered = await changeAndAsk(scratch, dice, world, WAYS[way]!());
      assert.ok(remembered > CHANGES / 10, `only ${remembered} answers were remembered: the test shows little`);
    } finally {
      setStampGrain(grain);
      rmSync(scratch, { recursive: true, force: true });
    }
  });
}

/** Changes the world and asks, again and again; answers how often the answer was remembered. */
async function changeAndAsk(scratch: string, dice: Dice, world: ChangingWorld, evaluate: Evaluate): Promise<number> {
  const cache = new EvaluationCache(join(scratch, "cache"));
  const changes: string[] = [];
  let remembered = 0;
  for (let step = 0; step < CHANGES; step++) {
    // Sometimes time enough passes for stamps to be trusted, sometimes not.
    if (dice.below(3) === 0) await sleep(2 * GRAIN_MS);
    for (let count = dice.below(3); count > 0; count--) changes.push(world.change());
    for (let count = 1 + dice.below(3); count > 0; count--) {
      const request = world.request();
      let evaluated = 0;
      const answer = await outcomeOf(async () => {
        const result = await rememberedEvaluation({
          request,
          signal,
          services: { remembering: { cache, worthKeepingMs: 0 } },
          evaluate: (asked, _, { onTrace, onWarning }) => {
            evaluated++;
            return Promise.resolve(evaluate(asked, { onTrace: onTrace!, onWarning: onWarning! }));
          },
        });
        return shown(result);
      });
      const fresh = await outcomeOf(() => Promise.resolve(shown(runEvaluation(request))));
      if (evaluated === 0) remembered++;
      if (answer !== fresh)
        assert.equal(answer, fresh, `after ${changes.slice(-8).join("; ")}\n${asked(request)}\n${world.describe()}`);
    }
  }
  return remembered;
}

/** What a person gets to see. */
function shown({ text, traces, warnings }: EvaluationResult): string {
  return JSON.stringify({ text, traces, warnings });
}

async function outcomeOf(evaluate: () => Promise<string>): Promise<string> {
  try {
    return await evaluate();
  } catch (error) {
    return `failed: ${(error as Error).message}`;
  }
}

function asked({ file, args, env }: EvaluationRequest): string {
  return JSON.stringify({ file, args, env });
}
