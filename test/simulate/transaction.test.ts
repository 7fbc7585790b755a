/**
 * The transaction under a model of a host: its processes are killed, and the host is cut from power, before and after
 * every journal record and every other effect of every step.
 */

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { begin, parsePlan } from "../../src/kit/begin.ts";
import { willBootOnce } from "../../src/kit/boot-once.ts";
import { isAtWork, openUnfinished } from "../../src/kit/conclude.ts";
import { confirm } from "../../src/kit/confirm.ts";
import { execute } from "../../src/kit/executor.ts";
import type { Host } from "../../src/kit/host.ts";
import { KitError } from "../../src/kit/kit-error.ts";
import { resume } from "../../src/kit/resume.ts";
import { revertRun } from "../../src/kit/revert-run.ts";
import { requestRevert, revert } from "../../src/kit/revert.ts";
import { EXECUTOR_UNIT, readReceipts, TransactionRecord } from "../../src/kit/transaction-record.ts";
import { readDataVersions } from "../../src/kit/data-versions.ts";
import type { Hook } from "../../src/machine/hook.ts";
import type { SecretFile, SecretsManifest } from "../../src/machine/secrets.ts";
import type { SystemMeta } from "../../src/machine/system-object.ts";
import {
  isFinal,
  stepsOf,
  TRANSACTION_GOALS,
  type JournalEvent,
  type Receipt,
  type StepName,
  type TransactionGoal,
  type TransactionPlan,
} from "../../src/machine/transaction.ts";
import type { SystemBase } from "../../src/machine/system-object.ts";
import {
  definitionOf,
  BOOT_LOADER,
  FakeMachine,
  Killed,
  processOn,
  type ProcessOptions,
  type ScriptAnswer,
} from "../support/fake-machine.ts";

const OLD = "/nix/store/00000000000000000000000000000000-system-h";
const NEW = "/nix/store/11111111111111111111111111111111-system-h";
const BAD = "/nix/store/22222222222222222222222222222222-system-h";
const OTHER = "/nix/store/44444444444444444444444444444444-system-h";

const service = (exec: string, more = ""): string => `[Unit]\nDescription=d\n[Service]\nExecStart=${exec}\n${more}`;

const HOST_KEY = "/persist/etc/ssh/ssh_host_ed25519_key";

/** What stands for secrets in a system: `db`, which `same.service` reads, and `tls`, which is the same in all of them. */
function secretsOf(base: SystemBase, id: string, db: string): Record<string, string> {
  // Numbers of NixOS's users are known to the host alone.
  const number = base === "nixos" ? null : 0;
  const root = { owner: "root", group: "root", uid: number, gid: number, mode: "0400", reloadUnits: [] };
  const secret = (name: string, path: string, restartUnits: readonly string[]): SecretFile => ({
    ...root,
    name,
    path,
    restartUnits,
    sha256: `${name} ${id}`,
  });
  const config = { ...root, name: "conf", path: "/persist/conf", restartUnits: ["soft.service"] };
  const manifest: SecretsManifest = {
    version: 1,
    id,
    identities: ["/persist/absent", HOST_KEY],
    ...(base === "nixos" ? { age: "/nix/store/33333333333333333333333333333333-age/bin/age" } : {}),
    secrets: [
      secret("db", "/run/secrets/db", ["same.service", "absent.service"]),
      secret("tls", "/run/secrets/tls", ["config.service"]),
    ],
    templates: [{ ...config, content: "tls=@pristine-secret:tls@;" }],
  };
  return {
    "etc/pristine/secrets/manifest.json": JSON.stringify(manifest),
    "etc/pristine/secrets/db.age": `for key: ${db}\n`,
    "etc/pristine/secrets/tls.age": "for key: $&\n",
  };
}

function newMachine(base: SystemBase = "debian"): FakeMachine {
  const machine = new FakeMachine();
  machine.files.set(HOST_KEY, { kind: "file", text: "key" });
  machine.addSystem(
    OLD,
    {
      "web.service": service("/bin/web --one"),
      "soft.service": service("/bin/soft --one", "X-StopIfChanged=false\n"),
      "config.service": service("/bin/config", "ExecReload=/bin/reload\nX-Reload-Triggers=one\n"),
      "gone.service": service("/bin/gone"),
      "same.service": service("/bin/same"),
    },
    secretsOf(base, "old", "one"),
  );
  machine.addSystem(
    NEW,
    {
      "web.service": service("/bin/web --two"),
      "soft.service": service("/bin/soft --two", "X-StopIfChanged=false\n"),
      "config.service": service("/bin/config", "ExecReload=/bin/reload\nX-Reload-Triggers=two\n"),
      "added.service": service("/bin/added"),
      "same.service": service("/bin/same"),
    },
    secretsOf(base, "new", "two"),
  );
  machine.addSystem(BAD, { "web.service": service("/bin/false"), "same.service": service("/bin/same") });
  if (base === "nixos") {
    for (const path of [OLD, NEW, BAD]) machine.makeNixos(path);
  }
  machine.setLink("/nix/var/nix/profiles/system-1-link", OLD);
  machine.setLink("/nix/var/nix/profiles/system", "system-1-link");
  if (base === "nixos") machine.installGrub(OLD);
  machine.boot();
  machine.log.length = 0;
  return machine;
}

const setFile = (path: string, text: string) => (machine: FakeMachine) => {
  machine.files.set(path, { kind: "file", text });
};

/** What keeps a host of NixOS from booting a system once, and how it says so. */
const SPOILT: readonly (readonly [title: string, spoil: (machine: FakeMachine) => void, message: string])[] = [
  [
    "whose boot loader cannot be read",
    (machine) => machine.files.delete("/boot/grub/grub.cfg"),
    `no configuration of systemd-boot or GRUB says that ${OLD} is its default`,
  ],
  [
    "whose boot loader boots something else",
    (machine) => {
      machine.installGrub(BAD);
    },
    `no configuration of systemd-boot or GRUB says that ${OLD} is its default`,
  ],
  [
    "whose GRUB does not look for it",
    setFile("/boot/grub/grub.cfg", `set default=0\nmenuentry "NixOS" {\n  linux /kernel init=${OLD}/init\n}\n`),
    "/boot/grub/grub.cfg does not look at 'next_entry'",
  ],
  [
    "whose GRUB cannot write",
    setFile("/proc/self/mountinfo", "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:9 / /boot rw - btrfs /dev/sda2 rw\n"),
    "GRUB cannot forget an entry on btrfs, where /boot is",
  ],
  [
    "whose GRUB cannot write to its device",
    setFile("/sys/dev/block/8:1/dm/name", "boot"),
    "GRUB cannot forget an entry on a mapped device or a RAID, where /boot is",
  ],
  [
    "that makes /etc anew at each boot",
    (machine) => {
      machine.etcBornAtSeconds = machine.nowMs / 1000 - 2;
    },
    "nothing in /etc shows that it outlives a reboot",
  ],
  [
    "on a file system that does not say when /etc was made",
    (machine) => {
      machine.etcBornAtSeconds = 0;
    },
    "nothing in /etc shows that it outlives a reboot",
  ],
  [
    "whose clock was set",
    (machine) => {
      machine.bootedAtMs = 0;
    },
    "its clock was set since it has booted, so that nothing shows whether /etc outlives a reboot",
  ],
];

/** How scripts of NixOS end, the older ones of Perl and the newer ones of Rust, and what that comes to. */
const SCRIPTS: readonly (readonly [title: string, answer: ScriptAnswer, message: string | undefined])[] = [
  ["ends well", { code: 0, lines: [], isSwitched: true }, undefined],
  ["fails for units that had failed before", { code: 4, lines: ["warning: x failed"], isSwitched: true }, undefined],
  [
    "ends well without having done anything",
    { code: 0, lines: [], isSwitched: false },
    `switch-to-configuration test ended well, but /run/current-system is ${OLD}`,
  ],
  [
    "dies with the number that failed units have",
    { code: 4, lines: ["Could not acquire lock - Interrupted system call"], isSwitched: false },
    "switch-to-configuration test ended with 4: Could not acquire lock - Interrupted system call",
  ],
  [
    "dies with the number that a failed activation has",
    { code: 2, lines: ["This is not a NixOS installation!"], isSwitched: false },
    "switch-to-configuration test ended with 2: This is not a NixOS installation!",
  ],
  [
    "cannot have its lock, in Rust",
    { code: 11, lines: ["Could not acquire lock"], isSwitched: false },
    "switch-to-configuration test ended with 11: Could not acquire lock",
  ],
  [
    "is stopped by the system's own checks",
    { code: 1, lines: ["x must be y", "Pre-switch checks failed"], isSwitched: false },
    "switch-to-configuration test ended with 1: Pre-switch checks failed",
  ],
  [
    "activates in part, which failed units then cover",
    { code: 4, lines: ["Failed to run activate script", "restarting x"], isSwitched: true },
    "switch-to-configuration test ended with 4: Failed to run activate script",
  ],
  [
    "activates in part, as the activation script says",
    { code: 4, lines: ["Activation script snippet 'users' failed (1)", "warning: x"], isSwitched: true },
    "switch-to-configuration test ended with 4: Activation script snippet 'users' failed (1)",
  ],
  [
    "asks for a reboot",
    { code: 100, lines: ["Warning: the new NixOS configuration has an ‘init’"], isSwitched: false },
    "switch-to-configuration test ended with 100: the running system's init cannot take it: deploy it with --goal boot, and reboot",
  ],
];

/** One at each moment of a transaction. */
const HOOKS: readonly Hook[] = (
  [
    "preActivation",
    "postActivation",
    "preConfirmation",
    "postConfirmation",
    "preRollback",
    "postRollback",
    "preReboot",
    "postReboot",
    "finally",
  ] as const
).map((moment) => ({
  name: moment,
  on: "host",
  when: [moment],
  command: [`/persist/${moment}`],
  timeoutSeconds: 5,
  environment: {},
  onFailure: "abort",
}));

function planOf(system: string, goal: TransactionGoal = "switch", id = "t1"): TransactionPlan {
  return {
    version: 1,
    id,
    goal,
    host: "h",
    system,
    operator: { user: "op", host: "desk", pid: 1 },
    reason: "deploy",
    ...(goal === "temporary" ? { temporarySeconds: TEMPORARY_SECONDS } : {}),
    confirmTimeoutSeconds: 60,
    keepGenerations: 3,
    healthChecks: [
      { name: "web", kind: "command", command: ["check-new"], timeoutSeconds: 1, retries: 0, intervalSeconds: 1 },
    ],
    hooks: HOOKS,
  };
}

/** Nobody confirms it after its boot but the host. */
function planOfOwn(system: string): TransactionPlan {
  return { ...planOf(system, "reboot"), confirmsItself: true };
}

/** Runs what systemd would run, restarting what dies. `onEffect` applies to the first process only. */
function settle(machine: FakeMachine, options: ProcessOptions = {}): void {
  let first: ProcessOptions | undefined = options;
  machine.settle((command, unit) => {
    const host = processOn(machine, { ...first, unit });
    first = undefined;
    const [, subcommand, id = ""] = command;
    try {
      if (subcommand === "run") execute(host, id);
      else if (subcommand === "revert-run") revertRun(host, id, command[3]);
      else if (subcommand === "resume") resume(host);
      else throw new Error(`unknown command ${command.join(" ")}`);
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      return "killed";
    }
    machine.processes.delete(unit);
    return "done";
  });
}

function attempt(action: () => void): "done" | "killed" {
  try {
    action();
    return "done";
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
    return "killed";
  }
}

/** Less than `passTime` lets pass. */
const TEMPORARY_SECONDS = 900;

function passTime(machine: FakeMachine): void {
  machine.nowMs += 1_000_000;
  settle(machine);
}

function runningSystem(machine: FakeMachine): string {
  const link = machine.readlink("/system");
  return link === undefined ? (machine.readlink("/run/current-system") ?? "") : `/${link}`;
}

function profile(machine: FakeMachine): string | undefined {
  return machine.readlink(`/nix/var/nix/profiles/${machine.readlink("/nix/var/nix/profiles/system") ?? ""}`);
}

const SECRETS_OF: Readonly<Record<string, string | undefined>> = { [OLD]: "one\n", [NEW]: "two\n" };

/** The units of the running system, all with its own definitions, and no others. */
function assertRuns(machine: FakeMachine, system: string): void {
  assert.equal(runningSystem(machine), system);
  assert.equal(machine.readlink("/run/pristine/activated") ?? machine.readlink("/run/current-system"), system);
  const wanted = machine.loaded();
  assert.equal(wanted.path, system);
  const secret = SECRETS_OF[system];
  assert.equal(machine.secret("db"), secret);
  assert.equal(machine.secret("conf"), secret && "tls=$&;");
  assert.equal(machine.readlink("/persist/conf"), secret && "/run/secrets/conf");
  // Who reads it has read the one that is in force.
  if (secret !== undefined) assert.equal(machine.units.get("same.service")?.secret, secret);
  const expected = [...wanted.wanted().keys()].sort();
  const active = [...machine.units].filter(([name]) => name !== "multi-user.target");
  assert.deepEqual(
    active.map(([name, unit]) => `${name} ${unit.activeState} ${unit.definition}`).sort(),
    expected.map((name) => `${name} active ${definitionOf(wanted.unit(name))}`).sort(),
  );
}

/** What must hold at every instant. */
function assertNeverStranded(machine: FakeMachine): void {
  assert.ok([OLD, NEW, BAD].includes(runningSystem(machine)), `/system names ${runningSystem(machine)}`);
  const bootDefault = profile(machine);
  assert.ok(bootDefault !== undefined && machine.files.has(`${bootDefault}/usr`), "the boot default exists");
  // What runs has a root: a collector may run at any time.
  const roots = [...machine.files].flatMap(([path, entry]) =>
    entry.kind === "link" && /^\/nix\/var\/nix\/(?:gcroots\/pristine|profiles)\//.test(path) ? [entry.target] : [],
  );
  assert.ok(roots.includes(runningSystem(machine)), `${runningSystem(machine)} runs and has no root`);
}

function receiptOf(machine: FakeMachine, id = "t1"): Receipt | undefined {
  return TransactionRecord.open(processOn(machine), id)?.receipt;
}

suite("a transaction goes its way", () => {
  test("switch is volatile until it is confirmed", () => {
    const machine = newMachine();
    const answer = begin(processOn(machine), planOf(NEW));
    assert.deepEqual(answer, { id: "t1", state: "recorded", previous: OLD, reused: false });
    settle(machine);
    assertRuns(machine, NEW);
    assert.equal(profile(machine), OLD);
    assert.deepEqual(machine.log, [
      "hook /persist/preActivation",
      "stop gone.service",
      "stop web.service",
      "reload config.service",
      "stop same.service",
      "start same.service",
      "stop soft.service",
      "start soft.service",
      "start web.service",
      "start added.service",
      "hook /persist/postActivation",
      "hook /persist/preConfirmation",
    ]);
    machine.log.length = 0;
    const receipt = confirm(processOn(machine), "t1");
    assert.deepEqual(machine.log, ["hook /persist/postConfirmation", "hook /persist/finally"]);
    assert.deepEqual(
      receipt?.hooks?.map(({ moment, isOk }) => [moment, isOk]),
      ["preActivation", "postActivation", "preConfirmation", "postConfirmation", "finally"].map((moment) => [
        moment,
        true,
      ]),
    );
    assert.equal(receipt.outcome, "confirmed");
    assert.equal(receipt.generation, 2);
    assert.equal(profile(machine), NEW);
    assert.equal(machine.timers.size, 0);
    assert.deepEqual(confirm(processOn(machine), "t1"), receipt, "confirming twice is harmless");
    passTime(machine);
    assertRuns(machine, NEW);
    machine.powerCut();
    assertRuns(machine, NEW);
  });

  test("without confirmation the host returns by itself", () => {
    const machine = newMachine();
    begin(processOn(machine), planOf(NEW));
    settle(machine);
    passTime(machine);
    assertRuns(machine, OLD);
    assert.equal(receiptOf(machine)?.outcome, "reverted");
    assert.equal(receiptOf(machine)?.reason?.kind, "deadline");
    assert.equal(profile(machine), OLD);
    assert.throws(() => confirm(processOn(machine), "t1"), { name: "KitError", message: /is reverted/ });
  });

  test("a confirmation that the boot loader does not follow is refused, and the host returns", () => {
    const machine = newMachine("nixos");
    // Nobody writes it: the scripts are of those that do nothing for the system that runs.
    machine.files.delete("/boot/grub/grub.cfg");
    const text = `DEFAULT nixos-default\nLABEL nixos-default\n  APPEND init=${OLD}/init\n`;
    machine.files.set("/boot/extlinux/extlinux.conf", { kind: "file", text });
    begin(processOn(machine), planOf(NEW));
    settle(machine);
    assertRuns(machine, NEW);
    assert.throws(() => confirm(processOn(machine), "t1"), {
      name: "KitError",
      message: `switch-to-configuration boot ended well, but the boot loader boots ${OLD}, not ${NEW}`,
    });
    passTime(machine);
    assertRuns(machine, OLD);
    assert.equal(receiptOf(machine)?.outcome, "reverted");
    assert.equal(profile(machine), OLD);
    machine.powerCut();
    assertRuns(machine, OLD);
  });

  test("a unit that fails sends the host back at once", () => {
    const machine = newMachine();
    begin(processOn(machine), planOf(BAD));
    settle(machine);
    assertRuns(machine, OLD);
    const receipt = receiptOf(machine);
    assert.equal(receipt?.outcome, "reverted");
    assert.equal(receipt?.reason?.kind, "units-failed");
    assert.equal(receipt?.reason?.step, "start");
    assert.equal(machine.timers.size, 0);
  });

  test("a system whose systemctl does not start sends the host back, and what was stopped is started", () => {
    const machine = newMachine();
    machine.withoutSystemctl.add(NEW);
    begin(processOn(machine), planOf(NEW));
    settle(machine);
    assertRuns(machine, OLD);
    const receipt = receiptOf(machine);
    assert.equal(receipt?.outcome, "revert-failed");
    assert.match(receipt.reason?.message ?? "", /shared object/);
    assert.equal(machine.timers.size, 0);
  });

  test("a return can be asked for, with a reason", () => {
    for (const reason of [undefined, { kind: "health-failed", message: "no page" }] as const) {
      const machine = newMachine();
      begin(processOn(machine), planOf(NEW));
      settle(machine);
      requestRevert(processOn(machine), "t1", reason);
      settle(machine);
      assertRuns(machine, OLD);
      const recorded = receiptOf(machine)?.reason;
      if (reason === undefined) assert.equal(recorded?.kind, "requested");
      else assert.deepEqual(recorded, reason);
    }
  });

  test("a return asked for too late leaves the next transaction's executor alone", () => {
    const machine = newMachine();
    begin(processOn(machine), planOf(BAD));
    settle(machine);
    begin(processOn(machine), planOf(NEW, "switch", "t2"));
    requestRevert(processOn(machine), "t1");
    revert(processOn(machine), TransactionRecord.openKnown(processOn(machine), "t1"), {});
    assert.throws(() => requestRevert(processOn(machine), "t0"), { name: "KitError", message: /knows no transaction/ });
    settle(machine);
    assertRuns(machine, NEW);
    assert.equal(confirm(processOn(machine), "t2")?.outcome, "confirmed");
  });

  test("a return asked for after a reboot finds that the reboot was one", () => {
    const machine = newMachine();
    begin(processOn(machine), planOf(NEW));
    settle(machine);
    machine.powerCut();
    assert.equal(requestRevert(processOn(machine), "t1").state, "reverted-by-reboot");
    settle(machine);
    assertRuns(machine, OLD);
    assert.deepEqual(machine.processes, new Map());
  });

  test("the same plan sent again after a reboot finds that the reboot has ended it", () => {
    const machine = newMachine();
    begin(processOn(machine), planOf(NEW));
    machine.powerCut();
    assert.equal(begin(processOn(machine), planOf(NEW)).state, "reverted-by-reboot");
    settle(machine);
    assertRuns(machine, OLD);
    assert.deepEqual(machine.processes, new Map());
  });

  test("test keeps the boot default for good", () => {
    const machine = newMachine();
    begin(processOn(machine), planOf(NEW, "test"));
    settle(machine);
    assert.equal(confirm(processOn(machine), "t1")?.outcome, "tested");
    passTime(machine);
    assertRuns(machine, NEW);
    assert.equal(profile(machine), OLD);
    assertNeverStranded(machine);
    machine.powerCut();
    assertRuns(machine, OLD);
  });

  test("a temporary system is gone by itself when its time is over", () => {
    const machine = temporary();
    const record = TransactionRecord.openKnown(processOn(machine), "t1");
    assert.equal(record.state, "temporary");
    assert.equal(record.status().revertsInSeconds, TEMPORARY_SECONDS);
    assertRuns(machine, NEW);
    assertNeverStranded(machine);
    machine.nowMs += 100_000;
    settle(machine);
    assert.equal(confirm(processOn(machine), "t1"), undefined, "confirming twice is harmless");
    assertRuns(machine, NEW);
    assert.deepEqual([...machine.timers.keys()], ["pristine-expiry"]);
    passTime(machine);
    assertRuns(machine, OLD);
    assert.equal(profile(machine), OLD);
    const receipt = receiptOf(machine);
    assert.deepEqual([receipt?.outcome, receipt?.reason?.kind], ["reverted", "expired"]);
    assert.deepEqual([...machine.timers.keys()], []);
    assertCanDeploy(machine);
  });

  test("a temporary system survives no reboot, and can be ended early", () => {
    const rebooted = temporary();
    rebooted.powerCut();
    assertRuns(rebooted, OLD);
    assert.equal(openUnfinished(processOn(rebooted)), undefined);
    assert.match(receiptOf(rebooted)?.reason?.message ?? "", /during its temporary system/);
    const ended = temporary();
    requestRevert(processOn(ended), "t1");
    settle(ended);
    assertRuns(ended, OLD);
    assert.equal(receiptOf(ended)?.reason?.kind, "requested");
  });

  test("a deployment takes over from a temporary system: what fails then returns to the one before it", () => {
    for (const [system, expected] of [
      [OLD, OLD],
      [NEW, NEW],
      [BAD, OLD],
    ] as const) {
      const machine = temporary();
      const stale = { ...planOf(system, "switch", "t2"), expectedPrevious: OLD };
      assert.throws(() => begin(processOn(machine), stale), { message: /the plan was made against/ });
      begin(processOn(machine), { ...stale, expectedPrevious: NEW });
      assertNeverStranded(machine);
      settle(machine);
      if (system !== BAD) assert.equal(confirm(processOn(machine), "t2")?.outcome, "confirmed");
      assertRuns(machine, expected);
      assert.equal(receiptOf(machine)?.outcome, "superseded");
      passTime(machine);
      assertRuns(machine, expected);
      assert.equal(profile(machine), expected);
      assert.deepEqual([...machine.timers.keys()], []);
    }
  });

  test("what was taken over from is ended, wherever the one that took over was cut off", () => {
    const takesOver = (machine: FakeMachine, options: ProcessOptions): void =>
      void begin(processOn(machine, options), planOf(NEW, "switch", "t2"));
    for (const cut of effectsOf(temporary, takesOver)) {
      const where = (then: string): string => `${cut.name}, ${then}`;
      const cutOff = (): FakeMachine => {
        const machine = temporary();
        attempt(() => takesOver(machine, killAt(cut)));
        return machine;
      };
      for (const id of ["t2", "t3"]) {
        const machine = cutOff();
        const isRecorded = TransactionRecord.open(processOn(machine), "t2") !== undefined;
        // Once its executor is started, nobody else begins.
        if (id === "t3" && isAtWork(processOn(machine))) continue;
        begin(processOn(machine), planOf(NEW, "switch", id));
        assert.equal(receiptOf(machine, "t1")?.outcome, "superseded", where(id));
        if (id === "t3" && isRecorded) assert.equal(receiptOf(machine, "t2")?.outcome, "superseded", where(id));
        settle(machine);
        confirm(processOn(machine), id);
        passTime(machine);
        assertRuns(machine, NEW);
        assert.equal(profile(machine), NEW, where(id));
      }
      const left = cutOff();
      // What was started goes on first, until nobody confirms it.
      for (let times = 0; times < 2; times++) passTime(left);
      assert.equal(runningSystem(left), OLD, where("nobody"));
      assert.notEqual(receiptOf(left, "t1"), undefined, where("nobody"));
      const dark = cutOff();
      dark.powerCut();
      openUnfinished(processOn(dark));
      assertRuns(dark, OLD);
      assert.notEqual(receiptOf(dark, "t1"), undefined, where("power cut"));
      assert.equal(openUnfinished(processOn(dark)), undefined);
    }
  });

  test("receipts are in the order of what happened, also when the clock was set back in between", () => {
    const machine = newMachine();
    const deployed = (id: string, system: string, hours: number): void => {
      const atThatTime = (host: Host): Host => ({
        ...host,
        wallClock: () => new Date(machine.nowMs + hours * 3_600_000).toISOString(),
      });
      begin(atThatTime(processOn(machine)), planOf(system, "switch", id));
      settle(machine);
      assert.equal(confirm(atThatTime(processOn(machine)), id)?.outcome, "confirmed");
    };
    deployed("t1", NEW, 30);
    deployed("t2", OLD, 0);
    deployed("t3", NEW, 1);
    assert.deepEqual(
      readReceipts(processOn(machine)).map(({ id, ordinal }) => `${id} ${ordinal}`),
      ["t3 3", "t2 2", "t1 1"],
    );
  });

  test("boot activates nothing and moves the boot default when confirmed", () => {
    const machine = newMachine();
    begin(processOn(machine), planOf(NEW, "boot"));
    settle(machine);
    assert.equal(profile(machine), OLD);
    assert.equal(confirm(processOn(machine), "t1")?.outcome, "confirmed");
    assertRuns(machine, OLD);
    const hooks = ["preConfirmation", "postConfirmation", "finally"].map((moment) => `hook /persist/${moment}`);
    assert.deepEqual(machine.log, hooks);
    machine.powerCut();
    assertRuns(machine, NEW);
  });

  test("reboot boots the new system once, and makes it the boot default when confirmed", () => {
    const machine = newMachine();
    begin(processOn(machine), planOf(NEW, "reboot"));
    settle(machine);
    assertRuns(machine, NEW);
    assert.equal(profile(machine), OLD);
    const receipt = confirm(processOn(machine), "t1");
    assert.equal(receipt?.outcome, "confirmed");
    assert.equal(receipt.generation, 2);
    assert.equal(profile(machine), NEW);
    passTime(machine);
    machine.powerCut();
    assertRuns(machine, NEW);
    assert.equal(machine.bootId, "boot-3");
  });

  test("a reboot that nobody confirms is followed by one into the old default", () => {
    const machine = newMachine();
    begin(processOn(machine), planOf(NEW, "reboot"));
    settle(machine);
    passTime(machine);
    assertRuns(machine, OLD);
    openUnfinished(processOn(machine));
    assert.equal(receiptOf(machine)?.outcome, "reverted-by-reboot");
    assert.equal(receiptOf(machine)?.reason?.kind, "deadline");
    assertCanDeploy(machine);
  });

  for (const base of ["debian", "nixos"] as const) {
    test(`a host of ${base} confirms itself after a reboot for which nobody is there, or returns by another`, () => {
      for (const [system, outcome, kind] of [
        [NEW, "confirmed", undefined],
        [BAD, "reverted-by-reboot", "units-failed"],
      ] as const) {
        const machine = newMachine(base);
        begin(processOn(machine), planOfOwn(system));
        settle(machine);
        const running = system === NEW ? NEW : OLD;
        assertRuns(machine, running);
        openUnfinished(processOn(machine));
        const receipt = receiptOf(machine);
        assert.deepEqual([receipt?.outcome, receipt?.reason?.kind], [outcome, kind]);
        assert.equal(machine.timers.size, 0);
        machine.powerCut();
        assertRuns(machine, running);
        assertCanDeploy(machine);
      }
    });
  }

  test("a host that cannot confirm itself is back by its timer", () => {
    const machine = newMachine("nixos");
    begin(processOn(machine), planOfOwn(NEW));
    execute(processOn(machine), "t1");
    machine.brokenBootLoaders.add(NEW);
    // systemd gives up starting it again.
    assert.throws(() => {
      settle(machine);
    }, /Failed to install boot/);
    assertRuns(machine, NEW);
    machine.processes.clear();
    passTime(machine);
    assertRuns(machine, OLD);
    assert.equal(profile(machine), OLD);
    openUnfinished(processOn(machine));
    assert.equal(receiptOf(machine)?.outcome, "reverted-by-reboot");
  });

  test("only after a reboot does a host confirm itself", () => {
    for (const goal of TRANSACTION_GOALS) {
      const text = JSON.stringify({ ...planOf(NEW, goal), confirmsItself: true });
      if (goal === "reboot") assert.equal(parsePlan(text).confirmsItself, true);
      else assert.throws(() => parsePlan(text), { message: "the plan cannot be used: confirmsItself" });
    }
  });

  test("a new system that is not healthy after its boot is left by another reboot", () => {
    const machine = newMachine();
    begin(processOn(machine), planOf(BAD, "reboot"));
    settle(machine);
    assertRuns(machine, OLD);
    openUnfinished(processOn(machine));
    assert.equal(receiptOf(machine)?.outcome, "reverted-by-reboot");
    assert.equal(receiptOf(machine)?.reason?.kind, "units-failed");
    assertCanDeploy(machine);
  });

  test("a new system whose systemctl does not start is left by another reboot too", () => {
    const machine = newMachine();
    machine.withoutSystemctl.add(NEW);
    begin(processOn(machine), planOf(NEW, "reboot"));
    settle(machine);
    assertRuns(machine, OLD);
    openUnfinished(processOn(machine));
    assert.equal(receiptOf(machine)?.outcome, "reverted-by-reboot");
  });

  test("a return can be asked for before and after the reboot", () => {
    for (const isBooted of [false, true]) {
      const machine = newMachine();
      begin(processOn(machine), planOf(NEW, "reboot"));
      if (isBooted) settle(machine);
      requestRevert(processOn(machine), "t1");
      settle(machine);
      assertRuns(machine, OLD);
      openUnfinished(processOn(machine));
      assert.equal(receiptOf(machine)?.outcome, isBooted ? "reverted-by-reboot" : "reverted");
      assert.equal(receiptOf(machine)?.reason?.kind, "requested");
      machine.powerCut();
      assertRuns(machine, OLD);
    }
  });

  test("a reboot of NixOS's leaves no generation and no entry of what it returned from", () => {
    const machine = newMachine("nixos");
    begin(processOn(machine), planOf(BAD, "reboot"));
    settle(machine);
    assertRuns(machine, OLD);
    openUnfinished(processOn(machine));
    assert.equal(receiptOf(machine)?.outcome, "reverted-by-reboot");
    assert.equal(receiptOf(machine)?.reason?.kind, "units-failed");
    assert.equal(machine.readlink("/nix/var/nix/profiles/system-2-link"), undefined);
    const menu = machine.files.get("/boot/grub/grub.cfg");
    assert.ok(menu?.kind === "file" && !menu.text.includes(BAD));
    assertCanDeploy(machine);
  });

  test("a confirmation after a reboot that the boot loader does not follow leads back by another reboot", () => {
    const machine = newMachine("nixos");
    begin(processOn(machine), planOf(NEW, "reboot"));
    settle(machine);
    assertRuns(machine, NEW);
    machine.brokenBootLoaders.add(NEW);
    assert.throws(() => confirm(processOn(machine), "t1"), { message: /boot ended with 1: Failed to install boot/ });
    passTime(machine);
    assertRuns(machine, OLD);
    assert.equal(profile(machine), OLD);
    openUnfinished(processOn(machine));
    assert.equal(receiptOf(machine)?.outcome, "reverted-by-reboot");
    machine.brokenBootLoaders.clear();
    assertCanDeploy(machine);
  });

  for (const [title, spoil, message] of SPOILT) {
    test(`no host of NixOS boots once ${title}`, () => {
      const machine = newMachine("nixos");
      spoil(machine);
      assert.throws(() => begin(processOn(machine), planOf(NEW, "reboot")), {
        failure: {
          code: "KIT_STATE",
          message: `this host cannot boot a system once: ${message}`,
          hint: "deploy with --goal boot, and run 'pristine reboot'",
        },
      });
      assert.equal(machine.files.has("/nix/var/pristine/lock"), false);
    });
  }

  test("systemd-boot is asked for the entry of one boot by its name", () => {
    const machine = newMachine("nixos");
    machine.useSystemdBoot();
    begin(processOn(machine), planOf(NEW, "reboot"));
    settle(machine);
    assertRuns(machine, NEW);
    assert.deepEqual(
      machine.log.filter((line) => line.startsWith("bootctl ")),
      ["bootctl set-oneshot nixos-generation-2.conf"],
    );
    assert.equal(confirm(processOn(machine), "t1")?.outcome, "confirmed");
    machine.powerCut();
    assertRuns(machine, NEW);
    const returning = newMachine("nixos");
    returning.useSystemdBoot();
    begin(processOn(returning), planOf(NEW, "reboot"));
    const onEffect = (what: string): void => {
      if (what === "reboot") throw new Killed("just before it");
    };
    attempt(() => {
      execute(processOn(returning, { onEffect }), "t1");
    });
    requestRevert(processOn(returning), "t1");
    settle(returning);
    assert.ok(returning.log.includes("bootctl set-oneshot "));
    returning.powerCut();
    assertRuns(returning, OLD);
  });

  for (const [title, answer, message] of SCRIPTS) {
    test(`a script that ${title}`, () => {
      const machine = newMachine("nixos");
      machine.scriptAnswer = answer;
      begin(processOn(machine), planOf(NEW));
      settle(machine);
      machine.scriptAnswer = undefined;
      if (message === undefined) return assert.equal(confirm(processOn(machine), "t1")?.outcome, "confirmed");
      assert.equal(receiptOf(machine)?.reason?.message, message);
      assertRuns(machine, OLD);
    });
  }

  for (const cutOff of ["confirmation", "executor"] as const) {
    test(`nothing takes over from a system that was booted once and whose ${cutOff} was killed: a boot is its way back`, () => {
      const machine = booting("debian");
      let effects = 0;
      const onEffect = (): void => {
        effects += 1;
        if (effects === 2) throw new Killed("in the middle");
      };
      if (cutOff === "executor") {
        machine.processes.clear();
        resume(processOn(machine));
        machine.processes.clear();
        assert.equal(
          attempt(() => {
            execute(processOn(machine, { onEffect }), "t1");
          }),
          "killed",
        );
      } else {
        settle(machine);
        assert.equal(
          attempt(() => confirm(processOn(machine, { onEffect }), "t1")),
          "killed",
        );
      }
      assertRuns(machine, NEW);
      assert.throws(() => begin(processOn(machine), planOf(BAD, "switch", "t2")), { message: /^transaction t1 of / });
      passTime(machine);
      assertRuns(machine, cutOff === "executor" ? OLD : NEW);
      assertCanDeploy(machine);
    });
  }

  test("no reboot is begun that could not be watched, or that is none", () => {
    const machine = newMachine();
    assert.throws(() => begin(processOn(machine), planOf(OLD, "reboot")), { message: /is the boot default already/ });
    machine.files.delete(`${NEW}/etc/systemd/system/pristine-resume.service`);
    assert.throws(() => begin(processOn(machine), planOf(NEW, "reboot")), { message: /to watch over its first boot/ });
    assert.equal(machine.files.has("/nix/var/pristine/lock"), false);
  });

  const failing = (moment: string, onFailure: Hook["onFailure"] = "abort"): TransactionPlan => ({
    ...planOf(NEW),
    hooks: HOOKS.map((hook) => (hook.name === moment ? { ...hook, command: ["/persist/false"], onFailure } : hook)),
  });
  const hooksIn = (machine: FakeMachine): string[] =>
    machine.log.flatMap((line) => (line.startsWith("hook ") ? [line.slice("hook /persist/".length)] : []));

  test("a hook before the activation that fails leaves everything as it is", () => {
    const machine = newMachine();
    begin(processOn(machine), failing("preActivation"));
    settle(machine);
    assertRuns(machine, OLD);
    assert.deepEqual(hooksIn(machine), ["false", "preRollback", "postRollback", "finally"]);
    assert.equal(machine.log.length, 4, "no unit was touched");
    const receipt = receiptOf(machine);
    assert.equal(receipt?.outcome, "reverted");
    assert.equal(receipt.reason?.kind, "hook-failed");
    assert.match(receipt.reason.message, /^hook preActivation \(preActivation\): exit 1 after/);
    assert.deepEqual(receipt.reason.log, ["said"]);
  });

  for (const moment of ["postActivation", "preConfirmation"]) {
    test(`a hook at ${moment} that fails sends the host back`, () => {
      const machine = newMachine();
      begin(processOn(machine), failing(moment));
      settle(machine);
      assertRuns(machine, OLD);
      assert.equal(receiptOf(machine)?.reason?.kind, "hook-failed");
    });
  }

  test("a hook that has failed sends the host back wherever the executor is killed then", () => {
    const prepare = (): FakeMachine => {
      const machine = newMachine();
      begin(processOn(machine), failing("postActivation"));
      return machine;
    };
    for (const cut of effectsOf(prepare, settle)) {
      const machine = prepare();
      settle(machine, killAt(cut));
      settle(machine);
      passTime(machine);
      assert.equal(receiptOf(machine)?.reason?.kind, "hook-failed", `${cut.name} (${cut.index})`);
      assertRuns(machine, OLD);
    }
  });

  test("a hook that only warns, and one that comes too late to undo anything, change nothing", () => {
    for (const moment of ["preActivation", "postActivation", "postConfirmation", "finally"]) {
      const machine = newMachine();
      begin(processOn(machine), failing(moment, moment.startsWith("p") && !moment.includes("C") ? "warn" : "abort"));
      settle(machine);
      const receipt = confirm(processOn(machine), "t1");
      assert.equal(receipt?.outcome, "confirmed");
      assert.deepEqual(
        receipt.hooks?.filter(({ isOk }) => !isOk).map(({ name }) => name),
        [moment],
      );
    }
  });

  test("a reboot has hooks of its own inside of those of an activation", () => {
    const machine = newMachine();
    begin(processOn(machine), planOf(NEW, "reboot"));
    settle(machine);
    const before = ["preActivation", "preReboot", "postReboot", "postActivation", "preConfirmation"];
    assert.deepEqual(hooksIn(machine), before);
    passTime(machine);
    openUnfinished(processOn(machine));
    assert.deepEqual(hooksIn(machine), [...before, "preRollback", "postRollback", "finally"]);
  });

  test("data that a new version may have changed is told of on the way back, and saved before", () => {
    const snapshot = { command: ["/persist/dump"], timeoutSeconds: 5, environment: {} };
    const machine = newMachine();
    const units = { "web.service": service("/bin/web") };
    const data = (version: string): Partial<SystemMeta> => ({ dataVersions: [{ name: "app", version, snapshot }] });
    machine.addSystem(OLD, units, {}, data("1"));
    machine.addSystem(NEW, units, {}, data("2"));
    machine.boot();
    const recorded = (): string => readDataVersions(processOn(machine))[0]?.version ?? "none";
    begin(processOn(machine), failing("preActivation"));
    settle(machine);
    assert.equal(receiptOf(machine)?.data, undefined, "the new version has not run");
    assert.equal(recorded(), "1");

    begin(processOn(machine), planOf(NEW, "switch", "t2"));
    settle(machine);
    passTime(machine);
    const told = receiptOf(machine, "t2");
    assert.equal(told?.outcome, "reverted");
    assert.deepEqual(told.hooks?.map(({ name }) => name).slice(0, 2), ["preActivation", "snapshot-app"]);
    assert.match(
      told.data?.join() ?? "",
      /^app: its data may have gone ahead: it is of version 2 by now, and 1 does not/,
    );
    assert.equal(recorded(), "2");

    begin(processOn(machine), planOf(NEW, "switch", "t3"));
    settle(machine);
    machine.powerCut();
    openUnfinished(processOn(machine));
    assert.match(receiptOf(machine, "t3")?.data?.join() ?? "", /version 2 by now/);

    begin(processOn(machine), planOf(NEW, "switch", "t4"));
    settle(machine);
    confirm(processOn(machine), "t4");
    begin(processOn(machine), planOf(OLD, "switch", "t5"));
    settle(machine);
    assert.equal(recorded(), "2", "until it is confirmed, the later version counts");
    confirm(processOn(machine), "t5");
    assert.equal(recorded(), "1");
  });

  test("a hook whose program a system lacks is refused before anything is touched", () => {
    const machine = newMachine();
    const plan = { ...planOf(NEW), hooks: HOOKS.map((hook) => ({ ...hook, command: ["/usr/bin/absent"] })) };
    assert.throws(() => begin(processOn(machine), plan), {
      name: "KitError",
      message: /runs \/usr\/bin\/absent, which/,
    });
    assert.equal(machine.files.has("/nix/var/pristine/lock"), false);
  });

  test("a host that returns by its timer runs its hooks without a deployer, and after a power cut too", () => {
    const machine = newMachine();
    begin(processOn(machine), planOf(NEW));
    settle(machine);
    machine.log.length = 0;
    passTime(machine);
    assert.deepEqual(hooksIn(machine), ["preRollback", "postRollback", "finally"]);
    begin(processOn(machine), planOf(NEW, "switch", "t2"));
    settle(machine);
    machine.powerCut();
    machine.log.length = 0;
    openUnfinished(processOn(machine));
    assert.deepEqual(hooksIn(machine), ["postRollback", "finally"]);
    assert.equal(receiptOf(machine, "t2")?.outcome, "reverted-by-reboot");
  });

  const refused: Readonly<Record<string, (machine: FakeMachine) => void>> = {
    "secret 'db': age: error: no identity": (machine) => machine.files.set(HOST_KEY, { kind: "file", text: "another" }),
    "the host has none of its ssh keys": (machine) => machine.files.delete(HOST_KEY),
    "failed to read header": (machine) =>
      machine.files.set(`${NEW}/etc/pristine/secrets/tls.age`, { kind: "file", text: "damaged" }),
    "secret '/persist/conf': something else is there": (machine) =>
      machine.files.set("/persist/conf", { kind: "file", text: "mine" }),
  };
  for (const [base, message, spoil] of (["debian", "nixos"] as const).flatMap((each) =>
    Object.entries(refused).map((entry) => [each, ...entry] as const),
  )) {
    test(`secrets that a host of ${base} cannot have are refused before anything is touched: ${message}`, () => {
      const machine = newMachine(base);
      spoil(machine);
      assert.throws(
        () => begin(processOn(machine), planOf(NEW)),
        (error) => {
          assert.ok(error instanceof KitError);
          assert.equal(error.failure.code, "KIT_SECRETS");
          assert.ok(error.message.includes(message.replace("age: error: ", "")), error.message);
          return true;
        },
      );
      assert.equal(machine.files.has("/nix/var/pristine/lock"), false);
      assert.equal(machine.log.length, 0);
    });
  }

  test("a boot provides the secrets that can be had", () => {
    const machine = newMachine();
    machine.files.set(`${OLD}/etc/pristine/secrets/tls.age`, { kind: "file", text: "damaged" });
    machine.powerCut();
    assert.equal(machine.secret("db"), "one\n");
    assert.equal(machine.secret("tls"), undefined);
    assert.equal(machine.secret("conf"), undefined);
    // The next deployment makes them whole, and tells their users.
    begin(processOn(machine), planOf(NEW));
    settle(machine);
    assertRuns(machine, NEW);
    assert.ok(machine.log.includes("reload config.service") || machine.log.includes("start config.service"));
  });

  test("only what is in force is kept", () => {
    const machine = newMachine();
    const versions = (): string[] => [
      ...new Set([...machine.files.keys()].flatMap((path) => /^\/run\/secrets\.d\/([^/]+)/.exec(path)?.[1] ?? [])),
    ];
    assert.deepEqual(versions(), ["old"]);
    begin(processOn(machine), planOf(NEW));
    settle(machine);
    assert.deepEqual(versions(), ["old", "new"]);
    confirm(processOn(machine), "t1");
    assert.deepEqual(versions(), ["new"]);
    begin(processOn(machine), planOf(BAD, "switch", "t2"));
    settle(machine);
    assert.deepEqual(versions(), ["new"]);
  });

  test("a host of NixOS tells the users of what differs, and only those that run", () => {
    const machine = newMachine("nixos");
    begin(processOn(machine), planOf(NEW));
    settle(machine);
    assertRuns(machine, NEW);
    assert.deepEqual(
      machine.log.filter((line) => /^(?:restart|reload) /.test(line)),
      ["restart same.service"],
    );
    confirm(processOn(machine), "t1");
    assert.deepEqual(machine.tree().list("/run/secrets.d"), ["new"]);
  });

  test("a host of NixOS that has no secrets any more keeps none, and what is another tool's stays", () => {
    const machine = newMachine("nixos");
    const deploy = (path: string, id: string): void => {
      machine.addSystem(path, { "web.service": service(`/bin/web ${id}`) });
      machine.makeNixos(path);
      begin(processOn(machine), planOf(path, "switch", id));
      settle(machine);
      confirm(processOn(machine), id);
    };
    deploy(OTHER, "t1");
    for (const path of ["/run/secrets", "/run/secrets.d", "/persist/conf"])
      assert.equal(machine.tree().exists(path), false, path);

    machine.setLink("/run/secrets", "/run/secrets.d/7");
    for (const number of ["6", "7"])
      machine.files.set(`/run/secrets.d/${number}/key`, { kind: "file", text: "theirs" });
    deploy(BAD, "t2");
    assert.deepEqual(machine.tree().list("/run/secrets.d"), ["6", "7"]);
    assert.equal(machine.readlink("/run/secrets"), "/run/secrets.d/7");
  });

  test("dry-activate says what would be done and records nothing", () => {
    const machine = newMachine();
    const files = machine.files.size;
    const { units } = begin(processOn(machine), planOf(NEW, "dry-activate"));
    assert.deepEqual(units?.stop, ["gone.service", "web.service"]);
    // Whether a secret differs, only decrypting tells.
    assert.deepEqual(units?.restart, ["soft.service"]);
    assert.deepEqual(units?.reload, ["config.service"]);
    assert.equal(machine.files.size, files);
  });

  test("one transaction at a time, and the refusal says whose", () => {
    const machine = newMachine();
    begin(processOn(machine), planOf(NEW));
    settle(machine);
    assert.throws(
      () => begin(processOn(machine), planOf(BAD, "switch", "t2")),
      (error) => {
        assert.ok(error instanceof KitError);
        assert.equal(error.failure.code, "KIT_LOCKED");
        assert.match(error.message, /t1 of op@desk \(process 1, deploy\) is awaiting-confirm since/);
        assert.equal(error.failure.transaction?.system, NEW);
        return true;
      },
    );
    assert.equal(begin(processOn(machine), planOf(NEW)).reused, true, "the same plan again is no second one");
    assertRuns(machine, NEW);
  });

  test("a switch inhibitor that differs is refused, unless only the boot default is to move or it is ignored", () => {
    const machine = newMachine();
    machine.addSystem(BAD, {}, { "switch-inhibitors": '{"dbus":"broker"}' });
    assert.throws(() => begin(processOn(machine), planOf(BAD)), {
      name: "KitError",
      message: "this change needs a reboot: dbus (absent → broker)",
    });
    assert.equal(begin(processOn(machine), planOf(BAD, "boot", "t2")).state, "recorded");
    settle(machine);
    confirm(processOn(machine), "t2");
    begin(processOn(machine), { ...planOf(BAD, "dry-activate", "t3"), ignoreInhibitors: true });
  });

  test("a plan made against another system is refused", () => {
    const machine = newMachine();
    const plan = { ...planOf(NEW), expectedPrevious: BAD };
    assert.throws(() => begin(processOn(machine), plan), { name: "KitError", message: /make|plan was made against/ });
  });

  test("a plan made before the same system was confirmed again by a newer one is refused", () => {
    const machine = newMachine();
    const deploy = (system: string, id: string, expectedGeneration?: number): void => {
      const plan = { ...planOf(system, "switch", id), expectedPrevious: system === NEW ? OLD : NEW };
      begin(processOn(machine), { ...plan, ...(expectedGeneration === undefined ? {} : { expectedGeneration }) });
      settle(machine);
      confirm(processOn(machine), id);
    };
    deploy(NEW, "t1", 1);
    deploy(OLD, "t2");
    assertRuns(machine, OLD);
    assert.throws(() => deploy(NEW, "t3", 1), { name: "KitError", message: /is generation 3, and was 1/ });
    deploy(NEW, "t4", 3);
    assertRuns(machine, NEW);
  });

  test("generations beyond the limit go, those in use stay", () => {
    const machine = newMachine();
    for (let i = 0; i < 8; i++) {
      const id = `r${i}`;
      begin(processOn(machine), planOf(i % 2 === 0 ? NEW : OLD, "switch", id));
      settle(machine);
      confirm(processOn(machine), id);
    }
    const links = [...machine.files.keys()].filter((path) => /system-\d+-link$/.test(path)).sort();
    // Three are kept, and they name every system in use.
    assert.deepEqual(
      links.map((path) => path.slice("/nix/var/nix/profiles/".length)),
      ["system-7-link", "system-8-link", "system-9-link"],
    );
  });
});

/** The effects of a whole way, to cut it at each of them: `name` tells where. */
interface Cut {
  readonly name: string;
  readonly index: number;
}

/** Runs one phase uncut and lists its effects. */
function effectsOf(prepare: () => FakeMachine, phase: (machine: FakeMachine, options: ProcessOptions) => void): Cut[] {
  const cuts: Cut[] = [];
  phase(prepare(), {
    onEffect: (what, index) => {
      cuts.push({ name: describe(what), index });
    },
  });
  return cuts;
}

function describe(what: string): string {
  const match = /^(append|appended) (\{.*)$/.exec(what);
  if (match === null) return what;
  const event = JSON.parse(match[2] as string) as JournalEvent;
  const place = match[1] === "append" ? "before" : "after";
  switch (event.kind) {
    case "step":
      return `${place} record '${event.step} ${event.event}'`;
    case "state":
      return `${place} record 'state ${event.state}'`;
    default:
      return `${place} record '${event.kind}'`;
  }
}

function killAt(cut: Cut): ProcessOptions {
  return {
    onEffect: (_what, index) => {
      if (index === cut.index) throw new Killed(cut.name);
    },
  };
}

const begun = (goal: TransactionGoal, base: SystemBase = "debian"): FakeMachine => {
  const machine = newMachine(base);
  begin(processOn(machine), planOf(NEW, goal));
  return machine;
};

const settled = (goal: TransactionGoal, base: SystemBase): FakeMachine => {
  const machine = begun(goal, base);
  settle(machine);
  return machine;
};

/** A host with a temporary system that is confirmed. */
function temporary(): FakeMachine {
  const machine = settled("temporary", "debian");
  confirm(processOn(machine), "t1");
  return machine;
}

/** A host that has gone down for the reboot, and comes up. */
const booting = (base: SystemBase, plan = planOf(NEW, "reboot")): FakeMachine => {
  const machine = newMachine(base);
  begin(processOn(machine), plan);
  execute(processOn(machine), "t1");
  machine.powerCut();
  return machine;
};

/** What systemd runs, as one process. */
const runUnit = (machine: FakeMachine, unit: string, options: ProcessOptions, run: (host: Host) => void): void => {
  const host = processOn(machine, { ...options, unit });
  attempt(() => {
    run(host);
  });
};

interface Phase {
  readonly base: SystemBase;
  readonly goal: "switch" | "temporary" | "reboot";
  readonly name: "begin" | "activate" | "resume" | "confirm" | "expire" | "revert";
  /** Whose steps it goes through, all or some. */
  readonly steps: readonly StepName[];
  readonly prepare: () => FakeMachine;
  readonly run: (machine: FakeMachine, options: ProcessOptions) => void;
  /** What systemd starts again when the process dies. */
  readonly restart?: readonly [unit: string, ...command: string[]];
  /** Nobody confirms it but the host. */
  readonly confirmsItself?: true;
}

const WAYS: readonly Pick<Phase, "base" | "goal">[] = [
  { base: "debian", goal: "switch" },
  { base: "debian", goal: "temporary" },
  { base: "debian", goal: "reboot" },
  { base: "nixos", goal: "switch" },
  { base: "nixos", goal: "reboot" },
];

/** Up to its confirmation a temporary system is as any other. */
const PHASES: readonly Phase[] = WAYS.flatMap(({ base, goal }): Phase[] => {
  const activateSteps = stepsOf("activate", goal, base);
  const inFirstBoot = activateSteps.slice(0, activateSteps.indexOf("reboot"));
  return [
    {
      base,
      goal,
      name: "begin",
      steps: stepsOf("begin", goal, base),
      prepare: () => newMachine(base),
      run: (machine, options) => void attempt(() => begin(processOn(machine, options), planOf(NEW, goal))),
    },
    {
      base,
      goal,
      name: "activate",
      steps: goal === "reboot" ? inFirstBoot : activateSteps,
      prepare: () => begun(goal, base),
      run: (machine, options) => {
        runUnit(machine, "pristine-transaction.service", options, (host) => {
          execute(host, "t1");
        });
      },
      restart: ["pristine-transaction.service", "kit", "run", "t1"],
    },
    ...(goal === "reboot"
      ? [
          {
            base,
            goal,
            name: "resume" as const,
            steps: activateSteps.slice(inFirstBoot.length + 1),
            prepare: () => booting(base),
            run: (machine: FakeMachine, options: ProcessOptions) => {
              machine.processes.clear();
              runUnit(machine, "pristine-resume.service", options, (host) => {
                resume(host);
                execute(host, "t1");
              });
            },
            restart: ["pristine-resume.service", "kit", "resume"] as const,
          },
        ]
      : []),
    ...(goal === "temporary"
      ? [
          {
            base,
            goal,
            name: "expire" as const,
            steps: stepsOf("revert", goal, base),
            prepare: temporary,
            run: (machine: FakeMachine, options: ProcessOptions) => {
              runUnit(machine, "pristine-expiry.service", options, (host) => {
                revertRun(host, "t1", "expired");
              });
            },
            restart: ["pristine-expiry.service", "kit", "revert-run", "t1", "expired"] as const,
          },
        ]
      : []),
    {
      base,
      goal,
      name: "confirm",
      steps: stepsOf("confirm", goal, base),
      prepare: () => settled(goal, base),
      run: (machine, options) => void attempt(() => confirm(processOn(machine, options), "t1")),
    },
    {
      base,
      goal,
      name: "revert",
      steps: stepsOf("revert", goal, base),
      prepare: () => settled(goal, base),
      run: (machine, options) => {
        const host = processOn(machine, options);
        const reason = { kind: "requested", message: "asked" } as const;
        attempt(() => void revert(host, TransactionRecord.openKnown(host, "t1"), { reason }));
      },
      restart: ["pristine-rollback.service", "kit", "revert-run", "t1"],
    },
  ];
}).filter(({ goal, name }) => goal !== "temporary" || name === "confirm" || name === "expire");

/** Where nobody is there after the reboot, the executor goes on through the confirmation. */
const OWN_PHASES: readonly Phase[] = (["debian", "nixos"] as const).flatMap((base): Phase[] => {
  const steps = stepsOf("activate", "reboot", base);
  const rebootAt = steps.indexOf("reboot");
  const executor = {
    base,
    goal: "reboot",
    run: (machine: FakeMachine, options: ProcessOptions) => {
      runUnit(machine, EXECUTOR_UNIT, options, (host) => {
        execute(host, "t1");
      });
    },
    restart: [EXECUTOR_UNIT, "kit", "run", "t1"],
    confirmsItself: true,
  } as const;
  return [
    {
      ...executor,
      name: "activate",
      steps: steps.slice(0, rebootAt),
      prepare: () => {
        const machine = newMachine(base);
        begin(processOn(machine), planOfOwn(NEW));
        return machine;
      },
    },
    {
      ...executor,
      name: "resume",
      steps: [...steps.slice(rebootAt + 1), ...stepsOf("confirm", "reboot", base)],
      prepare: () => {
        const machine = booting(base, planOfOwn(NEW));
        machine.processes.clear();
        resume(processOn(machine));
        return machine;
      },
    },
  ];
});

/** Disarming and pruning come after the journal has ended; what is left by a reboot is concluded after that. */
const WITHOUT_RECORDS: Readonly<Record<Phase["goal"], readonly StepName[]>> = {
  switch: ["confirm-disarm", "confirm-prune", "revert-disarm"],
  temporary: ["revert-disarm"],
  reboot: ["confirm-disarm", "confirm-prune", "revert-disarm", "revert-roots", "post-rollback", "revert-receipt"],
};

for (const phase of [...PHASES, ...OWN_PHASES]) {
  const cuts = effectsOf(phase.prepare, phase.run);
  const isOwn = phase.confirmsItself === true;
  const title = `${phase.base} ${phase.goal}${isOwn ? ", which the host confirms itself," : ""} ${phase.name}`;
  const mayConfirm = isOwn || phase.name === "confirm";
  const isReturn = (outcome: string): boolean =>
    outcome === "reverted" || (phase.goal === "reboot" && outcome === "reverted-by-reboot");

  test(`${title}: the cuts reach every step of the list`, () => {
    for (const name of phase.steps) {
      if (WITHOUT_RECORDS[phase.goal].includes(name)) continue;
      for (const place of ["before", "after"]) {
        for (const event of name === "revert-reboot" ? ["begin"] : ["begin", "end"]) {
          assert.ok(
            cuts.some((cut) => cut.name === `${place} record '${name} ${event}'`),
            `${place} record '${name} ${event}'`,
          );
        }
      }
    }
  });

  suite(`${title} is killed`, () => {
    for (const cut of cuts) {
      test(`${cut.name} (${cut.index})`, () => {
        const machine = phase.prepare();
        phase.run(machine, killAt(cut));
        assertNeverStranded(machine);
        // Nobody does anything: systemd starts again what died, and the timers fire.
        const [unit, ...command] = phase.restart ?? [];
        if (unit !== undefined) machine.processes.set(unit, command);
        settle(machine);
        assertNeverStranded(machine);
        passTime(machine);
        assertNeverStranded(machine);
        // A confirmation that the timer has finished begins the time of a temporary system.
        if (phase.goal === "temporary") passTime(machine);
        if (phase.goal === "reboot") openUnfinished(processOn(machine));
        const record = TransactionRecord.open(processOn(machine), "t1");
        assert.equal(machine.readlink(BOOT_LOADER) ?? profile(machine), profile(machine));
        if (record === undefined || !isFinal(record.state)) {
          // Only before the executor was started; nothing that runs was touched.
          assert.equal(phase.name, "begin");
          assertRuns(machine, OLD);
        } else if (record.state === "confirmed") {
          assert.ok(mayConfirm);
          assertRuns(machine, NEW);
          assert.equal(profile(machine), NEW);
        } else {
          assert.ok(!isOwn && isReturn(record.state), record.state);
          assertRuns(machine, OLD);
          assert.equal(profile(machine), OLD);
        }
        assertCanDeploy(machine);
      });
    }
  });

  suite(`${title} is killed, and the deployer goes on`, () => {
    for (const cut of cuts) {
      test(`${cut.name} (${cut.index})`, () => {
        const machine = phase.prepare();
        phase.run(machine, killAt(cut));
        // Neither systemd nor a timer helps: the deployer sends the plan again under a new id.
        machine.processes.clear();
        machine.timers.clear();
        if (machine.isGoingDown) {
          assert.throws(() => begin(processOn(machine), planOf(NEW, "switch", "t2")), { message: /shutting down/ });
          machine.powerCut();
          machine.processes.clear();
        }
        assertCanDeploy(machine);
      });
    }
  });

  if (phase.name === "begin") {
    suite(`${title} is killed, and the deployer sends the same plan again`, () => {
      for (const cut of cuts) {
        test(`${cut.name} (${cut.index})`, () => {
          const machine = phase.prepare();
          phase.run(machine, killAt(cut));
          begin(processOn(machine), planOf(NEW, phase.goal));
          settle(machine);
          assertRuns(machine, NEW);
          assert.equal(confirm(processOn(machine), "t1")?.outcome, "confirmed");
        });
      }
    });
  }

  if (phase.name === "confirm") {
    suite(`${title} is killed, and another deployment returns`, () => {
      for (const cut of cuts) {
        test(`${cut.name} (${cut.index})`, () => {
          const machine = phase.prepare();
          phase.run(machine, killAt(cut));
          // Where there is a boot loader, the profile alone does not count.
          const isCommitted = TransactionRecord.openKnown(processOn(machine), "t1").hasEnded("confirm-boot-loader");
          const confirmed = phase.base === "nixos" && !isCommitted ? OLD : profile(machine);
          machine.timers.clear();
          begin(processOn(machine), planOf(BAD, "switch", "t2"));
          settle(machine);
          assert.equal(receiptOf(machine, "t2")?.outcome, "reverted");
          if (confirmed === NEW || phase.goal === "temporary") assertRuns(machine, confirmed ?? "");
          assert.equal(profile(machine), confirmed);
          assert.equal(machine.readlink(BOOT_LOADER) ?? confirmed, confirmed);
        });
      }
    });
  }

  suite(`power is cut while ${title}`, () => {
    for (const cut of cuts) {
      test(`${cut.name} (${cut.index})`, () => {
        const machine = phase.prepare();
        phase.run(machine, killAt(cut));
        machine.powerCut();
        assertNeverStranded(machine);
        const bootDefaultOf = (): string => machine.readlink(BOOT_LOADER) ?? profile(machine) ?? "";
        let bootDefault = bootDefaultOf();
        if (runningSystem(machine) !== bootDefault) {
          // The one boot of the new system: who confirms it is the host, or nobody.
          assert.equal(phase.goal, "reboot");
          assertRuns(machine, NEW);
          settle(machine);
          passTime(machine);
          if (isOwn) assert.equal((bootDefault = bootDefaultOf()), NEW);
        }
        assertRuns(machine, bootDefault);
        assert.equal(openUnfinished(processOn(machine)), undefined, "what an earlier boot left is concluded");
        assert.equal(profile(machine), bootDefault);
        const receipt = receiptOf(machine);
        if (!mayConfirm) assert.equal(bootDefault, OLD, "unconfirmed boots the old system");
        if (receipt !== undefined) {
          const expected = bootDefault === NEW ? ["confirmed"] : ["reverted-by-reboot", "reverted"];
          assert.ok(expected.includes(receipt.outcome), receipt.outcome);
        }
        assertCanDeploy(machine);
      });
    }
  });

  if (phase.goal === "reboot") {
    suite(`power is cut while ${title}, and again after that`, () => {
      for (const cut of cuts) {
        test(`${cut.name} (${cut.index})`, () => {
          const machine = phase.prepare();
          phase.run(machine, killAt(cut));
          machine.powerCut();
          machine.powerCut();
          assertRuns(machine, machine.readlink(BOOT_LOADER) ?? profile(machine) ?? "");
          if (!mayConfirm) assert.equal(profile(machine), OLD, "it was booted once at most");
          assert.equal(openUnfinished(processOn(machine)), undefined);
          assertCanDeploy(machine);
        });
      }
    });
  }
}

suite("what takes over from a temporary system is killed", () => {
  const takeOver = (machine: FakeMachine, options: ProcessOptions): void =>
    void attempt(() => begin(processOn(machine, options), planOf(NEW, "switch", "heir")));
  for (const cut of effectsOf(temporary, takeOver)) {
    test(`${cut.name} (${cut.index})`, () => {
      const machine = temporary();
      takeOver(machine, killAt(cut));
      assertNeverStranded(machine);
      settle(machine);
      assertNeverStranded(machine);
      passTime(machine);
      // Also when nobody is left who would end what took over.
      assertRuns(machine, OLD);
      assert.equal(profile(machine), OLD);
      assertCanDeploy(machine);
    });
  }
});

suite("the disk fills up", () => {
  for (const ballastWrites of [1000, 0]) {
    // From before anything was written to after everything was.
    for (let writes = 0; writes < 110; writes++) {
      test(`after ${writes} writes, ${ballastWrites === 0 ? "and the ballast is taken too" : "and there is ballast"}`, () => {
        const machine = newMachine();
        machine.disk.writesLeft = writes;
        machine.disk.ballastWrites = ballastWrites;
        try {
          begin(processOn(machine), planOf(NEW));
        } catch {
          // It could not begin.
        }
        settle(machine);
        assertNeverStranded(machine);
        passTime(machine);
        passTime(machine);
        assertRuns(machine, OLD);
        assert.equal(profile(machine), OLD);
        machine.disk.writesLeft = Number.POSITIVE_INFINITY;
        assert.equal(openUnfinished(processOn(machine)), undefined, "what has ended is written down");
        assertCanDeploy(machine);
      });
    }
  }
});

suite("the disk fills up on the way across a reboot that the host confirms itself", () => {
  for (const [base, ballastWrites] of [
    ["debian", 1000],
    ["debian", 0],
    ["nixos", 1000],
  ] as const) {
    for (let writes = 0; writes < 90; writes++) {
      test(`${base}, after ${writes} writes, ${ballastWrites === 0 ? "and the ballast is taken too" : "and there is ballast"}`, () => {
        const machine = newMachine(base);
        machine.disk.writesLeft = writes;
        machine.disk.ballastWrites = ballastWrites;
        for (const act of [() => void begin(processOn(machine), planOfOwn(NEW)), settle, passTime, passTime]) {
          try {
            act(machine);
          } catch {
            // It could not begin, or systemd gives up what keeps failing: the timers are left.
            machine.processes.clear();
          }
          assertNeverStranded(machine);
        }
        machine.disk.writesLeft = Number.POSITIVE_INFINITY;
        passTime(machine);
        assert.equal(openUnfinished(processOn(machine)), undefined, "what has ended is written down");
        const outcome = receiptOf(machine)?.outcome;
        assertRuns(machine, outcome === "confirmed" ? NEW : OLD);
        assert.equal(profile(machine), runningSystem(machine));
        assert.ok(outcome === undefined || outcome === "confirmed" || outcome.startsWith("reverted"), outcome);
        assertCanDeploy(machine);
      });
    }
  }
});

suite("the disk of a host of NixOS fills up", () => {
  for (let writes = 0; writes < 60; writes++) {
    test(`after ${writes} writes: there is room for what switches back`, () => {
      const machine = newMachine("nixos");
      machine.disk.writesLeft = writes;
      try {
        begin(processOn(machine), planOf(NEW));
        settle(machine);
        // Whatever the ballast gave has gone meanwhile.
        machine.disk.writesLeft = Math.min(machine.disk.writesLeft, 0);
      } catch {
        // It could not begin.
      }
      passTime(machine);
      passTime(machine);
      assertRuns(machine, OLD);
      assert.equal(machine.loadedPath, OLD);
      machine.disk.writesLeft = Number.POSITIVE_INFINITY;
      openUnfinished(processOn(machine));
      const { outcome } = readReceipts(processOn(machine))[0] ?? {};
      assert.ok(outcome === undefined || outcome === "reverted", outcome);
      assertCanDeploy(machine);
    });
  }
});

test("a plan that a full disk kept from beginning begins when it is sent again, whatever was written of it", () => {
  let refused = 0;
  for (let writes = 0; writes < 30; writes++) {
    const machine = newMachine();
    machine.disk.writesLeft = writes;
    machine.disk.ballastWrites = 0;
    try {
      begin(processOn(machine), planOf(NEW));
      continue;
    } catch {
      refused++;
    }
    machine.disk.writesLeft = Number.POSITIVE_INFINITY;
    begin(processOn(machine), planOf(NEW));
    settle(machine);
    assert.equal(confirm(processOn(machine), "t1")?.outcome, "confirmed", `after ${writes} writes`);
  }
  assert.ok(refused > 5);
});

const CONFIRMED_GOALS = ["switch", "test", "temporary"] as const;

suite("the disk fills up while it is confirmed, and the ballast is taken too", () => {
  // From before the confirmation is written down to after everything is.
  for (const [goal, writes] of CONFIRMED_GOALS.flatMap((goal) =>
    Array.from({ length: 30 }, (_, i) => [goal, i] as const),
  )) {
    test(`${goal}, after ${writes} writes`, () => {
      const machine = settled(goal, "debian");
      machine.disk.writesLeft = writes;
      machine.disk.ballastWrites = 0;
      try {
        confirm(processOn(machine), "t1");
      } catch {
        // It could not be confirmed, or not to its end.
      }
      // What a receipt tells is so, and a test does not change what is booted.
      const kept = (): string => (receiptOf(machine)?.outcome === "tested" ? NEW : (profile(machine) ?? ""));
      try {
        passTime(machine);
      } catch {
        assert.equal(kept(), NEW, "only the way forward waits for room");
      }
      assertRuns(machine, kept());
      assertNeverStranded(machine);
      machine.disk.writesLeft = Number.POSITIVE_INFINITY;
      passTime(machine);
      assert.equal(openUnfinished(processOn(machine)), undefined, "what has ended is written down");
      assertCanDeploy(machine);
    });
  }
});

/** Whatever happened, the next deployment works, also when the collector has run. */
function assertCanDeploy(machine: FakeMachine): void {
  const host: Host = processOn(machine);
  const plan = planOf(NEW, "switch", "t2");
  begin(host, plan);
  settle(machine);
  confirm(processOn(machine), "t2");
  assertRuns(machine, NEW);
  assert.equal(profile(machine), NEW);
  assertNeverStranded(machine);
  assert.equal(machine.files.has("/nix/var/pristine/lock"), false);
  const outcomes = readReceipts(processOn(machine)).map((receipt) => receipt.outcome);
  assert.ok(outcomes.includes("confirmed"));
  const isLeft = (path: string): boolean =>
    path.startsWith("/etc/systemd/") || willBootOnce(host, "debian") || willBootOnce(host, "nixos");
  assert.deepEqual([...machine.files.keys()].filter(isLeft), [], "of a boot that was to come once nothing is left");
}
