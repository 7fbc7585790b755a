/** What `converge` leaves to others: rollouts that were interrupted, and the hooks of hosts that it gives up. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../base/clock.ts";
import type { Hook } from "../../machine/hook.ts";
import type { HookDisplay } from "../hooks.ts";
import { type ConvergeOptions, convergeHosts, dropPending } from "./converge.ts";
import { type PendingFiles, type PendingHost, PendingHosts } from "./pending.ts";
import type { RolloutEvent } from "./rollout-journal.ts";
import type { RolloutRecord } from "./rollout-record.ts";

const ROLLOUT: RolloutRecord = {
  version: 1,
  id: "20261128T100000-x",
  fleet: "shop",
  goal: "switch",
  reason: "deploy",
  planHash: "hash",
  operator: { user: "op", host: "desk", pid: 1 },
  policy: { onFailure: "halt", failuresMax: 0, pauseSeconds: 0, concurrencyMax: 1, pendingSeconds: 3600 },
  waves: [],
  hosts: [],
  adopt: false,
  refused: [],
  ignoreInhibitors: false,
};

const DRAIN: Hook = {
  name: "drain",
  on: "deployer",
  when: ["preActivation", "finally"],
  command: ["drain"],
  timeoutSeconds: 5,
  environment: {},
  onFailure: "abort",
};

function waiting(name: string, isBegun: boolean): PendingHost {
  const host = { name, tags: [], wave: 0, hooks: [DRAIN] } as unknown as PendingHost["approved"]["host"];
  const approved = { host, kit: "/nix/store/kit", system: "/nix/store/one", isUnchanged: false };
  return {
    version: 1,
    fleet: "shop",
    rollout: ROLLOUT,
    approved: { ...approved, healthChecks: [], previousHealthChecks: [] },
    since: "2026-11-28T10:00:00.000Z",
    until: "2026-12-05T10:00:00.000Z",
    isBegun,
  };
}

function memory(): { readonly files: PendingFiles; readonly names: ReadonlyMap<string, string> } {
  const names = new Map<string, string>();
  const files: PendingFiles = {
    names: () => Promise.resolve([...names.keys()]),
    read: (name) => Promise.resolve(names.get(name)),
    write: (name, text) => Promise.resolve(void names.set(name, text)),
    remove: (name) => Promise.resolve(void names.delete(name)),
  };
  return { files, names };
}

const SILENT: HookDisplay = { directory: ".", output: () => undefined };

test("a rollout that was killed before it wrote down that a host waits does not go on with the host itself", async () => {
  const { files } = memory();
  const appended: RolloutEvent[] = [];
  const signal = new AbortController().signal;
  const quiet = { phase: () => undefined, wave: () => undefined, pause: () => undefined };
  const options: ConvergeOptions = {
    pending: new PendingHosts("shop", systemClock, files),
    sessions: new Map(),
    interrupted: () =>
      Promise.resolve({
        begun: new Set(["b", "c"]),
        outcomes: new Map([["b", { status: "unchanged", host: "b", goal: "switch", timeline: [] }]]),
        append: (event) => void appended.push(event),
        [Symbol.dispose]: () => undefined,
      }),
    look: (_rollout, hosts) =>
      Promise.resolve(hosts.map((host) => ({ host, code: "HOST_UNREACHABLE", message: `${host}: no answer` }))),
    observerOf: () => ({ ...quiet, halted: () => undefined, finished: () => undefined }),
    onDropped: () => undefined,
    clock: systemClock,
    hooks: SILENT,
    localStore: "/nix/store" as unknown as ConvergeOptions["localStore"],
    cancel: signal,
    abandon: signal,
  };
  const outcomes = await convergeHosts([waiting("a", false), waiting("b", false), waiting("c", false)], options);
  assert.deepEqual(
    outcomes.map(({ host, status }) => [host, status]),
    [
      ["a", "unreachable"],
      ["b", "unreachable"],
      // It was begun when the rollout was gone on with: nothing is known until it has been asked.
      ["c", "unknown"],
    ],
  );
  assert.deepEqual(
    appended.map((event) => (event.kind === "outcome" ? [event.outcome.host, event.outcome.status] : event.kind)),
    [["a", "unreachable"]],
  );
});

test("what is dropped is put back in, when it was brought to the host before", async () => {
  for (const isBegun of [true, false]) {
    const { files, names } = memory();
    const pending = new PendingHosts("shop", systemClock, files);
    await pending.mark(waiting("a", isBegun), isBegun);
    const ran: string[] = [];
    const said: string[] = [];
    const run: HookDisplay["run"] = (argv, { extraEnv } = {}) => {
      ran.push(`${argv.join(" ")} ${String(extraEnv?.["PRISTINE_MOMENT"])} ${String(extraEnv?.["PRISTINE_HOST"])}`);
      const nothing = Buffer.alloc(0);
      return Promise.resolve({ code: 0, signal: undefined, timedOut: false, stdout: nothing, stderr: nothing });
    };
    await dropPending((await pending.list())[0]!, "it has expired", {
      pending,
      hooks: { ...SILENT, run },
      onDropped: (host, text) => said.push(`${host}: ${text.replace(/[\d.]+ s/, "N s")}`),
    });
    assert.deepEqual(ran, isBegun ? ["drain finally a"] : []);
    assert.equal(said[0], "a: it has expired");
    assert.equal(names.size, 0);
  }
});
