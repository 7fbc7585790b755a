/**
 * Secrets on a host that has others' files beside ours: those of the system that runs are in force, wherever a transaction
 * was cut off, and nothing is put where something else is.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { begin } from "../../src/kit/begin.ts";
import { openUnfinished } from "../../src/kit/conclude.ts";
import { confirm } from "../../src/kit/confirm.ts";
import { execute } from "../../src/kit/executor.ts";
import { bootForeign } from "../../src/kit/foreign.ts";
import type { KitError } from "../../src/kit/kit-error.ts";
import { revertRun } from "../../src/kit/revert-run.ts";
import { requestRevert } from "../../src/kit/revert.ts";
import type { SecretFile, SecretsManifest } from "../../src/machine/secrets.ts";
import type { TransactionPlan } from "../../src/machine/transaction.ts";
import { ENGINE, FakeMachine, Killed, processOn, type ProcessOptions } from "../support/fake-machine.ts";

const BARE = "/nix/store/00000000000000000000000000000000-system-h";
const OLD = "/nix/store/11111111111111111111111111111111-system-h";
const NEW = "/nix/store/22222222222222222222222222222222-system-h";
const KEY = "/persist/ssh_host_ed25519_key";
const VERSIONS = "/run/pristine/foreign/secrets.d";

/** What `db` says, in each. */
const SAYS: Readonly<Record<string, string>> = { [OLD]: "one\n", [NEW]: "two\n" };

function addSystem(machine: FakeMachine, path: string): void {
  const id = path.slice("/nix/store/".length, "/nix/store/".length + 4);
  const secret = (name: string, at: string, restartUnits: readonly string[]): SecretFile => ({
    name,
    path: at,
    owner: "app",
    group: "app",
    uid: 678,
    gid: 678,
    mode: "0400",
    restartUnits,
    reloadUnits: [],
  });
  const manifest: SecretsManifest = {
    version: 1,
    id,
    identities: [KEY],
    age: ["/nix/store/33333333333333333333333333333333-libc6/ld.so", "/nix/store/x-age/bin/age"],
    secrets: [
      secret("db", "/run/secrets/db", ["reads.service"]),
      secret("same", "/run/secrets/same", ["other.service"]),
    ],
    templates: [{ ...secret("conf", "/persist/app/conf", []), content: "db=@pristine-secret:db@" }],
  };
  const units = {
    "reads.service": "[Service]\nExecStart=/bin/reads\n",
    "other.service": "[Service]\nExecStart=/bin/o\n",
  };
  const files = {
    "etc/pristine/secrets/manifest.json": JSON.stringify(manifest),
    "etc/pristine/secrets/db.age": `for key: ${SAYS[path]}`,
    "etc/pristine/secrets/same.age": "for key: same",
  };
  machine.addSystem(path, units, files, { base: "foreign" });
  machine.setLink(`${path}/etc/pristine/secrets/links/run/secrets`, "/run/pristine/foreign/secrets");
  machine.setLink(`${path}/etc/pristine/secrets/links/persist/app/conf`, "/run/secrets/conf");
}

function newMachine(): FakeMachine {
  const machine = new FakeMachine();
  machine.files.set(KEY, { kind: "file", text: "key" });
  machine.addSystem(BARE, {}, {}, { base: "foreign" });
  machine.setLink(`${BARE}/engine`, BARE);
  machine.setLink(ENGINE, BARE);
  addSystem(machine, OLD);
  addSystem(machine, NEW);
  // The host has its own.
  for (const path of [BARE, OLD, NEW])
    for (const file of ["passwd", "systemd/system/multi-user.target", "systemd/system/pristine-resume.service"])
      machine.files.delete(`${path}/etc/${file}`);
  machine.boot();
  return machine;
}

const planOf = (system: string): TransactionPlan => ({
  version: 1,
  id: `to-${system.slice(11, 15)}`,
  goal: "switch",
  host: "h",
  system,
  operator: { user: "op", host: "desk", pid: 1 },
  reason: "deploy",
  confirmTimeoutSeconds: 60,
  keepGenerations: 3,
  healthChecks: [],
});

/** Runs what systemd would run; `options` apply to the first process only. */
function settle(machine: FakeMachine, options: ProcessOptions = {}): void {
  let first: ProcessOptions | undefined = options;
  machine.settle(([, subcommand, id = "", kind], unit) => {
    const host = processOn(machine, { ...first, unit });
    first = undefined;
    try {
      if (subcommand === "run") execute(host, id);
      else revertRun(host, id, kind);
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      return "killed";
    }
    machine.processes.delete(unit);
    return "done";
  });
}

function deployed(...systems: readonly string[]): FakeMachine {
  const machine = newMachine();
  for (const system of systems) {
    begin(processOn(machine), planOf(system));
    settle(machine);
    confirm(processOn(machine), planOf(system).id);
  }
  machine.log.length = 0;
  return machine;
}

function assertServes(machine: FakeMachine, system: string, where?: string): void {
  assert.equal(machine.readlink("/run/pristine/foreign/system"), system, where);
  assert.equal(machine.secret("db"), SAYS[system], where);
  assert.equal(machine.secret("conf"), SAYS[system] && `db=${SAYS[system].trim()}`, where);
  assert.equal(machine.follow("/persist/app/conf"), machine.follow("/run/secrets/conf"), where);
  // Who reads it has read the one that is in force.
  assert.equal(machine.units.get("reads.service")?.secret, SAYS[system], where);
}

/** Calls `check` on machines on the way from OLD to NEW whose executor was killed before or after each of its effects. */
function cutOff(check: (machine: FakeMachine, where: string, settleKilled: () => void) => void): void {
  const names: string[] = [];
  const whole = deployed(OLD);
  begin(processOn(whole), planOf(NEW));
  settle(whole, { onEffect: (what) => void names.push(what) });
  assert.ok(names.length > 40, names.join("\n"));
  for (const [at, name] of names.entries()) {
    const machine = deployed(OLD);
    begin(processOn(machine), planOf(NEW));
    const onEffect = (_: string, index: number): void => {
      if (index === at) throw new Killed(name);
    };
    assert.throws(
      () => {
        execute(processOn(machine, { onEffect, unit: "pristine-transaction.service" }), planOf(NEW).id);
      },
      { name: "Killed" },
    );
    check(machine, `cut off at ${at}, ${name}`, () => {
      settle(machine);
    });
  }
}

test("secrets change with the system, for their users alone, and go back with it", () => {
  const machine = deployed(OLD);
  assertServes(machine, OLD);
  begin(processOn(machine), planOf(NEW));
  settle(machine);
  assertServes(machine, NEW);
  assert.deepEqual(machine.log, ["stop reads.service", "start reads.service"]);
  requestRevert(processOn(machine), planOf(NEW).id);
  settle(machine);
  assertServes(machine, OLD);
  assert.deepEqual(machine.tree().list(VERSIONS), ["1111"]);
});

test("wherever the executor is killed, the next one gets there", () => {
  cutOff((machine, where, settleKilled) => {
    settleKilled();
    assertServes(machine, NEW, where);
  });
});

test("wherever the executor is killed, a return gives back what was", () => {
  cutOff((machine, where) => {
    requestRevert(processOn(machine), planOf(NEW).id);
    settle(machine);
    assertServes(machine, OLD, where);
  });
});

test("wherever the power goes, the boot decrypts those of the system before", () => {
  cutOff((machine, where) => {
    machine.powerCut();
    openUnfinished(processOn(machine));
    assertServes(machine, OLD, where);
    assert.equal(machine.bootProblems, undefined);
  });
});

test("nothing is left of them when all of ours is taken away", () => {
  const machine = deployed(OLD, BARE);
  for (const path of ["/run/secrets", VERSIONS, "/run/pristine/foreign/secrets", "/persist/app"])
    assert.equal(machine.tree().exists(path), false, path);
});

test("a boot provides what can be had, and says what cannot", () => {
  const machine = deployed(OLD);
  machine.files.set(`${OLD}/etc/pristine/secrets/db.age`, { kind: "file", text: "damaged" });
  machine.powerCut();
  assert.equal(machine.secret("same"), "same");
  assert.equal(machine.secret("db"), undefined);
  assert.match(machine.bootProblems ?? "", /secret 'db': failed to read header; secret 'conf': it needs db/);
  assert.equal(machine.units.get("other.service")?.activeState, "active");
});

test("a boot that cannot make files for secrets does the rest", () => {
  const machine = deployed(OLD);
  for (const path of machine.files.keys()) if (path.startsWith("/run/")) machine.files.delete(path);
  const host = processOn(machine);
  const make = (): never => {
    throw new Error("No space left on device");
  };
  const secretFiles = Object.assign(Object.create(host.secretFiles) as typeof host.secretFiles, { make });
  assert.equal(bootForeign({ ...host, secretFiles }), "No space left on device");
  assert.equal(machine.readlink("/run/pristine/foreign/system"), OLD);
});

const REFUSED: Readonly<
  Record<string, readonly [code: string, message: RegExp, spoil: (machine: FakeMachine) => void]>
> = {
  "secrets of another tool": [
    "KIT_IN_THE_WAY",
    /^\/run\/secrets is on the host already, and not of our making$/,
    (machine) => {
      machine.setLink("/run/secrets", "/run/secrets.d/7");
    },
  ],
  "a file where a link is to be": [
    "KIT_IN_THE_WAY",
    /^\/persist\/app\/conf is on the host already/,
    (machine) => machine.files.set("/persist/app/conf", { kind: "file", text: "mine" }),
  ],
  "another key": ["KIT_SECRETS", /secret 'db'/, (machine) => machine.files.set(KEY, { kind: "file", text: "another" })],
};
for (const [what, [code, message, spoil]] of Object.entries(REFUSED)) {
  test(`refused before anything is touched: ${what}`, () => {
    const machine = newMachine();
    spoil(machine);
    const files = new Map(machine.files);
    assert.throws(
      () => begin(processOn(machine), planOf(OLD)),
      (error: KitError) => error.failure.code === code && message.test(error.message),
    );
    assert.deepEqual(machine.files, files);
  });
}
