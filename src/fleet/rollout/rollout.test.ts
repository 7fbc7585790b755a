/** In which order hosts come, what a failing one means for the others, and going on after an interruption. */

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { HostOutcome, HostResult } from "../outcome.ts";
import type { FailurePolicy } from "./policy.ts";
import { wavesOf } from "./policy.ts";
import { hasFailed, rollOut } from "./rollout.ts";

const HOSTS = [
  { name: "db1", tags: ["db"], wave: 1 },
  { name: "web1", tags: ["web"], wave: 2 },
  { name: "web2", tags: ["web"], wave: 2 },
  { name: "lb", tags: [], wave: 0 },
];

const shown = (waves: readonly (readonly { readonly name: string }[])[]): string =>
  waves.map((wave) => wave.map(({ name }) => name).join(" ")).join(" | ");

test("waves come by number, by patterns, and canaries ahead of the first", () => {
  assert.equal(shown(wavesOf(HOSTS, { waves: [], canaries: 0 })), "lb | db1 | web1 web2");
  assert.equal(shown(wavesOf(HOSTS, { waves: [["@web"], ["db*"]], canaries: 0 })), "web1 web2 | db1 | lb");
  assert.equal(shown(wavesOf(HOSTS, { waves: [["@web"]], canaries: 1 })), "web1 | web2 | db1 lb");
  assert.equal(shown(wavesOf(HOSTS, { waves: [["@web", "web1"]], canaries: 2 })), "web1 web2 | db1 lb");
  assert.equal(shown(wavesOf([], { waves: [["@web"]], canaries: 1 })), "");
});

type Status = "activated" | "failed" | "unreachable" | "unchanged";

const RESULTS: Readonly<Record<Status, HostResult>> = {
  activated: { status: "activated", receipt: {} as Extract<HostResult, { status: "activated" }>["receipt"] },
  failed: { status: "failed", code: "HOST_DISK_FULL", reason: "full" },
  unreachable: { status: "unreachable", reason: "gone" },
  unchanged: { status: "unchanged" },
};

/** The deployer's process has ended. */
class Killed extends Error {}

interface Story {
  readonly waves: readonly (readonly string[])[];
  readonly fates: Readonly<Record<string, Status>>;
  readonly onFailure: FailurePolicy;
  readonly failuresMax?: number;
  readonly pauseSeconds?: number;
  readonly concurrencyMax?: number;
}

/** Runs a rollout over pretended hosts; `lives` is how many things it may do before it is killed. */
async function play(
  story: Story,
  before: { readonly known?: ReadonlyMap<string, HostOutcome>; readonly lives?: number } = {},
): Promise<{ did: string[]; journal: Map<string, HostOutcome>; outcomes?: HostOutcome[]; sleptMs: number }> {
  const did: string[] = [];
  const journal = new Map(before.known);
  let lives = before.lives ?? Infinity;
  let sleptMs = 0;
  const act = (text: string): void => {
    if (lives-- <= 0) throw new Killed();
    did.push(text);
  };
  const outcomeOf = async (host: string, result: HostResult): Promise<HostOutcome> => {
    await Promise.resolve();
    const outcome: HostOutcome = { ...result, host, goal: "switch", timeline: [] };
    if (lives < 0) throw new Killed();
    journal.set(host, outcome);
    return outcome;
  };
  const clock = {
    nowMs: () => 0,
    wallClock: () => new Date(0),
    sleep: async (durationMs: number) => void (sleptMs += durationMs),
  };
  try {
    const outcomes = await rollOut(
      story.waves.map((wave) => wave.map((name) => ({ name }))),
      {
        deploy: ({ name }) => {
          act(name);
          return outcomeOf(name, RESULTS[story.fates[name] ?? "activated"]);
        },
        rollBack: ({ name }, _changed, reason) => {
          act(`${name} back`);
          return outcomeOf(name, { status: "rolled-back", reason, log: [] });
        },
        skip: ({ name }, because) => outcomeOf(name, { status: "skipped", because }),
      },
      {
        policy: {
          onFailure: story.onFailure,
          failuresMax: story.failuresMax ?? 0,
          pauseSeconds: story.pauseSeconds ?? 0,
          concurrencyMax: story.concurrencyMax ?? 1,
          pendingSeconds: 0,
        },
        clock,
        cancel: new AbortController().signal,
        ...(before.known === undefined ? {} : { known: before.known }),
        observer: { wave: () => undefined, pause: () => undefined, halted: () => undefined, finished: () => undefined },
      },
    );
    return { did, journal, outcomes, sleptMs };
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
    return { did, journal, sleptMs };
  }
}

const THREE = { waves: [["a"], ["b", "c", "d"], ["e"]], fates: { c: "failed" } } as const;

suite("a failing host", () => {
  const statuses = async (story: Story): Promise<string> =>
    (await play(story)).outcomes!.map(({ host, status }) => `${host} ${status}`).join(", ");

  test("means nothing for the others", async () => {
    assert.equal(
      await statuses({ ...THREE, onFailure: "continue" }),
      "a activated, b activated, c failed, d activated, e activated",
    );
  });
  test("halts the rest", async () => {
    assert.equal(
      await statuses({ ...THREE, onFailure: "halt" }),
      "a activated, b activated, c failed, d skipped, e skipped",
    );
  });
  test("takes its wave back, and no earlier one", async () => {
    assert.equal(
      await statuses({ ...THREE, onFailure: "rollBackWave" }),
      "a activated, b rolled-back, c failed, d skipped, e skipped",
    );
  });
  test("may be one of several that may fail", async () => {
    assert.match(await statuses({ ...THREE, onFailure: "halt", failuresMax: 1 }), /e activated$/);
  });
  test("has not failed when it is not reached", async () => {
    assert.match(await statuses({ ...THREE, fates: { c: "unreachable" }, onFailure: "halt" }), /e activated$/);
  });
});

test("there is a pause between waves in which something is done", async () => {
  const pauses = async (known?: ReadonlyMap<string, HostOutcome>): Promise<number> =>
    (await play({ ...THREE, fates: {}, onFailure: "halt", pauseSeconds: 30 }, known === undefined ? {} : { known }))
      .sleptMs / 1000;
  assert.equal(await pauses(), 60);
  const { journal } = await play({ ...THREE, fates: {}, onFailure: "halt" }, { lives: 2 });
  assert.equal(await pauses(journal), 30);
});

/** A small generator of whole numbers: the same seed, the same story. */
function dice(seed: number): (sides: number) => number {
  let state = seed >>> 0;
  return (sides) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
}

test("wherever the deployer is killed, going on ends as if it had not been", async () => {
  for (let seed = 0; seed < 3000; seed++) {
    const roll = dice(seed);
    const names = Array.from({ length: 1 + roll(12) }, (_, index) => `h${index}`);
    const waves: string[][] = [];
    for (const name of names) {
      if (waves.length === 0 || roll(3) === 0) waves.push([]);
      waves.at(-1)!.push(name);
    }
    const fate = (): Status => (["activated", "activated", "unchanged", "failed", "unreachable"] as const)[roll(5)]!;
    const story: Story = {
      waves,
      fates: Object.fromEntries(names.map((name) => [name, fate()])),
      onFailure: (["continue", "halt", "rollBackWave"] as const)[roll(3)]!,
      failuresMax: roll(3),
      concurrencyMax: 1 + roll(4),
    };
    let state = await play(story, { lives: roll(2 * names.length) });
    const begun = new Set(state.did);
    for (let times = 0; state.outcomes === undefined; times++) {
      assert.ok(times < 100, `seed ${seed}: it comes to no end`);
      const known = state.journal;
      state = await play(story, { known, lives: 1 + roll(4) });
      for (const one of state.did) {
        const host = one.replace(" back", "");
        const settled = known.get(host);
        assert.ok(
          settled === undefined || (one.endsWith(" back") && settled.status === "activated"),
          `seed ${seed}: ${one} again after ${settled?.status}`,
        );
        begun.add(one);
      }
    }
    const outcomes = new Map(state.outcomes.map((outcome) => [outcome.host, outcome]));
    assert.deepEqual([...outcomes.keys()], names, `seed ${seed}: one outcome per host`);
    let failures = 0;
    let isHalted = false;
    for (const wave of waves) {
      const wasHalted = isHalted;
      for (const name of wave) {
        const outcome = outcomes.get(name)!;
        if (wasHalted) assert.equal(outcome.status, "skipped", `seed ${seed}: ${name} comes after the halt`);
        if (story.onFailure === "continue") assert.equal(outcome.status, story.fates[name], `seed ${seed}: ${name}`);
        if (hasFailed(outcome) && outcome.status !== "rolled-back") failures++;
      }
      isHalted = story.onFailure !== "continue" && failures > (story.failuresMax ?? 0);
      if (!isHalted || wasHalted || story.onFailure !== "rollBackWave") continue;
      for (const name of wave)
        assert.notEqual(outcomes.get(name)!.status, "activated", `seed ${seed}: ${name} is left`);
    }
  }
});
