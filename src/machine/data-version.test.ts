/** Which changes of versions data survives, and what is said of those it does not. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { compareVersions } from "../format/debian/version.ts";
import { dataChanges, type DataVersion, type RecordedVersion, recordedAfter, snapshotHooks } from "./data-version.ts";

const app = (version: string, more: Partial<DataVersion> = {}): DataVersion => ({ name: "app", version, ...more });
const wrote = (version: string, more: Partial<RecordedVersion> = {}): RecordedVersion => ({
  name: "app",
  version,
  system: "/nix/store/x",
  ...more,
});
const postgresql = (version: string): DataVersion => ({
  name: "postgresql",
  version,
  reads: [version],
  path: `/var/lib/postgresql/${version}`,
});
const show = (...args: Parameters<typeof dataChanges>): string =>
  dataChanges(...args)
    .map(({ kind, from, to }) => `${kind} ${from} ${to}`)
    .join();

test("versions are compared number by number", () => {
  const sorted = ["9.6", "10", "10.5", "10.11", "11.4", "11.4b", "12"];
  assert.deepEqual([...sorted].reverse().sort(compareVersions), sorted);
  assert.equal(compareVersions("1.0", "1.0"), 0);
});

const cases: Record<string, [string, DataVersion[], DataVersion[], RecordedVersion[]?]> = {
  "nothing was there before": ["", [], [app("2")]],
  "the service is gone": ["", [app("2")], []],
  "the same version": ["", [app("2")], [app("2")]],
  "a higher version": ["upgrade 1 2", [app("1")], [app("2")]],
  "a lower version": ["backwards 2 1", [app("2")], [app("1")]],
  "a lower version that says it can": ["upgrade 2 1", [app("2")], [app("1", { reads: ["2"] })]],
  "a higher version that says it cannot": ["jump 1 3", [app("1")], [app("3", { reads: ["2"] })]],
  "what the host has written down counts for more": ["backwards 3 2", [app("2")], [app("2")], [wrote("3")]],
  "also where that is what is wanted": ["", [app("1")], [app("2")], [wrote("2")]],
  "PostgreSQL up": ["jump 15 17", [postgresql("15")], [postgresql("17")]],
  "PostgreSQL down": ["backwards 17 15", [postgresql("17")], [postgresql("15")]],
};
for (const [name, [expected, old, wanted, recorded]] of Object.entries(cases)) {
  test(name, () => assert.equal(show(old, wanted, recorded), expected));
}

test("what it means, and the way out", () => {
  const told = [
    ...dataChanges([app("1")], [app("2")]),
    ...dataChanges([app("2")], [app("1")]),
    ...dataChanges([app("1")], [app("3", { reads: ["2"] })]),
    ...dataChanges([postgresql("15")], [postgresql("17")]),
    ...dataChanges([postgresql("17")], [postgresql("15")]),
  ].map(({ message, hint }) => (hint === undefined ? message : `${message}; ${hint}`));
  assert.deepEqual(told, [
    "app: its data goes from version 1 to 2; 1 may not read it afterwards",
    "app: its data would go backwards: it is of version 2 by now, and 1 does not read that; stay with 2, or restore data that was saved before 2 ran; nothing is turned back by itself",
    "app: its data is of version 1, which 3 does not take over by itself; go by a version that reads 1, or dump the data with 1 and restore it with 3",
    "postgresql: version 17 keeps its data in /var/lib/postgresql/17, and does not see what 15 has in /var/lib/postgresql/15; take the data over yourself: dump it with 15 and restore it with 17",
    "postgresql: version 15 keeps its data in /var/lib/postgresql/15, and does not see what 17 has in /var/lib/postgresql/17; what was written with 17 is missing until it is taken over; stay with 17, or restore a dump of it with 15",
  ]);
});

test("a snapshot is taken in both directions, by what either system declares, and only then", () => {
  const snapshot = { command: ["dump"], timeoutSeconds: 60, environment: { A: "b" } };
  const named = (hooks: ReturnType<typeof snapshotHooks>): string =>
    hooks.map(({ name, environment }) => `${name} ${environment["PRISTINE_DATA_FROM"]} ${environment["A"]}`).join();
  assert.equal(named(snapshotHooks([app("1")], [app("2", { snapshot })])), "snapshot-app 1 b");
  assert.equal(named(snapshotHooks([app("2", { snapshot })], [app("1")])), "snapshot-app 2 b");
  assert.equal(named(snapshotHooks([app("2", { snapshot })], [app("2", { snapshot })])), "");
  assert.equal(named(snapshotHooks([app("1")], [app("2")])), "");
});

test("what has run raises what is recorded, and what is confirmed is what counts", () => {
  const after = (isConfirmed: boolean, recorded: RecordedVersion[], ran: DataVersion[]): string =>
    recordedAfter(recorded, ran, { system: "/s", isConfirmed })
      .map(({ name, version }) => `${name} ${version}`)
      .join();
  assert.equal(after(false, [], [app("1")]), "app 1");
  assert.equal(after(false, [wrote("1")], [app("2")]), "app 2");
  assert.equal(after(false, [wrote("2")], [app("1")]), "app 2");
  assert.equal(after(true, [wrote("2")], [app("1")]), "app 1");
  assert.equal(after(true, [wrote("2")], [postgresql("17")]), "app 2,postgresql 17", "what is gone keeps its data");
});
