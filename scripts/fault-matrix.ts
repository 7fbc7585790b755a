/**
 * `npm run fault-matrix -- [--json FILE] [--fault NAME]… [--step NAME]… [--rest] [--page] [--hosts N] [--virtual N]`:
 * deploys to real hosts of a lab while every fault strikes at every step of the transaction, and looks at what became of
 * them; steps that only hosts of NixOS have are driven on some that are shaped like it. Power cuts and clocks take
 * virtual hosts, which are run by QEMU; where there can be none, it says so.
 *
 * Writes `{ cases }` to FILE as it goes. Cases that are not chosen stay as an earlier run left them; `--rest` chooses
 * those that are not known to be well. `docs/fault-matrix.md` is written after a whole run, and with `--page` from what
 * is known. It fails when a host served neither the old nor the new system, did not say which, or could not be deployed
 * to afterwards.
 */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { labDown } from "../src/lab/lab.ts";
import { isWell, matrixPairs, type DrivenPair, type MatrixCase, type Pair } from "../test/support/faults/cases.ts";
import { FaultDriver } from "../test/support/faults/drive.ts";
import { FaultFleet } from "../test/support/faults/fleet.ts";
import { faultMatrixPage, FAULT_MATRIX_PAGE } from "../test/support/faults/page.ts";
import { virtualHostsMissing } from "../test/support/faults/virtual-kernel.ts";
import { removeStaleLabs, TEST_LAB_NAME, takeTestSubnet } from "../test/support/test-labs.ts";

const INTERRUPTED = 130;
const HOSTS = "12";
/** One for each processor of a small machine: emulation leaves none idle. */
const VIRTUAL_HOSTS = "2";

const { values } = parseArgs({
  options: {
    json: { type: "string" },
    fault: { type: "string", multiple: true },
    step: { type: "string", multiple: true },
    hosts: { type: "string", default: HOSTS },
    virtual: { type: "string", default: VIRTUAL_HOSTS },
    rest: { type: "boolean" },
    page: { type: "boolean" },
  },
});

const all = matrixPairs();
const wanted = all.filter(
  ({ fault, step }) => (values.fault?.includes(fault) ?? true) && (values.step?.includes(step) ?? true),
);
if (wanted.length === 0) throw new Error("no step and fault have these names");
/** What is known of all pairs: of those that are driven, what an earlier run wrote to the file. */
const cases = new Map(
  [...earlierCases(values.json), ...all.filter((pair) => "reason" in pair)].map((one) => [nameOf(one), one]),
);
const asked = wanted
  .filter((pair) => "point" in pair)
  .filter((pair) => values.rest !== true || !isWellDriven(cases.get(nameOf(pair))));
const virtualMissing = asked.some(({ isVirtual }) => isVirtual) ? await virtualHostsMissing() : false;
const driven = asked.filter(({ isVirtual }) => !isVirtual || virtualMissing === false);
for (const pair of asked) {
  const { step, phase, fault } = pair;
  const isKnown = isWellDriven(cases.get(nameOf(pair)));
  if (!driven.includes(pair) && !isKnown)
    cases.set(nameOf(pair), { step, phase, fault, reason: String(virtualMissing) });
}
const virtual = driven.filter(({ isVirtual }) => isVirtual);
const virtualCount = Math.min(Number(values.virtual), virtual.length);

process.env["PRISTINE_RESIDENT"] = "off";
const startedMs = Date.now();
const say = (text: string): void => {
  console.log(`${((Date.now() - startedMs) / 1000).toFixed(0).padStart(5)} s  ${text}`);
};

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => void leave());

let done = 0;
await removeStaleLabs();
const subnet = takeTestSubnet();
for (const base of ["debian", "nixos"] as const) {
  const containers = driven.filter((pair) => !pair.isVirtual && pair.base === base);
  const taken = base === "debian" ? virtualCount : 0;
  const count = Math.max(Math.min(Number(values.hosts), containers.length), taken);
  if (count === 0) continue;
  using fleet = await FaultFleet.make({ name: TEST_LAB_NAME, count, subnet, base });
  try {
    say(`starting ${count} hosts${base === "nixos" ? " shaped like NixOS" : ""}`);
    const driver = await FaultDriver.start(fleet);
    await drive(driver, containers);
    if (taken > 0) {
      say(`starting ${virtualCount} virtual hosts`);
      await using virtualDriver = await driver.virtual(virtualCount);
      await drive(virtualDriver, virtual);
    }
  } finally {
    await labDown(TEST_LAB_NAME);
  }
}

if (values.json !== undefined) writeCases(values.json);
const known = all.flatMap((pair) => cases.get(nameOf(pair)) ?? []);
if (values.page === true || wanted.length === all.length) writeFileSync(FAULT_MATRIX_PAGE, faultMatrixPage(known));
const wrong = driven.flatMap((pair) => {
  const one = cases.get(nameOf(pair));
  return one === undefined || !("serves" in one) || isWell(one) ? [] : [one];
});
say(`${driven.length - wrong.length} of ${driven.length} cases are well, ${wanted.length - driven.length} cannot be`);
for (const one of wrong) console.error(`${one.fault} at ${one.step}: ${one.serves}`);
process.exitCode = wrong.length === 0 ? 0 : 1;

/** Takes the hosts away, with whatever is under way on them; the files go with the process. */
async function leave(): Promise<never> {
  say("interrupted: removing the hosts");
  await labDown(TEST_LAB_NAME);
  process.exit(INTERRUPTED);
}

/** As many pairs at the same time as there are hosts, each time with one fault and one goal. */
async function drive(driver: FaultDriver, pairs: readonly DrivenPair[]): Promise<void> {
  const groups = Object.values(Object.groupBy(pairs, ({ fault, goal }) => `${fault} ${goal}`));
  for (const group of groups) {
    for (let index = 0; index < group.length; index += driver.count) {
      for (const result of await driver.strike(group.slice(index, index + driver.count))) {
        cases.set(nameOf(result), result);
        const { fault, step, serves, receipt, deployer } = result;
        say(`${++done}/${driven.length} ${fault} at ${step}: ${serves} (host: ${receipt}; deployer: ${deployer})`);
      }
      if (values.json !== undefined) writeCases(values.json);
    }
  }
}

function isWellDriven(one: MatrixCase | undefined): boolean {
  return one !== undefined && "serves" in one && isWell(one);
}

function nameOf({ fault, step }: Pair): string {
  return `${fault} ${step}`;
}

/** Cases of a file that is written again; all of it is made anew when all is wanted. */
function earlierCases(path: string | undefined): MatrixCase[] {
  if (path === undefined || (wanted.length === all.length && values.rest !== true) || !existsSync(path)) return [];
  return (JSON.parse(readFileSync(path, "utf8")) as { cases: MatrixCase[] }).cases;
}

function writeCases(path: string): void {
  const ordered = all.flatMap((pair) => cases.get(nameOf(pair)) ?? []);
  writeFileSync(path, `${JSON.stringify({ cases: ordered }, undefined, 2)}\n`);
}
