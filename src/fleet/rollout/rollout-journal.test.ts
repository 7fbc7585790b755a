/** What a deployer keeps on its disk: journals of rollouts, hosts that wait, and plans in files. */

import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Receipt } from "../../machine/transaction.ts";
import type { HostOutcome } from "../outcome.ts";
import { readPlanFile, writePlanFile } from "../plan-file.ts";
import { PendingHosts } from "./pending.ts";
import {
  openJournal,
  openRolloutsOf,
  begunEvent,
  pruneRollouts,
  type RolloutEvent,
  rolloutsOf,
} from "./rollout-journal.ts";
import type { ApprovedHost, RolloutRecord } from "./rollout-record.ts";

const scratch = mkdtempSync(join(tmpdir(), "pristine-rollout-"));
process.env["XDG_STATE_HOME"] = scratch;
after(() => rmSync(scratch, { recursive: true, force: true }));

function hostOf(name: string, system: string): ApprovedHost {
  const host = { name, tags: [], wave: 0 } as unknown as ApprovedHost["host"];
  return { host, kit: "/nix/store/kit", system, isUnchanged: false, healthChecks: [], previousHealthChecks: [] };
}

const ROLLOUT: RolloutRecord = {
  version: 1,
  id: "20261128T100000-abc",
  fleet: "shop",
  goal: "switch",
  reason: "deploy",
  planHash: "0",
  operator: { user: "op", host: "desk", pid: 1 },
  policy: { onFailure: "halt", failuresMax: 0, pauseSeconds: 0, concurrencyMax: 1, pendingSeconds: 3600 },
  waves: [["a", "b"]],
  hosts: [hostOf("a", "/nix/store/one"), hostOf("b", "/nix/store/one")],
  adopt: false,
  refused: [],
  ignoreInhibitors: false,
};

const outcomeOf = (host: string): HostOutcome => ({ status: "unchanged", host, goal: "switch", timeline: [] });

test("an interrupted rollout is told from its journal, also when the last line was cut off", async () => {
  const path = join(scratch, `pristine/rollouts/shop/${ROLLOUT.id}.jsonl`);
  {
    using journal = await openJournal("shop", ROLLOUT.id);
    journal.append({ kind: "begun", rollout: ROLLOUT });
    journal.append({ kind: "host", host: "a" });
    journal.append({ kind: "outcome", outcome: outcomeOf("a") });
    journal.append({ kind: "host", host: "b" });
    const [running] = await rolloutsOf("shop");
    assert.equal(running?.isRunning, true);
    await assert.rejects(openJournal("shop", ROLLOUT.id), { code: "LOCK_HELD" });
  }
  appendFileSync(path, '{"at":"2026-11-28T10:00:00.000Z","kind":"outco');
  const [state] = await rolloutsOf("shop");
  assert.deepEqual(state?.rollout, ROLLOUT);
  assert.deepEqual([[...state!.begun], [...state!.outcomes.keys()]], [["a", "b"], ["a"]]);
  assert.deepEqual([state?.isEnded, state?.isRunning], [false, false]);
  {
    using journal = await openJournal("shop", ROLLOUT.id);
    journal.append({ kind: "outcome", outcome: outcomeOf("b") });
    journal.append({ kind: "ended" });
  }
  const [ended] = await rolloutsOf("shop");
  assert.deepEqual([[...ended!.outcomes.keys()], ended!.isEnded], [["a", "b"], true]);
  assert.deepEqual(await rolloutsOf("other"), []);
});

test("what an interrupted rollout owes a host's hooks, the next one owes that is interrupted before it comes there", async () => {
  const begin = async (id: string, event: RolloutEvent): Promise<readonly string[]> => {
    const begun = begunEvent({ ...ROLLOUT, id, fleet: "owing" }, await rolloutsOf("owing"), []);
    using journal = await openJournal("owing", id);
    journal.append(begun);
    journal.append(event);
    return begun.owed;
  };
  assert.deepEqual(await begin("20261128T120000-x", { kind: "host", host: "b" }), []);
  // The clock has gone back meanwhile.
  assert.deepEqual(await begin("20261127T120100-x", { kind: "outcome", outcome: outcomeOf("a") }), ["b"]);
  assert.deepEqual(await begin("20261127T120000-x", { kind: "outcome", outcome: outcomeOf("b") }), ["b"]);
  assert.deepEqual(await begin("20261127T110000-x", { kind: "host", host: "a" }), []);
  const open = await openRolloutsOf("owing");
  assert.deepEqual(
    open.map(({ rollout }) => rollout.id),
    ["20261127T110000-x"],
  );
});

test("a rollout that was killed while it took a wave back is left to be gone on with, and owes the host's hooks", async () => {
  const rollout = { ...ROLLOUT, fleet: "wave" };
  const write = async (event: RolloutEvent): Promise<void> => {
    using journal = await openJournal("wave", rollout.id);
    journal.append(event);
  };
  await write(begunEvent(rollout, [], []));
  for (const host of ["a", "b"]) {
    await write({ kind: "host", host });
    await write({ kind: "outcome", outcome: outcomeOf(host) });
  }
  await write({ kind: "back", host: "a" });
  const open = await openRolloutsOf("wave");
  assert.equal(open.length, 1);
  assert.deepEqual(begunEvent(rollout, open, []).owed, ["a"]);
  await write({ kind: "outcome", outcome: outcomeOf("a") });
  assert.deepEqual(await openRolloutsOf("wave"), []);
});

test("a rollout that was killed before it took back a wave that is to be is left to be gone on with", async () => {
  const rollout: RolloutRecord = {
    ...ROLLOUT,
    fleet: "kept",
    policy: { ...ROLLOUT.policy, onFailure: "rollBackWave" },
    waves: [["a"], ["b", "c"]],
    hosts: ["a", "b", "c"].map((name) => hostOf(name, "/nix/store/one")),
  };
  const told = { goal: "switch", timeline: [] } as const;
  const changed = (host: string): HostOutcome => ({ ...told, host, status: "tested", receipt: {} as Receipt });
  const write = async (event: RolloutEvent): Promise<void> => {
    using journal = await openJournal("kept", rollout.id);
    journal.append(event);
  };
  await write(begunEvent(rollout, [], []));
  await write({ kind: "outcome", outcome: changed("a") });
  await write({ kind: "outcome", outcome: changed("b") });
  await write({ kind: "outcome", outcome: { ...told, host: "c", status: "rolled-back", reason: "sick", log: [] } });
  assert.equal((await openRolloutsOf("kept")).length, 1, "b is to go back");
  await write({ kind: "outcome", outcome: { ...told, host: "b", status: "rolled-back", reason: "wave", log: [] } });
  assert.deepEqual(await openRolloutsOf("kept"), [], "a keeps what its wave has brought");
});

test("old rollouts are removed once nothing of them is left to do", async () => {
  for (let index = 0; index < 60; index++) {
    const id = `20261128T11${String(index).padStart(4, "0")}-x`;
    using journal = await openJournal("many", id);
    const hosts = index === 3 ? [hostOf("c", "/nix/store/one")] : ROLLOUT.hosts;
    journal.append({ kind: "begun", rollout: { ...ROLLOUT, id, fleet: "many", hosts } });
    // What the second was to do, later ones did.
    if (index !== 2 && index !== 3) journal.append({ kind: "ended" });
  }
  await pruneRollouts("many");
  const left = (await rolloutsOf("many")).map(({ rollout }) => rollout.id.slice(11, 15));
  assert.deepEqual([left.length, left.at(-1), left.at(-2)], [51, "0003", "0010"]);
});

test("a host waits for the newest plan, and not for ever", async () => {
  let nowMs = Date.parse("2026-11-28T10:00:00Z");
  const clock = { nowMs: () => nowMs, wallClock: () => new Date(nowMs), sleep: async () => undefined };
  const pending = new PendingHosts("shop", clock);
  await pending.put(ROLLOUT, hostOf("a", "/nix/store/one"));
  const until = await pending.put({ ...ROLLOUT, id: "later" }, hostOf("a", "/nix/store/two"));
  assert.equal(until, "2026-11-28T11:00:00.000Z");
  const listed = await pending.list();
  assert.deepEqual(
    listed.map((one) => [one.approved.system, one.rollout.id, pending.isOver(one)]),
    [["/nix/store/two", "later", false]],
  );
  nowMs += 3600_000;
  assert.equal(pending.isOver(listed[0]!), true);
  await pending.remove("a");
  await pending.remove("a");
  assert.deepEqual(await pending.list(), []);
});

test("a plan in a file is what was written, or refused", async () => {
  const path = join(scratch, "plan.json");
  const { id: _id, operator: _operator, ignoreInhibitors: _ignore, ...plan } = ROLLOUT;
  await writePlanFile(path, plan);
  assert.deepEqual(await readPlanFile(path), plan);
  const text = readFileSync(path, "utf8");
  for (const damaged of [text.replace("/nix/store/one", "/nix/store/two"), text.slice(0, -9), "{}", "", "null"]) {
    writeFileSync(path, damaged);
    await assert.rejects(readPlanFile(path), { code: "PLAN_INVALID" });
  }
});
