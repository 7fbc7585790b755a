/** The unit diff as a table: what is active, its old and its new definition, and what happens. */

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { systemOf } from "../../test/support/system-tree.ts";
import { diffUnits, type UnitDiffInput } from "./unit-diff.ts";
import type { UnitPlan } from "./unit-plan.ts";

type Units = Readonly<Record<string, string>>;
type Expected = Partial<Omit<UnitPlan, "changes" | "targets">>;

const SERVICE = "[Service]\nExecStart=/bin/a\n";
const OTHER = "[Service]\nExecStart=/bin/b\n";

function system(name: string, units: Units, wants: Units = {}): ReturnType<typeof systemOf> {
  return systemOf(name, {
    ...Object.fromEntries(Object.entries(units).map(([unit, text]) => [`etc/systemd/system/${unit}`, text])),
    ...Object.fromEntries(
      Object.entries(wants).map(([unit, by]) => [`etc/systemd/system/${by}.wants/${unit}`, `-> ../${unit}`]),
    ),
  });
}

function diff(old: Units, next: Units, more: Partial<UnitDiffInput> = {}): UnitPlan {
  const states = Object.keys(old).map((name) => ({ name, activeState: "active", subState: "running" }));
  return diffUnits({ old: [system("old", old)], next: system("next", next), states, ...more });
}

interface Row {
  readonly name: string;
  readonly old: Units;
  readonly next: Units;
  readonly expected: Expected;
}

const TABLE: readonly Row[] = [
  { name: "nothing changed", old: { "a.service": SERVICE }, next: { "a.service": SERVICE }, expected: {} },
  {
    name: "a changed service is stopped before and started after",
    old: { "a.service": SERVICE },
    next: { "a.service": OTHER },
    expected: { stop: ["a.service"], start: ["a.service"] },
  },
  {
    name: "X-StopIfChanged=false: restarted instead",
    old: { "a.service": SERVICE },
    next: { "a.service": `${OTHER}X-StopIfChanged=false\n` },
    expected: { restart: ["a.service"] },
  },
  {
    name: "X-RestartIfChanged=false: left alone",
    old: { "a.service": SERVICE },
    next: { "a.service": `${OTHER}X-RestartIfChanged=false\n` },
    expected: { skipped: ["a.service"] },
  },
  {
    name: "RefuseManualStop: left alone",
    old: { "a.service": SERVICE },
    next: { "a.service": `${OTHER}[Unit]\nRefuseManualStop=yes\n` },
    expected: { skipped: ["a.service"] },
  },
  {
    name: "X-ReloadIfChanged: reloaded",
    old: { "a.service": SERVICE },
    next: { "a.service": `${OTHER}ExecReload=/bin/r\nX-ReloadIfChanged=true\n` },
    expected: { reload: ["a.service"] },
  },
  {
    name: "only X-Reload-Triggers differs: reloaded",
    old: { "a.service": `${SERVICE}ExecReload=/bin/r\nX-Reload-Triggers=1\n` },
    next: { "a.service": `${SERVICE}ExecReload=/bin/r\nX-Reload-Triggers=2\n` },
    expected: { reload: ["a.service"] },
  },
  {
    name: "a reload trigger on a service that cannot reload",
    old: { "a.service": `${SERVICE}X-Reload-Triggers=1\n` },
    next: { "a.service": `${SERVICE}X-Reload-Triggers=2\n` },
    expected: { stop: ["a.service"], start: ["a.service"] },
  },
  { name: "removed", old: { "a.service": SERVICE }, next: {}, expected: { stop: ["a.service"] } },
  {
    name: "masked",
    old: { "a.service": SERVICE },
    next: { "a.service": "-> /dev/null" },
    expected: { stop: ["a.service"] },
  },
  {
    name: "removed with X-StopOnRemoval=false",
    old: { "a.service": `[Unit]\nX-StopOnRemoval=false\n${SERVICE}` },
    next: {},
    expected: { skipped: ["a.service"] },
  },
  {
    name: "a socket-activated service: both stop, the socket starts",
    old: { "a.service": SERVICE, "a.socket": "[Socket]\nListenStream=1\n" },
    next: { "a.service": OTHER, "a.socket": "[Socket]\nListenStream=1\n" },
    expected: { stop: ["a.service", "a.socket"], start: ["a.socket"] },
  },
  {
    name: "a socket named by Sockets=",
    old: { "a.service": `${SERVICE}Sockets=b.socket\n`, "b.socket": "[Socket]\n" },
    next: { "a.service": `${OTHER}Sockets=b.socket\n`, "b.socket": "[Socket]\n" },
    expected: { stop: ["a.service", "b.socket"], start: ["b.socket"] },
  },
  {
    name: "X-NotSocketActivated",
    old: { "a.service": SERVICE, "a.socket": "[Socket]\nListenStream=1\n" },
    next: { "a.service": `${OTHER}X-NotSocketActivated=true\n`, "a.socket": "[Socket]\nListenStream=1\n" },
    expected: { stop: ["a.service"], start: ["a.service"] },
  },
  {
    name: "a changed socket is restarted with its running service",
    old: { "a.service": SERVICE, "a.socket": "[Socket]\nListenStream=1\n" },
    next: { "a.service": SERVICE, "a.socket": "[Socket]\nListenStream=2\n" },
    expected: { stop: ["a.service", "a.socket"], start: ["a.socket"] },
  },
  {
    name: "a changed timer is restarted",
    old: { "a.timer": "[Timer]\nOnCalendar=daily\n" },
    next: { "a.timer": "[Timer]\nOnCalendar=weekly\n" },
    expected: { restart: ["a.timer"] },
  },
  {
    name: "a changed mount is reloaded",
    old: { "srv.mount": "[Mount]\nWhere=/srv\nOptions=ro\n" },
    next: { "srv.mount": "[Mount]\nWhere=/srv\nOptions=rw\n" },
    expected: { reload: ["srv.mount"] },
  },
  {
    name: "a mount of something else is made anew: a remount would keep the old one",
    old: { "srv.mount": "[Mount]\nWhat=/dev/a\nWhere=/srv\n" },
    next: { "srv.mount": "[Mount]\nWhat=/dev/b\nWhere=/srv\n" },
    expected: { restart: ["srv.mount"] },
  },
  {
    name: "services whose names only begin like a session's or like ours are nothing special",
    old: { "session-store.service": SERVICE, "userd@a.service": SERVICE, "pristine-shop.service": SERVICE },
    next: { "session-store.service": OTHER, "userd@a.service": OTHER, "pristine-shop.service": OTHER },
    expected: {
      stop: ["pristine-shop.service", "session-store.service", "userd@a.service"],
      start: ["pristine-shop.service", "session-store.service", "userd@a.service"],
    },
  },
  {
    name: "the mounts the host lives on are left alone",
    old: { "nix.mount": "[Mount]\nWhat=a\n", "persist.mount": "[Mount]\nWhat=a\n" },
    next: { "nix.mount": "[Mount]\nWhat=b\n" },
    expected: { skipped: ["nix.mount", "persist.mount"] },
  },
  {
    name: "a changed slice follows the manager",
    old: { "a.slice": "[Slice]\nMemoryMax=1\n" },
    next: { "a.slice": "[Slice]\nMemoryMax=2\n" },
    expected: {},
  },
  {
    name: "instances follow their template",
    old: { "a@.service": SERVICE, "a@x.service": `${SERVICE}` },
    next: { "a@.service": OTHER },
    expected: { stop: ["a@.service", "a@x.service"], start: ["a@.service", "a@x.service"] },
  },
  {
    name: "instances of a connection belong to it",
    old: { "a.socket": "[Socket]\nAccept=yes\n", "a@1.service": SERVICE },
    next: { "a.socket": "[Socket]\nAccept=yes\n", "a@.service": OTHER },
    expected: {},
  },
  {
    name: "the message bus is not restarted",
    old: { "dbus.service": SERVICE },
    next: { "dbus.service": OTHER },
    expected: { skipped: ["dbus.service"] },
  },
  {
    name: "sessions and our own units are not touched",
    old: { "user@0.service": SERVICE, "pristine-revert.service": SERVICE, "pristine-check-page.service": SERVICE },
    next: { "pristine-check-page.service": OTHER },
    expected: {},
  },
];

suite("unit diff", () => {
  for (const { name, old, next, expected } of TABLE) {
    test(name, () => {
      const { stop, reload, restart, start, skipped } = diff(old, next);
      assert.deepEqual(
        { stop, reload, restart, start, skipped },
        { stop: [], reload: [], restart: [], start: [], skipped: [], ...expected },
      );
    });
  }

  test("inactive and failed units are not started by it", () => {
    const states = [{ name: "a.service", activeState: "failed", subState: "failed" }];
    assert.deepEqual(diff({ "a.service": SERVICE }, { "a.service": OTHER }, { states }).start, []);
  });

  test("active targets are started by name, but for those that refuse", () => {
    const plan = diff(
      { "multi-user.target": "[Unit]\n", "odd.target": "[Unit]\n", "gone.target": "[Unit]\n" },
      { "multi-user.target": "[Unit]\nA=1\n", "odd.target": "[Unit]\nRefuseManualStart=yes\n" },
    );
    assert.deepEqual(plan.targets, ["multi-user.target"]);
    assert.deepEqual(plan.stop, ["gone.target"]);
  });

  test("a unit whose program was replaced counts as changed", () => {
    const same = { "a.service": SERVICE, "b.service": `${SERVICE}X-RestartIfChanged=false\n` };
    const plan = diff(same, same, { stale: new Set(["a.service", "b.service"]) });
    assert.deepEqual(plan.stop, ["a.service"]);
    assert.deepEqual(plan.skipped, ["b.service"]);
    assert.equal(plan.changes[0]?.reason, "runs a program or library that is replaced");
  });

  test("a service whose program comes from another package counts as changed", () => {
    const unit = { "etc/systemd/system/a.service": "[Service]\nExecStart=-/usr/sbin/a --flag\n" };
    const link = (usr: string, target: string): Record<string, string> => ({
      usr: `-> ../${usr}`,
      [`/nix/store/${usr}/sbin/a`]: `-> ${target}`,
      [target]: "a program",
    });
    const states = [{ name: "a.service", activeState: "active", subState: "running" }];
    const plan = diffUnits({
      old: [systemOf("old", { ...unit, ...link("usr1", "/nix/store/a1/usr/sbin/a") })],
      next: systemOf("next", { ...unit, ...link("usr2", "/nix/store/a2/usr/sbin/a") }),
      states,
    });
    assert.deepEqual(plan.stop, ["a.service"]);
    assert.deepEqual(plan.start, ["a.service"]);
  });

  test("the message bus reads its services anew when these changed, and is never restarted", () => {
    const bus = { "etc/systemd/system/dbus.service": `${SERVICE}ExecReload=/bin/r\n` };
    const service = (text: string): Record<string, string> => ({ "usr/share/dbus-1/system-services/a.service": text });
    const plan = (old: Record<string, string>, next: Record<string, string>): UnitPlan =>
      diffUnits({
        old: [systemOf("old", { ...bus, ...old })],
        next: systemOf("next", { ...bus, ...next }),
        states: [{ name: "dbus.service", activeState: "active", subState: "running" }],
      });
    assert.deepEqual(plan({}, service("1")).reload, ["dbus.service"]);
    assert.deepEqual(plan(service("1"), service("2")).reload, ["dbus.service"]);
    assert.deepEqual(plan(service("1"), {}).reload, ["dbus.service"]);
    assert.deepEqual(plan(service("1"), service("1")).reload, []);
  });

  test("what must stay up is restarted in one go", () => {
    const plan = diff({ "ssh.service": SERVICE }, { "ssh.service": OTHER });
    assert.deepEqual([plan.stop, plan.restart], [[], ["ssh.service"]]);
  });

  test("what is no longer wanted stops although its package still ships it", () => {
    const units = {
      "a.service": SERVICE,
      "b.service": SERVICE,
      "c.service": SERVICE,
      "d.service": `[Unit]\nWants=c.service\n`,
    };
    const states = Object.keys(units).map((name) => ({ name, activeState: "active", subState: "running" }));
    const all = {
      "a.service": "multi-user.target",
      "b.service": "multi-user.target",
      "c.service": "multi-user.target",
    };
    const plan = diffUnits({
      old: [system("old", units, all)],
      next: system("next", units, { "b.service": "multi-user.target" }),
      states,
    });
    assert.deepEqual(plan.stop, ["a.service"]);
    assert.equal(plan.changes[0]?.reason, "no longer wanted");
  });

  test("what an interrupted switch stopped is started again", () => {
    const plan = diff({}, { "a.service": SERVICE }, { alsoActive: new Set(["a.service", "gone.service"]) });
    assert.deepEqual(plan.start, ["a.service"]);
  });

  test("a unit that runs with the definition of a half-activated system counts as changed", () => {
    const plan = diffUnits({
      old: [system("old", { "a.service": SERVICE }), system("half", { "a.service": OTHER, "b.service": OTHER })],
      next: system("next", { "a.service": SERVICE }),
      states: ["a.service", "b.service"].map((name) => ({ name, activeState: "active", subState: "running" })),
    });
    assert.deepEqual(plan.stop, ["a.service", "b.service"]);
    assert.deepEqual(plan.start, ["a.service"]);
  });
});

suite("where targets are the host's own", () => {
  const foreign = (units: Units, wants: Units): ReturnType<typeof systemOf> =>
    systemOf(
      "next",
      {
        ...Object.fromEntries(Object.entries(units).map(([unit, text]) => [`etc/systemd/system/${unit}`, text])),
        ...Object.fromEntries(
          Object.entries(wants).map(([unit, by]) => [`etc/systemd/system/${by}.wants/${unit}`, `-> ../${unit}`]),
        ),
      },
      { base: "foreign" },
    );
  const ONESHOT = "[Service]\nType=oneshot\nExecStart=/bin/a\n";
  const states = [
    { name: "multi-user.target", activeState: "active", subState: "active" },
    { name: "ssh.service", activeState: "active", subState: "running" },
  ];
  const next = foreign(
    { "a.service": SERVICE, "once.service": ONESHOT, "late.service": SERVICE, "unwanted.service": SERVICE },
    { "a.service": "multi-user.target", "once.service": "multi-user.target", "late.service": "other.target" },
  );

  test("what an active target wants is started by its name, and no target is", () => {
    const plan = diffUnits({ old: [foreign({}, {})], next, states });
    assert.deepEqual([plan.start, plan.targets, plan.stop], [["a.service", "once.service"], [], []]);
  });

  test("what has done its work is not started again, and what does not run is", () => {
    const plan = diffUnits({ old: [next], next, states });
    assert.deepEqual(plan.start, ["a.service"]);
  });

  test("what is gone is stopped, and nothing of the host's", () => {
    const running = [...states, { name: "a.service", activeState: "active", subState: "running" }];
    const plan = diffUnits({ old: [next], next: foreign({}, {}), states: running });
    assert.deepEqual([plan.stop, plan.start, plan.restart], [["a.service"], [], []]);
  });
});
