/** A few cases of the fault matrix, which `npm run fault-matrix` drives whole: its machinery works, and so do they. */

import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { labDown } from "../../src/lab/lab.ts";
import type { StepName } from "../../src/machine/transaction.ts";
import { matrixPairs, type DrivenPair, type Fault } from "../support/faults/cases.ts";
import { FaultDriver } from "../support/faults/drive.ts";
import { FaultFleet } from "../support/faults/fleet.ts";
import { virtualHostsMissing } from "../support/faults/virtual-kernel.ts";
import { removeStaleLabs, takeTestSubnet, TEST_LAB_NAME } from "../support/test-labs.ts";
import { labsMissing } from "../support/test-system.ts";

const STEPS: readonly StepName[] = ["flip", "confirm-profile", "revert-start"];
const SERVED: Readonly<Partial<Record<Fault, readonly string[]>>> = {
  "ssh-cut": ["old", "new", "old"],
  "disk-full": ["new", "new", "old"],
};

const noVirtualHosts = await virtualHostsMissing();

suite("cases of the fault matrix", { skip: await labsMissing(), concurrency: 1, timeout: 20 * 60_000 }, () => {
  let fleet: FaultFleet;
  let driver: FaultDriver;

  before(async () => {
    await removeStaleLabs();
    fleet = await FaultFleet.make({ name: TEST_LAB_NAME, count: STEPS.length, subnet: takeTestSubnet() });
    driver = await FaultDriver.start(fleet);
  });
  after(async () => {
    await labDown(TEST_LAB_NAME);
    fleet[Symbol.dispose]();
  });

  for (const [fault, served] of Object.entries(SERVED)) {
    test(fault, async () => {
      const pairs = matrixPairs().filter((pair) => pair.fault === fault && STEPS.includes(pair.step));
      const results = await driver.strike(pairs.filter((pair) => "point" in pair));
      assert.deepEqual(
        results.map(({ step, serves }) => ({ step, serves })),
        STEPS.map((step, index) => ({ step, serves: served[index] })),
      );
    });
  }

  // Last, because it takes a host of the lab.
  test("true power cut", { skip: noVirtualHosts }, async () => {
    await using virtual = await driver.virtual(1);
    const pair = matrixPairs().find(({ fault, step }) => fault === "power-cut" && step === "confirm-profile");
    const [result] = await virtual.strike([pair as DrivenPair]);
    assert.equal(result?.serves, "new");
  });
});
