/** Checks on timers on a model of a host: what is kept of them, whatever interrupts writing it down. */

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { failedUnits } from "../../src/kit/activation.ts";
import { readHistories, runTimedCheck, withSince } from "../../src/kit/timed-check.ts";
import type { CheckHistory } from "../../src/machine/check-history.ts";
import type { HealthResult } from "../../src/machine/health-check.ts";
import { FakeMachine, Killed, processOn, type ProcessOptions } from "../support/fake-machine.ts";
import { PLAIN_META } from "../support/system-tree.ts";

const SYSTEM = "/nix/store/00000000000000000000000000000000-system-h";
const DIRECTORY = "/nix/var/pristine/checks";
const CHECK = { kind: "command", command: ["check-new"], timeoutSeconds: 5, retries: 1, intervalSeconds: 2 };

/** A host whose check holds while its service runs. */
function newMachine(names: readonly string[] = ["web"]): FakeMachine {
  const machine = new FakeMachine();
  const healthChecks = names.map((name) => ({ name, ...CHECK, everySeconds: 60 }));
  const meta = JSON.stringify({ ...PLAIN_META, healthChecks });
  machine.addSystem(SYSTEM, { "web.service": "[Service]\nExecStart=/bin/web\n" }, { "meta.json": meta });
  machine.setLink("/nix/var/nix/profiles/system", "system-1-link");
  machine.setLink("/nix/var/nix/profiles/system-1-link", SYSTEM);
  machine.boot();
  return machine;
}

function look(machine: FakeMachine, options: ProcessOptions = {}): HealthResult | undefined {
  machine.nowMs += 60_000;
  return runTimedCheck(processOn(machine, options), "web");
}

function setWeb(machine: FakeMachine, activeState: "active" | "failed"): void {
  machine.units.set("web.service", { activeState, definition: "" });
}

function shown(histories: readonly CheckHistory[]): string[] {
  return histories.flatMap(({ name, spans }) => spans.map(({ healthy }) => `${name} ${healthy}`));
}

suite("checks on timers", () => {
  test("are noted when they change, and say since when they are unhealthy", () => {
    const machine = newMachine();
    const host = processOn(machine);
    assert.equal(look(machine)?.healthy, true);
    setWeb(machine, "failed");
    const sick = look(machine);
    assert.deepEqual([sick?.healthy, sick?.attempts, sick?.message], [false, 2, "exit 1: web is not up"]);
    const since = readHistories(host)[0]?.spans.at(-1)?.from;
    look(machine);
    assert.deepEqual(shown(readHistories(host)), ["web true", "web false"]);
    assert.equal(withSince(host, [sick!])[0]?.since, since);
    setWeb(machine, "active");
    const well = look(machine);
    assert.deepEqual(withSince(host, [well!, { ...sick!, name: "never ran" }]), [well, { ...sick, name: "never ran" }]);
    assert.equal(runTimedCheck(host, "other"), undefined);
  });

  test("killed or cut from power at any point, what is kept is as before or after", () => {
    for (let at = 0, done = false; !done; at++) {
      const machine = newMachine();
      look(machine);
      setWeb(machine, "failed");
      done = true;
      const onEffect = (_what: string, index: number): void => {
        if (index !== at) return;
        done = false;
        throw new Killed(`at effect ${at}`);
      };
      try {
        look(machine, { onEffect });
      } catch (error) {
        assert.ok(error instanceof Killed);
      }
      machine.powerCut();
      const kept = shown(readHistories(processOn(machine)));
      assert.ok(["web true", "web true,web false"].includes(kept.join()), `effect ${at}: ${kept.join()}`);
      assert.equal(look(machine)?.healthy, true);
      assert.equal(shown(readHistories(processOn(machine))).at(-1), "web true");
      assert.ok(at < 50);
    }
  });

  test("are as healthy on a full disk, and begin anew where something else was written", () => {
    const machine = newMachine();
    machine.disk.writesLeft = 0;
    const full = look(machine);
    assert.equal(full?.healthy, true);
    assert.match(full.message, /^exit 0 \(not noted: /);
    machine.disk.writesLeft = 100;
    machine.files.set(`${DIRECTORY}/web.json`, { kind: "file", text: "{" });
    look(machine);
    assert.deepEqual(shown(readHistories(processOn(machine))), ["web true"]);
  });

  test("are no failed units of a deployment", () => {
    const failed = { activeState: "failed", subState: "failed" };
    const states = ["pristine-check-web.service", "pristine-checker.service"].map((name) => ({ name, ...failed }));
    assert.deepEqual(failedUnits(states), ["pristine-checker.service"]);
  });

  test("leave so many files at most", () => {
    const names = Array.from({ length: 130 }, (_, i) => `check-${i}`);
    const machine = newMachine(names);
    for (const name of names) runTimedCheck(processOn(machine), name);
    assert.equal(readHistories(processOn(machine)).length, 100);
  });
});
