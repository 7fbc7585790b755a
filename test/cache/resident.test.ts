/** The resident process answers as this one would, and its absence or death costs only time. */

import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { after, test } from "node:test";
import type { EvaluationRequest } from "../../src/realise/evaluation-request.ts";
import { residentEvaluation, residentStatus, startResidentAfter } from "../../src/realise/resident/resident-client.ts";
import { runEvaluation } from "../../src/realise/run-evaluation.ts";
import { ChangingWorld, Dice } from "../support/changing-world.ts";

const REQUESTS = process.env["SLOW"] === "1" ? 2000 : 40;
const START_MS_MAX = 30_000;

const signal = AbortSignal.timeout(600_000);
const scratch = mkdtempSync(join(tmpdir(), "pristine-resident-"));
const runtime = join(scratch, "run");
mkdirSync(runtime);
process.env["XDG_RUNTIME_DIR"] = runtime;
process.env["PRISTINE_RESIDENT"] = "on";

const started: number[] = [];
after(() => {
  for (const pid of started) if (isAlive(pid)) process.kill(pid);
  rmSync(scratch, { recursive: true, force: true });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    // There is no such process any more.
    return false;
  }
}

async function start(request: EvaluationRequest): Promise<number> {
  startResidentAfter(request, 1000);
  for (const until = Date.now() + START_MS_MAX; Date.now() < until; await sleep(20)) {
    const status = await residentStatus(signal);
    if (status === undefined || status.answered === 0) continue;
    started.push(status.pid);
    return status.pid;
  }
  throw new Error("the resident process did not come up");
}

/** What is shown for a request, wherever it is evaluated. */
async function outcomeOf(evaluate: () => Promise<string> | string): Promise<string> {
  try {
    return await evaluate();
  } catch (error) {
    return `failed: ${(error as Error).message}`;
  }
}

const PLAIN: EvaluationRequest = { expression: "1 + 1", baseDir: scratch, output: "json" };

test("nothing is started for a quick evaluation, and nobody is asked who is not there", async () => {
  startResidentAfter(PLAIN, 10);
  assert.equal(await residentEvaluation(PLAIN, {}, signal), undefined);
  assert.equal(await residentStatus(signal), undefined);
});

test("the resident process answers as this one would, sees the client's variables, and may die", async () => {
  const world = new ChangingWorld(join(scratch, "world"), new Dice(7));
  const pid = await start(PLAIN);
  let answers = 0;
  for (let count = 0; count < REQUESTS; count++) {
    const change = world.change();
    const request = world.request();
    const fresh = await outcomeOf(() => runEvaluation(request).text);
    const answer = await outcomeOf(async () => {
      const result = await residentEvaluation(request, {}, signal);
      if (typeof result === "object") answers++;
      return typeof result === "object" ? result.text : fresh;
    });
    assert.equal(answer, fresh, `after ${change}`);
  }
  assert.ok(answers > REQUESTS / 4, `only ${answers} answers`);
  const variable = { ...PLAIN, expression: 'builtins.getEnv "OWN"', env: { OWN: "client" } };
  const seen = await residentEvaluation(variable, {}, signal);
  assert.ok(typeof seen === "object" && seen.text === '"client"');
  process.kill(pid);
  for (let waits = 0; isAlive(pid) && waits < 500; waits++) await sleep(10);
  assert.equal(await residentEvaluation(PLAIN, {}, signal), undefined);
});

test("a client that goes away ends what was done for it", async () => {
  await start(PLAIN);
  const endless = "builtins.foldl' (a: b: builtins.foldl' (x: y: x + y) a (builtins.genList (i: i) 1000000)) 0";
  const abort = new AbortController();
  const asking = residentEvaluation(
    { ...PLAIN, expression: `${endless} (builtins.genList (i: i) 1000000)` },
    {},
    abort.signal,
  );
  await sleep(100);
  assert.equal(await residentEvaluation(PLAIN, {}, signal), "declined", "it is busy");
  abort.abort();
  await assert.rejects(asking, { name: "AbortError" });
  for (let tries = 0; ; tries++) {
    const result = await residentEvaluation(PLAIN, {}, signal);
    if (typeof result === "object") return;
    assert.ok(tries < 500, "it is still busy");
    await sleep(10);
  }
});

test("a directory that others can enter is not used", async () => {
  chmodSync(join(runtime, "pristine"), 0o777);
  assert.equal(await residentStatus(signal), undefined);
  chmodSync(join(runtime, "pristine"), 0o700);
  assert.notEqual(await residentStatus(signal), undefined);
});
