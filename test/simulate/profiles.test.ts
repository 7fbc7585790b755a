/**
 * Profiles beside the system's under a model of a host of NixOS, whose users have links and scripts: its processes are killed,
 * and the host is cut from power, before and after every effect.
 */

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { begin } from "../../src/kit/begin.ts";
import { collectFacts } from "../../src/kit/collect-facts.ts";
import { openUnfinished } from "../../src/kit/conclude.ts";
import { confirm } from "../../src/kit/confirm.ts";
import { execute } from "../../src/kit/executor.ts";
import type { CommandResult, Host } from "../../src/kit/host.ts";
import { resume } from "../../src/kit/resume.ts";
import { revertRun } from "../../src/kit/revert-run.ts";
import { readGenerations } from "../../src/kit/systems.ts";
import { LOCK, TransactionRecord } from "../../src/kit/transaction-record.ts";
import type { WantedProfile } from "../../src/machine/profile.ts";
import type { TransactionPlan } from "../../src/machine/transaction.ts";
import { FakeMachine, Killed, processOn, type ProcessOptions } from "../support/fake-machine.ts";

const store = (digit: string, name: string): string => `/nix/store/${digit.repeat(32)}-${name}`;
const OLD = store("0", "system-h");
const NEW = store("1", "system-h");
const APP_1 = store("2", "app");
const APP_2 = store("3", "app");
const APP_BAD = store("4", "app");
const TOOL = store("5", "tool");
const NOTES = store("6", "notes");

const LINKS = {
  app: "/nix/var/nix/profiles/per-user/alice/app",
  tool: "/nix/var/nix/profiles/per-user/root/tool",
  notes: "/persist/home/bob/.local/state/nix/profiles/notes",
};
const RETURN = "/etc/systemd/system.attached/multi-user.target.wants/pristine-profiles.service";

const ACCOUNTS = ["root:x:0:0::/root:", "alice:x:1000:100::/persist/home/alice:", "bob:x:1001:100::/persist/home/bob:"];
/** As whom the host acts when the user is gone. */
const UIDS: Readonly<Record<string, string>> = { "--reuid=1001": "bob" };
/** Without it, bob is made by the new system alone. */
const HAS_BOB = "/persist/has-bob";

function newMachine({ system }: Partial<TransactionPlan> = {}): FakeMachine {
  const machine = new FakeMachine();
  if (system === OLD) machine.files.set(HAS_BOB, { kind: "file", text: "" });
  for (const path of [OLD, NEW]) {
    machine.addSystem(path, { "web.service": `[Unit]\nDescription=d\n[Service]\nExecStart=/bin/web ${path}\n` });
    machine.makeNixos(path);
  }
  // What is in `notes' activates nothing.
  for (const path of [APP_1, APP_2, APP_BAD, TOOL])
    machine.files.set(`${path}/deploy-rs-activate`, { kind: "file", text: "" });
  machine.files.set("/persist/home/bob/mail", { kind: "file", text: "" });
  machine.setLink("/nix/var/nix/profiles/system-1-link", OLD);
  machine.setLink("/nix/var/nix/profiles/system", "system-1-link");
  machine.setLink(`${LINKS.app}-1-link`, APP_1);
  machine.setLink(LINKS.app, "app-1-link");
  machine.installGrub(OLD);
  machine.boot();
  return machine;
}

/** A process on a host with users: their links are moved by a shell, and their scripts note whose path is active. */
function on(machine: FakeMachine, options: ProcessOptions = {}): Host {
  let effect: (what: string) => void = () => undefined;
  let count = 0;
  let isDead = false;
  const host = processOn(machine, {
    ...options,
    onEffect: (what) => {
      effect(what);
    },
  });
  effect = (what) => {
    alive();
    try {
      options.onEffect?.(what, count++);
    } catch (error) {
      isDead = true;
      throw error;
    }
  };
  const alive = (): void => {
    if (isDead) throw new Killed("killed");
  };
  const whose = (command: readonly string[]): string =>
    command[0] === "runuser" ? (command[2] ?? "") : command[0] === "setpriv" ? (UIDS[command[1] ?? ""] ?? "") : "root";
  return {
    ...host,
    run: (command, more): CommandResult => {
      const at = command.indexOf("profile");
      if (command[0] === "getent") {
        const isThere = command[2] !== "bob" || systemOf(machine) === NEW || machine.files.has(HAS_BOB);
        const line = isThere ? ACCOUNTS.find((one) => one.startsWith(`${command[2]}:`)) : undefined;
        return { code: line === undefined ? 2 : 0, stdout: line ?? "", stderr: "" };
      }
      if (at < 0) return host.run(command, more);
      alive();
      const [link = "", path = "", forget = ""] = command.slice(at + 1);
      assert.ok(link.includes(`/${whose(command)}/`), `${link} is moved by ${whose(command)}`);
      effect(`numbered ${link}`);
      if (--machine.disk.writesLeft < 0) return { code: 1, stdout: "", stderr: "ln: No space left on device" };
      moveLink(machine, link, path, forget, () => {
        effect(`moved ${link}`);
      });
      effect(`tidied ${link}`);
      return { code: 0, stdout: "", stderr: "" };
    },
    runHook: (command) => {
      alive();
      const link = command.find((word) => word.startsWith("PROFILE="))?.slice("PROFILE=".length) ?? "";
      const path = leadsTo(machine, link) ?? "";
      assert.ok(machine.files.has(`${path}/deploy-rs-activate`), `${link} has a script`);
      effect(`script of ${path}`);
      if (path !== APP_BAD) machine.files.set(`/persist/active${link}`, { kind: "file", text: path });
      effect(`script of ${path} done`);
      return { code: path === APP_BAD ? 1 : 0, output: "said\n" };
    },
  };
}

function leadsTo(machine: FakeMachine, link: string): string | undefined {
  const target = machine.readlink(link);
  return target === undefined ? undefined : machine.readlink(`${link.slice(0, link.lastIndexOf("/"))}/${target}`);
}

/** What the shell does; killed in the middle, it leaves a numbered link that nothing leads to. */
function moveLink(machine: FakeMachine, link: string, path: string, forget: string, onMoved: () => void): void {
  const name = link.slice(link.lastIndexOf("/") + 1);
  const numbers = [...machine.files.keys()].flatMap((file) =>
    file.startsWith(`${link}-`) && file.endsWith("-link") ? [Number(file.slice(link.length + 1, -"-link".length))] : [],
  );
  let newest = Math.max(0, ...numbers);
  if (path === "") machine.files.delete(link);
  else {
    if (machine.readlink(`${link}-${newest}-link`) !== path) machine.setLink(`${link}-${++newest}-link`, path);
    machine.setLink(link, `${name}-${newest}-link`);
  }
  onMoved();
  for (const number of numbers) {
    if (path !== "" && number === newest) continue;
    const isForgotten = machine.readlink(`${link}-${number}-link`) === forget;
    if (path === "" || isForgotten) machine.files.delete(`${link}-${number}-link`);
  }
}

const profile = (name: keyof typeof LINKS, user: string, path: string | null): WantedProfile => ({
  name,
  user,
  link: null,
  path,
});
const WANTED = [profile("app", "alice", APP_2), profile("tool", "root", TOOL), profile("notes", "bob", NOTES)];

function planOf(more: Partial<TransactionPlan> = {}): TransactionPlan {
  return {
    version: 1,
    id: "t1",
    goal: "switch",
    host: "h",
    system: NEW,
    operator: { user: "op", host: "desk", pid: 1 },
    reason: "deploy",
    ...(more.goal === "temporary" ? { temporarySeconds: 900 } : {}),
    confirmTimeoutSeconds: 60,
    keepGenerations: 3,
    healthChecks: [],
    profiles: WANTED,
    ...more,
  };
}

function attempt(action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
  }
}

/** What systemd runs until nothing is left of it; `options` apply to the first process. */
function settle(machine: FakeMachine, options: ProcessOptions = {}): void {
  let first: ProcessOptions | undefined = options;
  machine.settle((command, unit) => {
    const host = on(machine, { ...first, unit });
    first = undefined;
    const [, subcommand, id = ""] = command;
    try {
      if (subcommand === "run") execute(host, id);
      else if (subcommand === "revert-run") revertRun(host, id, command[3]);
      else resume(host);
    } catch (error) {
      if (error instanceof Killed) return "killed";
      throw error;
    }
    machine.processes.delete(unit);
    return "done";
  });
}

function passTime(machine: FakeMachine): void {
  machine.nowMs += 1_000_000;
  settle(machine);
}

/** The host comes up again, and runs the unit that is there for profiles. */
function powerCut(machine: FakeMachine): void {
  machine.powerCut();
  if (machine.readlink(RETURN) !== undefined && machine.files.has(LOCK)) openUnfinished(on(machine));
}

function systemOf(machine: FakeMachine): string | undefined {
  return machine.readlink("/run/current-system");
}

/** The system, the links, and what the scripts did, of one and the same time. */
function assertIs(machine: FakeMachine, system: string, isNew = system === NEW): void {
  assert.equal(systemOf(machine), system);
  assert.deepEqual(
    Object.values(LINKS).map((link) => leadsTo(machine, link)),
    isNew ? [APP_2, TOOL, NOTES] : [APP_1, undefined, undefined],
  );
  const active = machine.files.get(`/persist/active${LINKS.app}`);
  const paths = isNew ? [APP_2] : [APP_1, undefined];
  assert.ok(paths.includes(active?.kind === "file" ? active.text : undefined), "what ran last is what the link names");
}

/** What the boot default has, which a host that has booted must have by itself. */
function assertIsDefault(machine: FakeMachine): void {
  const { path, profiles = [] } = readGenerations(on(machine)).find(({ isDefault }) => isDefault)!;
  assertIs(machine, path, profiles.length > 0);
}

/** Nothing is left of a transaction, and what is confirmed has roots. */
function assertTidy(machine: FakeMachine): void {
  const left = [...machine.files.keys()].filter(
    (path) => path.startsWith("/etc/systemd/") || path.includes("/gcroots/pristine/profile-") || path === LOCK,
  );
  assert.deepEqual(left, []);
  const roots = [...machine.files].flatMap(([path, entry]) =>
    entry.kind === "link" && path.includes("/gcroots/pristine/generation-") ? [entry.target] : [],
  );
  for (const { profiles = [] } of readGenerations(on(machine)))
    for (const { path } of profiles) assert.ok(roots.includes(path), `${path} has a root`);
}

const begun = (more: Partial<TransactionPlan> = {}, machine = newMachine(more)): FakeMachine => {
  const upSeconds = 4 + (machine.nowMs - machine.bootedAtMs) / 1000;
  machine.files.set("/proc/uptime", { kind: "file", text: `${upSeconds} 0` });
  begin(on(machine), planOf(more));
  return machine;
};
const settled = (more: Partial<TransactionPlan> = {}, machine = newMachine(more)): FakeMachine => {
  begun(more, machine);
  settle(machine);
  return machine;
};
const confirmed = (more: Partial<TransactionPlan> = {}, machine = newMachine(more)): FakeMachine => {
  settled(more, machine);
  confirm(on(machine), more.id ?? "t1");
  return machine;
};

suite("profiles go with the system", () => {
  test("they are moved after it, in their order, and are part of the generation", () => {
    const machine = settled();
    assertIs(machine, NEW);
    const record = TransactionRecord.openKnown(on(machine), "t1");
    assert.deepEqual(
      record.hookResults().map(({ name, moment }) => `${name} ${moment}`),
      ["profile alice/app postActivation", "profile root/tool postActivation"],
    );
    const receipt = confirm(on(machine), "t1");
    assert.deepEqual(
      receipt?.profiles?.map(({ link, before }) => [link, before]),
      [
        [LINKS.app, APP_1],
        [LINKS.tool, null],
        [LINKS.notes, null],
      ],
    );
    assert.deepEqual(
      readGenerations(on(machine)).map(({ number, profiles }) => [number, profiles?.map(({ path }) => path)]),
      [
        [1, undefined],
        [2, [APP_2, TOOL, NOTES]],
      ],
    );
    assertTidy(machine);
    passTime(machine);
    powerCut(machine);
    assertIs(machine, NEW);
    const { drift, profiles } = collectFacts(on(machine), undefined);
    assert.deepEqual([drift, profiles?.length], [[], 3]);
    machine.setLink(LINKS.app, "app-1-link");
    assert.deepEqual(
      collectFacts(on(machine), undefined).drift.map((one) => one.kind === "profile-moved" && one.profile.found),
      [APP_1],
    );
  });

  test("without confirmation, and when a script fails, all of them return", () => {
    const unconfirmed = settled();
    passTime(unconfirmed);
    const failed = settled({ profiles: [profile("tool", "root", TOOL), profile("app", "alice", APP_BAD)] });
    for (const machine of [unconfirmed, failed]) {
      assertIs(machine, OLD);
      assert.equal(machine.readlink(`${LINKS.app}-2-link`), undefined, "nothing keeps what failed");
      assertTidy(machine);
    }
    const { outcome, reason } = TransactionRecord.openKnown(on(failed), "t1").receipt ?? {};
    assert.deepEqual([outcome, reason?.kind], ["reverted", "hook-failed"]);
    assert.match(reason?.message ?? "", /^hook profile alice\/app \(postActivation\): exit 1 after/);
  });

  test("they change without the system, by a generation of their own, and go when they are not declared", () => {
    const machine = confirmed();
    const machineOf = (id: string, profiles: readonly WantedProfile[]): void =>
      void confirmed({ id, profiles, hooks: [] }, machine);
    machineOf("t2", [profile("app", "alice", APP_1)]);
    assert.deepEqual(
      Object.values(LINKS).map((link) => leadsTo(machine, link)),
      [APP_1, undefined, undefined],
    );
    assert.deepEqual(
      readGenerations(on(machine)).map(({ number, path, profiles = [] }) => [number, path, profiles.length]),
      [
        [1, OLD, 0],
        [2, NEW, 3],
        [3, NEW, 1],
      ],
    );
    machineOf("t3", WANTED);
    assertIs(machine, NEW);
    assert.deepEqual(
      readGenerations(on(machine)).map(({ number }) => number),
      [1, 2, 3, 4],
      "the first one was booted",
    );
    assertTidy(machine);
    machineOf("t4", WANTED);
    assert.equal(readGenerations(on(machine)).length, 4, "what is the same is no new generation");
    begun({ id: "t5", profiles: [] }, machine);
    settle(machine);
    assert.equal(leadsTo(machine, LINKS.app), undefined);
    passTime(machine);
    assertIs(machine, NEW);
  });

  test("goals that a boot ends leave them as they are", () => {
    for (const goal of ["boot", "test"] as const) {
      const { profiles: _, ...plan } = planOf({ goal });
      const machine = newMachine();
      begin(on(machine), plan);
      settle(machine);
      confirm(on(machine), "t1");
      assert.equal(leadsTo(machine, LINKS.app), APP_1);
      assertTidy(machine);
    }
  });

  test("a temporary system's return with it, also by a reboot, and also when another goal takes over", () => {
    for (const end of [passTime, powerCut]) {
      const machine = confirmed({ goal: "temporary" });
      assertIs(machine, NEW);
      end(machine);
      assertIs(machine, OLD);
      assertTidy(machine);
    }
    const machine = confirmed({ goal: "temporary" });
    const { profiles: _, ...tested } = planOf({ goal: "test", id: "t2", system: OLD });
    assert.throws(() => begin(on(machine), { ...tested, goal: "boot" }), {
      message: /its profiles are in force still/,
    });
    begin(on(machine), tested);
    settle(machine);
    confirm(on(machine), "t2");
    assertIs(machine, OLD);
    assertTidy(machine);
  });

  test("what takes over from a temporary system and fails returns to the profiles before both", () => {
    const machine = confirmed({ goal: "temporary" });
    settled({ id: "t2", profiles: [profile("app", "alice", APP_BAD)] }, machine);
    assertIs(machine, OLD);
    assertTidy(machine);
  });

  test("they return to what was before all that was interrupted", () => {
    const machine = confirmed({ goal: "temporary" });
    begun({ id: "t2", profiles: [profile("app", "alice", APP_BAD)] }, machine);
    const onEffect = (what: string): void => {
      if (what === `script of ${APP_BAD} done`) throw new Killed("in the middle");
    };
    attempt(() => {
      execute(on(machine, { onEffect }), "t2");
    });
    machine.processes.clear();
    assert.equal(leadsTo(machine, LINKS.app), APP_BAD);
    settled({ id: "t3", profiles: [profile("app", "alice", APP_2), profile("notes", "bob", NOTES)] }, machine);
    passTime(machine);
    assertIs(machine, OLD);
    assertTidy(machine);
  });

  test("a system that is back is not the end while its profiles are not", () => {
    const machine = confirmed({ goal: "temporary", system: OLD });
    const onEffect = (what: string): void => {
      if (what.startsWith("supervise ")) throw new Killed("just before it");
    };
    attempt(() => begin(on(machine, { onEffect }), planOf({ id: "t2", system: OLD })));
    machine.timers.clear();
    openUnfinished(on(machine));
    powerCut(machine);
    assertIs(machine, OLD);
    assertTidy(machine);
  });

  test("a confirmation of profiles alone that the boot loader does not follow makes the generation before the default again", () => {
    const machine = settled({ system: OLD });
    machine.brokenBootLoaders.add(OLD);
    assert.throws(() => confirm(on(machine), "t1"), { message: /Failed to install boot/ });
    passTime(machine);
    assertIs(machine, OLD);
    assertIsDefault(machine);
  });

  test("what cannot be a profile is refused before anything is touched", () => {
    const refused: readonly (readonly [Partial<TransactionPlan>, RegExp])[] = [
      [{ profiles: [{ ...WANTED[0]!, name: "../x" }] }, /cannot be used/],
      [{ profiles: [{ ...WANTED[0]!, link: "/a/../b" }] }, /cannot be used/],
      [{ profiles: [profile("app", "alice", "/etc/passwd")] }, /cannot be used/],
    ];
    for (const [more, message] of refused) {
      const machine = newMachine();
      assert.throws(() => begin(on(machine), planOf(more)), { message });
      assert.equal(machine.files.has(LOCK), false);
    }
    const volatile = newMachine();
    volatile.etcBornAtSeconds = 0;
    assert.throws(() => begin(on(volatile), planOf()), { message: /could not return its profiles after a power cut/ });
    const unknown = settled({ profiles: [profile("app", "alice", APP_2), profile("tool", "carol", TOOL)] });
    assertIs(unknown, OLD);
    assert.match(
      TransactionRecord.openKnown(on(unknown), "t1").receipt?.reason?.message ?? "",
      /has no user 'carol', whose profile it is/,
    );
  });
});

interface Cut {
  readonly name: string;
  readonly index: number;
}

const killAt = ({ index, name }: Cut): ProcessOptions => ({
  onEffect: (_what, at) => {
    if (at === index) throw new Killed(name);
  },
});

type Run = (machine: FakeMachine, options: ProcessOptions) => void;

interface Phase {
  readonly title: string;
  readonly plan: Partial<TransactionPlan>;
  readonly prepare: () => FakeMachine;
  readonly run: Run;
}

const WAYS: readonly (readonly [title: string, plan: Partial<TransactionPlan>])[] = [
  ["switch", {}],
  ["temporary", { goal: "temporary" }],
  ["reboot", { goal: "reboot" }],
  ["switch of profiles alone", { system: OLD }],
];

const PHASES: readonly Phase[] = WAYS.flatMap(([title, plan]): Phase[] => [
  {
    title: `${title}: begin`,
    plan,
    prepare: () => newMachine(plan),
    run: (machine, options) => {
      attempt(() => begin(on(machine, options), planOf(plan)));
    },
  },
  { title: `${title}: activate`, plan, prepare: () => begun(plan), run: settle },
  {
    title: `${title}: confirm`,
    plan,
    prepare: () => settled(plan),
    run: (machine, options) => {
      attempt(() => confirm(on(machine, options), "t1"));
    },
  },
  {
    title: `${title}: revert`,
    plan,
    prepare: () => settled(plan),
    run: (machine, options) => {
      machine.nowMs += 1_000_000;
      settle(machine, options);
    },
  },
]);

for (const { title, plan, prepare, run } of PHASES) {
  const cuts: Cut[] = [];
  run(prepare(), {
    onEffect: (what, index) => {
      cuts.push({ name: what.slice(0, 100), index });
    },
  });
  const assertEnded = (machine: FakeMachine): void => {
    openUnfinished(on(machine));
    const { receipt } = TransactionRecord.open(on(machine), "t1") ?? {};
    const isNew = receipt?.outcome === "confirmed";
    assert.ok(!isNew || title.endsWith("confirm"));
    assertIs(machine, isNew ? (plan.system ?? NEW) : OLD, isNew);
    assertIsDefault(machine);
    // A plan of which nothing was recorded is sent again.
    if (receipt !== undefined) assertTidy(machine);
    confirmed({ id: "t2" }, machine);
    assertIs(machine, NEW);
    assertIsDefault(machine);
    assertTidy(machine);
  };

  suite(`${title} is killed`, () => {
    for (const cut of cuts) {
      test(`${cut.name} (${cut.index})`, () => {
        const machine = prepare();
        run(machine, killAt(cut));
        settle(machine);
        for (let times = 0; times < 3; times++) passTime(machine);
        assertEnded(machine);
      });
    }
  });

  suite(`power is cut while ${title}`, () => {
    for (const cut of cuts) {
      test(`${cut.name} (${cut.index})`, () => {
        const machine = prepare();
        run(machine, killAt(cut));
        machine.processes.clear();
        powerCut(machine);
        const isTried = plan.goal === "reboot" && machine.processes.has("pristine-resume.service");
        if (isTried) for (let times = 0; times < 2; times++) passTime(machine);
        else assertIsDefault(machine);
        assertEnded(machine);
      });
    }
  });
}

suite("the disk fills up", () => {
  for (const [system, writes] of [OLD, NEW].flatMap((system) =>
    Array.from({ length: 60 }, (_, at) => [system, at] as const),
  )) {
    test(`${system === OLD ? "profiles alone, " : ""}after ${writes} writes`, () => {
      const machine = newMachine({ system });
      machine.disk.writesLeft = writes;
      try {
        begun({ system }, machine);
        settle(machine);
        // Whatever the ballast gave has gone meanwhile.
        machine.disk.writesLeft = Math.min(machine.disk.writesLeft, 0);
      } catch {
        // It could not begin.
      }
      for (let times = 0; times < 3; times++) passTime(machine);
      assertIs(machine, OLD);
      machine.disk.writesLeft = Number.POSITIVE_INFINITY;
      openUnfinished(on(machine));
      const { outcome } = TransactionRecord.open(on(machine), "t1")?.receipt ?? {};
      assert.ok(outcome === undefined || outcome === "reverted", outcome);
      confirmed({ id: "t2" }, machine);
      assertIs(machine, NEW);
      assertTidy(machine);
    });
  }
});
