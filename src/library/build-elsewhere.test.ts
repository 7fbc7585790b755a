/** Which place a host's system is built at, of those that the fleet says. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { HostInventory } from "../fleet/inventory.ts";
import { currentSystem } from "../realise/current-system.ts";
import { type Elsewhere, isKitElsewhere, placesElsewhere } from "./build-elsewhere.ts";

async function placeOf(host: Partial<HostInventory>): Promise<Elsewhere | undefined> {
  return (await placesElsewhere([{ name: "web", ...host } as HostInventory])).get("web");
}

test("the host itself goes before another one, and that before machines of Nix's", async () => {
  const builders = "big; small";
  assert.deepEqual(await placeOf({ buildOnTarget: true, buildOn: "one", builders }), { kind: "itself" });
  assert.deepEqual(await placeOf({ buildOn: "one", builders }), { kind: "host", builder: "one" });
  const place = await placeOf({ builders });
  assert.deepEqual(place?.kind === "machines" && place.machines.map(({ host }) => host), ["big", "small"]);
});

test("without any, or with a file of machines that is not there, it is built here", async () => {
  for (const host of [{}, { builders: "" }, { builders: "# none" }, { builders: "@/no/machines" }])
    assert.equal(await placeOf(host), undefined);
});

test("what cannot be read is that host's error, with its place", async () => {
  const place = await placeOf({ builders: "big - - many" });
  assert.equal(place?.kind, "nowhere");
  assert.match(place.error.message, /^deployment\.builders of web: 'many' is not a number of jobs/);
});

test("a kit of another platform comes from who builds for the host, unless that is the host itself", () => {
  const foreign = { system: "riscv64-linux" } as HostInventory;
  assert.equal(isKitElsewhere(foreign, { kind: "host", builder: "one" }), true);
  assert.equal(isKitElsewhere(foreign, { kind: "itself" }), false);
  assert.equal(isKitElsewhere(foreign, undefined), false);
  assert.equal(isKitElsewhere({ ...foreign, system: currentSystem() }, { kind: "machines", machines: [] }), false);
});
