/** The deployer's side of an activation against a kit that answers by a script. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../base/clock.ts";
import { OperationError } from "../base/errors.ts";
import type { BeginAnswer, JournalAnswer, JournalRecord, Receipt, TransactionPlan } from "../machine/transaction.ts";
import { EMPTY_UNIT_PLAN } from "../machine/unit-plan.ts";
import { activateHost, type ActivationKit } from "./activate-host.ts";
import { heldByAnother } from "../../test/support/model-host.ts";
import { KitError } from "./host-kit.ts";
import { exitCodeOfOutcomes, type HostOutcome, type HostResult } from "./outcome.ts";

const PLAN: TransactionPlan = {
  version: 1,
  id: "t",
  goal: "switch",
  host: "web",
  system: "/nix/store/new",
  operator: { user: "op", host: "desk", pid: 1 },
  reason: "deploy",
  confirmTimeoutSeconds: 60,
  keepGenerations: 3,
  healthChecks: [],
};

const LOST = new OperationError("HOST_UNREACHABLE", "connection closed", { retryable: true });
const NO_ANSWER = new OperationError("KIT_FAILED", "no answer came");
const REFUSED = new KitError("web", { code: "KIT_STATE", message: "it is on its way back" });
const LOCKED = heldByAnother("web");
const BUSY = new KitError("web", { code: "KIT_LOCKED", message: "another command has been at work for 60 s" });
const UNKNOWN = new KitError("web", { code: "KIT_UNKNOWN", message: "no such transaction" });

/** What a kit does when asked, in order; the last word of each list is repeated. */
interface Script {
  readonly begin?: readonly (Partial<BeginAnswer> | Error)[];
  readonly follow: readonly (JournalAnswer["state"] | Error)[];
  readonly confirm?: readonly ("confirmed" | Error)[];
  readonly facts?: readonly ("ok" | Error)[];
  readonly revert?: readonly ("reverting" | Error)[];
  /** How the host looks from the deployer, when that is looked at. */
  readonly looks?: "healthy" | "unhealthy";
  /** Leave the host to itself at this question. */
  readonly abandonAt?: string;
}

interface Told {
  readonly result: HostResult;
  readonly questions: string;
  readonly tookMs: number;
}

async function run(script: Script): Promise<Told> {
  let nowMs = 0;
  const clock: Clock = {
    nowMs: () => nowMs,
    wallClock: () => new Date(nowMs),
    sleep: (durationMs) => {
      nowMs += durationMs;
      return Promise.resolve();
    },
  };
  const abandon = new AbortController();
  const questions: string[] = [];
  const asked = new Map<string, number>();
  const next = <T>(name: string, fresh: boolean | undefined, answers: readonly (T | Error)[]): Promise<T> => {
    const question = `${name}${fresh === true ? "*" : ""}`;
    questions.push(question);
    nowMs += 100;
    const count = asked.get(name) ?? 0;
    asked.set(name, count + 1);
    if (script.abandonAt === `${name}${count + 1}`) abandon.abort();
    const answer = answers[Math.min(count, answers.length - 1)];
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer as T);
  };
  let askedFor: string | undefined;
  const receiptOf = (outcome: string): Receipt =>
    ({
      outcome,
      generation: 2,
      failedUnits: ["a.service"],
      ...(outcome === "reverted" && askedFor !== undefined && { reason: { kind: "health-failed", message: askedFor } }),
    }) as unknown as Receipt;
  const kit = {
    connection: { address: "web" },
    begin: (_plan, call) =>
      next<Partial<BeginAnswer>>("begin", call.fresh, script.begin ?? [{}]) as Promise<BeginAnswer>,
    facts: (call) => next("facts", call.fresh, script.facts ?? ["ok"]).then(() => ({}) as never),
    confirm: (_id, call) =>
      next("confirm", call.fresh, script.confirm ?? ["confirmed"]).then(() => receiptOf("confirmed")),
    revert: (_id, call, { message }) => {
      askedFor = message;
      return next("revert", call.fresh, script.revert ?? ["reverting"]).then(() => ({}) as never);
    },
    follow: async (id, after, onRecord, call) => {
      const state = await next("follow", call.fresh, script.follow);
      onRecord({ seq: after + 1, kind: "state", state } as unknown as JournalRecord);
      const isFinal = /confirmed|tested|revert(ed|-f)/.test(state);
      return { id, state, records: [], revertsInSeconds: 30, ...(isFinal && { receipt: receiptOf(state) }) };
    },
  } satisfies ActivationKit;
  const result = await activateHost({
    kit,
    plan: PLAN,
    clock,
    ...(script.looks !== undefined && {
      checkHealth: (withinMs) => {
        assert.equal(withinMs, 20_000, "the time that is left, but for the confirmation");
        questions.push("look");
        const healthy = script.looks === "healthy";
        return Promise.resolve([
          { name: "page", from: "deployer", healthy, attempts: 1, milliseconds: 1, message: "status 500" },
        ]);
      },
    }),
    cancel: new AbortController().signal,
    abandon: abandon.signal,
    onRecord: () => undefined,
    onNote: () => undefined,
  });
  return { result, questions: questions.join(" "), tookMs: nowMs };
}

/** Scripts and what comes of them: the status, then the questions asked; `*` is a connection of its own. */
const CASES: Readonly<Record<string, readonly [Script, string]>> = {
  "all goes well": [{ follow: ["awaiting-confirm", "confirmed"] }, "activated: begin follow confirm* follow"],
  "the connection is lost while beginning": [
    { begin: [LOST, { reused: true }], follow: ["awaiting-confirm", "confirmed"] },
    "activated: begin begin* follow confirm* follow",
  ],
  "the kit cannot answer at the beginning": [
    { begin: [NO_ANSWER, {}], follow: ["awaiting-confirm", "confirmed"] },
    "activated: begin begin* follow confirm* follow",
  ],
  "the host cannot be asked to begin, and has not begun": [
    { begin: [LOST], follow: [UNKNOWN] },
    "unreachable: begin begin* begin* begin* begin* begin* facts* follow*",
  ],
  "the host began, though nobody heard it": [
    { begin: [LOST], follow: ["reverted"] },
    "rolled-back: begin begin* begin* begin* begin* begin* facts* follow*",
  ],
  "the connection is lost while following": [
    { follow: [LOST, "awaiting-confirm", "confirmed"] },
    "activated: begin follow facts* follow* confirm* follow*",
  ],
  "the confirmation's answer is lost": [
    { follow: ["awaiting-confirm", "confirmed"], confirm: [LOST] },
    "activated: begin follow confirm* facts* follow*",
  ],
  "no fresh connection comes about": [
    { follow: ["awaiting-confirm", "awaiting-confirm", "reverted"], confirm: [LOST] },
    "rolled-back: begin follow confirm* facts* follow* confirm* facts* follow*",
  ],
  "the host refuses the confirmation": [
    { follow: ["awaiting-confirm", "reverting", "reverted"], confirm: [REFUSED] },
    "rolled-back: begin follow confirm* follow facts follow",
  ],
  "the kit fails once while confirming": [
    { follow: ["awaiting-confirm", "awaiting-confirm", "confirmed"], confirm: [NO_ANSWER, "confirmed"] },
    "activated: begin follow confirm* facts* follow* confirm* follow*",
  ],
  "the facts cannot be read once": [
    { follow: [LOST, "awaiting-confirm", "confirmed"], facts: [NO_ANSWER, "ok"] },
    "activated: begin follow facts* facts* follow* confirm* follow*",
  ],
  "the host reboots in the middle": [
    { follow: [LOST, "reverted-by-reboot"], facts: [LOST, LOST, "ok"] },
    "rolled-back: begin follow facts* facts* facts* follow*",
  ],
  "it looks healthy from here": [
    { follow: ["awaiting-confirm", "confirmed"], looks: "healthy" },
    "activated: begin follow look confirm* follow",
  ],
  "it is looked at once, however often the confirmation is tried": [
    { follow: ["awaiting-confirm", "awaiting-confirm", "confirmed"], looks: "healthy", confirm: [LOST, "confirmed"] },
    "activated: begin follow look confirm* facts* follow* confirm* follow*",
  ],
  "it looks unhealthy from here": [
    { follow: ["awaiting-confirm", "reverted"], looks: "unhealthy" },
    "rolled-back: begin follow look revert* follow",
  ],
  "it is asked to return until it does": [
    { follow: ["awaiting-confirm", "awaiting-confirm", "reverted"], looks: "unhealthy", revert: [LOST, "reverting"] },
    "rolled-back: begin follow look revert* facts* follow* revert* follow*",
  ],
  "it returned by itself before it was asked to": [
    { follow: ["awaiting-confirm", "reverted"], looks: "unhealthy", revert: [REFUSED] },
    "rolled-back: begin follow look revert* follow",
  ],
  "the host reboots because it is to": [
    {
      follow: ["awaiting-boot", "awaiting-boot", LOST, "awaiting-confirm", "confirmed"],
      facts: ["ok", "ok", LOST, "ok"],
    },
    "activated: begin follow facts* follow* facts* follow* facts* facts* follow* confirm* facts* follow*",
  ],
  "the host reboots, and then returns by another reboot": [
    { follow: ["awaiting-boot", "checking", LOST, "reverted-by-reboot"] },
    "rolled-back: begin follow facts* follow* facts* follow* facts* follow*",
  ],
  "the host rebooted before it could hear that it was to begin": [
    { begin: [LOST, { reused: true }], follow: ["recorded", "reverted-by-reboot"] },
    "rolled-back: begin begin* follow facts follow",
  ],
  "the way back leaves failed units": [{ follow: ["revert-failed"] }, "rolled-back: begin follow"],
  "another deployment takes over": [{ follow: ["superseded"] }, "unknown: begin follow"],
  "the host forgets": [{ follow: ["awaiting-confirm", UNKNOWN] }, "unknown: begin follow confirm* follow"],
  "nothing is to be done but to say what would be": [
    { begin: [{ units: EMPTY_UNIT_PLAN }], follow: [] },
    "planned: begin",
  ],
  "it is abandoned while beginning": [{ begin: [LOST], follow: [], abandonAt: "begin1" }, "unknown: begin"],
  "it is abandoned while following": [{ follow: [LOST], abandonAt: "follow1" }, "unknown: begin follow"],
};

for (const [name, [script, expected]] of Object.entries(CASES)) {
  test(name, async () => {
    const { result, questions } = await run(script);
    assert.equal(`${result.status}: ${questions}`, expected);
  });
}

test("a refusal to begin is thrown: nothing was changed", async () => {
  await assert.rejects(run({ begin: [LOCKED], follow: [] }), { code: "HOST_LOCKED" });
  await assert.rejects(run({ begin: [BUSY], follow: [] }), { message: BUSY.message });
});

test("a failure to begin once more says nothing of what the first question began", async () => {
  const FULL = new KitError("web", { code: "KIT_FAILED", message: "no space left on device" });
  const { result } = await run({ begin: [LOST, FULL], follow: ["checking", "reverted-by-reboot"] });
  assert.equal(result.status, "rolled-back");
  await assert.rejects(run({ begin: [LOST, FULL], follow: [UNKNOWN] }), { message: FULL.message });
});

test("a host that is at work on something else is asked again: it may be the way back from this very plan", async () => {
  const { result } = await run({ begin: [BUSY, { reused: true }], follow: ["reverted"] });
  assert.equal(result.status, "rolled-back");
});

test("a host that is never heard of again is given up after its own deadline", async () => {
  const { result, tookMs } = await run({ follow: [LOST], facts: [LOST] });
  assert.equal(result.status, "unknown");
  assert.ok(tookMs >= 360_000 && tookMs < 460_000, `${tookMs} ms`);
});

test("a host that looks unhealthy says so, also when it returned by its timer", async () => {
  const { result: asked } = await run({ follow: ["awaiting-confirm", "reverted"], looks: "unhealthy" });
  const failure = "health check 'page' from the deployer failed: status 500";
  assert.equal("reason" in asked && asked.reason, failure);
  const { result: late } = await run({
    follow: ["awaiting-confirm", "reverted-by-reboot"],
    looks: "unhealthy",
    revert: [LOST],
  });
  assert.equal("reason" in late && late.reason, failure);
});

test("what is unknown is not told as known", async () => {
  const { result: unsure } = await run({ begin: [LOST], follow: [], abandonAt: "begin1" });
  assert.match("reason" in unsure ? unsure.reason : "", /if its activation began at all/);
  const { result: asked } = await run({ follow: ["awaiting-confirm"], confirm: [LOST], facts: [LOST] });
  assert.match("reason" in asked ? asked.reason : "", /unless it has received the confirmation/);
});

const receipt = {} as Receipt;
const EXIT_CODES: Readonly<Record<string, readonly [readonly HostResult[], number]>> = {
  "every host as wanted": [
    [{ status: "activated", receipt }, { status: "unchanged" }, { status: "tested", receipt }],
    0,
  ],
  "no host": [[], 0],
  "one returned": [
    [
      { status: "activated", receipt },
      { status: "rolled-back", reason: "", log: [] },
    ],
    2,
  ],
  "one unknown": [[{ status: "unknown", reason: "" }], 2],
  "one not reached": [[{ status: "unchanged" }, { status: "unreachable", reason: "" }], 2],
  "all locked": [[{ status: "failed", code: "HOST_LOCKED", reason: "" }], 3],
  "some locked": [[{ status: "unchanged" }, { status: "failed", code: "HOST_LOCKED", reason: "" }], 2],
  interrupted: [
    [
      { status: "activated", receipt },
      { status: "skipped", because: "cancelled" },
    ],
    130,
  ],
};
for (const [name, [results, code]] of Object.entries(EXIT_CODES)) {
  test(`exit status: ${name}`, () => {
    const outcomes = results.map((result): HostOutcome => ({ ...result, host: "web", goal: "switch", timeline: [] }));
    assert.equal(exitCodeOfOutcomes(outcomes), code);
  });
}
