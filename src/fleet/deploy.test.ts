/** What is told of hosts that cannot be asked: whether anything may have happened on them makes the difference. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../base/clock.ts";
import { OperationError } from "../base/errors.ts";
import type { StorePath } from "../format/store-path.ts";
import type { Receipt, TransactionPlan } from "../machine/transaction.ts";
import type { ReadStore } from "../store/store.ts";
import { deployFleet, type DeployOptions } from "./deploy.ts";
import { KitError } from "./host-kit.ts";
import type { HostSession } from "./host-session.ts";
import type { HostOutcome } from "./outcome.ts";
import type { RolloutEvent } from "./rollout/rollout-journal.ts";
import type { ApprovedHost, RolloutRecord } from "./rollout/rollout-record.ts";

const GONE = { code: "HOST_UNREACHABLE", message: "no route" };

function entryOf(name: string): ApprovedHost {
  const host = { name, tags: [], wave: 0, confirmTimeoutSeconds: 5, keepGenerations: 2 };
  return {
    host: host as unknown as ApprovedHost["host"],
    kit: "/nix/store/kit",
    system: `/nix/store/${"0".repeat(32)}-system`,
    isUnchanged: false,
    healthChecks: [],
    previousHealthChecks: [],
  };
}

function rolloutOf(refused: RolloutRecord["refused"]): RolloutRecord {
  return {
    version: 1,
    id: "now",
    fleet: "shop",
    goal: "switch",
    reason: "deploy",
    planHash: "0",
    operator: { user: "op", host: "desk", pid: 1 },
    policy: { onFailure: "continue", failuresMax: 0, pauseSeconds: 0, concurrencyMax: 2, pendingSeconds: 60 },
    waves: [["a", "b"]],
    hosts: [entryOf("a"), entryOf("b")],
    adopt: false,
    refused,
    ignoreInhibitors: false,
  };
}

/** Deploys to hosts that cannot be reached, but for `a` where it is given; what came of them, and the journal. */
async function deploy(
  refused: RolloutRecord["refused"],
  more: Pick<DeployOptions, "begun" | "onOutcome"> & { readonly a?: HostSession } = {},
): Promise<{ outcomes: HostOutcome[]; journal: RolloutEvent[] }> {
  const journal: RolloutEvent[] = [];
  const unreached = {
    connection: { address: "gone" },
    kit: () => Promise.reject(new OperationError(GONE.code, GONE.message)),
  } as unknown as HostSession;
  const never = new AbortController().signal;
  const outcomes = await deployFleet(
    rolloutOf(refused),
    new Map([
      ["a", more.a ?? unreached],
      ["b", unreached],
    ]),
    {
      clock: systemClock,
      localStore: { storeDir: "/nix/store" } as ReadStore,
      journal: { append: (event) => journal.push(event) },
      cancel: never,
      abandon: never,
      hooks: { directory: ".", output: () => undefined },
      observer: {
        phase: () => undefined,
        wave: () => undefined,
        pause: () => undefined,
        halted: () => undefined,
        finished: () => undefined,
      },
      ...more,
    },
  );
  return { outcomes, journal };
}

for (const [when, refused] of [
  ["when it is looked at", [{ host: "a", ...GONE }]],
  ["when it is worked on", []],
] as const) {
  test(`a host that is not reached ${when} is as it was, unless it was begun before`, async () => {
    const { outcomes, journal } = await deploy(refused, { begun: new Set(["a"]) });
    assert.deepEqual(
      outcomes.map(({ host, status }) => [host, status]),
      [
        ["a", "unknown"],
        ["b", "unreachable"],
      ],
    );
    const settled = journal.flatMap((event) => (event.kind === "outcome" ? [event.outcome.host] : []));
    assert.deepEqual(settled, ["b"], "what is not known is asked again");
    assert.ok(!journal.some(({ kind }) => kind === "ended"));
  });
}

test("until when a host waits is told and written down", async () => {
  const { outcomes, journal } = await deploy([], { onOutcome: async () => "2026-11-28T10:00:00.000Z" });
  for (const outcome of outcomes) assert.ok(outcome.status === "unreachable" && outcome.pendingUntil !== undefined);
  assert.equal(journal.at(-1)?.kind, "ended");
});

test("a rollout ends although another deployment took over on a host", async () => {
  const receipt = { outcome: "superseded" } as Receipt;
  const kit = {
    connection: { address: "a" },
    facts: async () => ({}),
    follow: async () => ({ id: "now-a", state: "superseded", records: [], receipt }),
  };
  const a = { connection: { address: "a", passedOver: [] }, kit: async () => kit } as unknown as HostSession;
  const { outcomes, journal } = await deploy([], { begun: new Set(["a"]), a });
  assert.equal(outcomes[0]?.status, "unknown");
  assert.equal(journal.at(-1)?.kind, "ended");
});

test("a host that was not reached when the plan was made is begun only if it is as it was found since", async () => {
  const present = {
    storeDir: "/nix/store",
    addTempRoots: async () => undefined,
    validPaths: async (paths: readonly StorePath[]) => new Set(paths.map(({ baseName }) => baseName)),
  };
  const expected: unknown[] = [];
  const kit = {
    connection: { address: "a" },
    facts: async () => ({ systems: { activated: "/nix/store/found" }, generations: [{ number: 7, isDefault: true }] }),
    history: async () => ({ receipts: [] }),
    begin: (plan: TransactionPlan) => {
      expected.push(plan.expectedPrevious, plan.expectedGeneration);
      return Promise.reject(new KitError("a", { code: "KIT_MOVED", message: "somebody was faster" }));
    },
  };
  const a = {
    connection: { address: "a", passedOver: [] },
    kit: async () => kit,
    store: async () => present,
  } as unknown as HostSession;
  const { outcomes } = await deploy([], { a });
  assert.deepEqual(expected, ["/nix/store/found", 7]);
  assert.equal(outcomes[0]?.status, "failed");
});
