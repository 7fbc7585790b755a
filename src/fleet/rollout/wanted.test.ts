/** What a deployer keeps for hosts, and no longer keeps for those that have left the fleet. */

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { systemClock } from "../../base/clock.ts";
import { StorePath } from "../../format/store-path.ts";
import type { WantedProfile } from "../../machine/profile.ts";
import { LocalStore } from "../../store/local-store.ts";
import { PendingHosts } from "./pending.ts";
import { openJournal, rolloutsOf } from "./rollout-journal.ts";
import type { ApprovedHost, RolloutRecord } from "./rollout-record.ts";
import { dropUnwanted, keepWanted } from "./wanted.ts";

const scratch = mkdtempSync(join(tmpdir(), "pristine-wanted-"));
process.env["XDG_STATE_HOME"] = join(scratch, "state");
after(() => rmSync(scratch, { recursive: true, force: true }));

const PATH = StorePath.of("00000000000000000000000000000000-system");
const approved = (name: string): ApprovedHost => ({ host: { name }, system: "s" }) as unknown as ApprovedHost;

function rolloutOf(id: string, ...names: readonly string[]): RolloutRecord {
  const hosts = names.map(approved);
  return { version: 1, id, fleet: "shop", hosts, policy: { pendingSeconds: 60 } } as unknown as RolloutRecord;
}

test("of a host's profiles only those are kept that it is to have", async () => {
  await using store = await LocalStore.open(join(scratch, "profiles"));
  const signal = AbortSignal.timeout(10_000);
  const path = (await store.addText("object", Buffer.from("text"), [], signal)).render(store.storeDir);
  const profile = (of: string): WantedProfile => ({ name: of, user: "root", link: null, path });
  const keep = async (...profiles: readonly string[]): Promise<string[]> => {
    const host = { ...approved("web"), system: path, kit: path, profiles: profiles.map(profile) };
    await keepWanted({ fleet: "shop", hosts: [host] }, store, signal);
    return readdirSync(join(scratch, "profiles/nix/var/nix/gcroots/pristine/wanted/shop")).sort();
  };
  assert.deepEqual(await keep("a", "b"), ["web", "web-kit", "web.profile-0", "web.profile-1"]);
  assert.deepEqual(await keep("b"), ["web", "web-kit", "web.profile-0"]);
  assert.deepEqual(await keep(), ["web", "web-kit"]);
});

test("what is kept for hosts that have left the fleet goes, and nothing else", async () => {
  await using store = await LocalStore.open(join(scratch, "root"));
  for (const root of ["web", "web-kit", "gone", "gone-kit", "gone.profile-0", "web.profile-0", "db-kit", "db-kit-kit"])
    await store.addPermanentRoot(`pristine/wanted/shop/${root}`, PATH);
  await store.addPermanentRoot("pristine/wanted/other/gone", PATH);
  const pending = new PendingHosts("shop", systemClock);
  for (const name of ["web", "gone"]) await pending.put(rolloutOf("20261128T090000-p", name), approved(name));
  const rollouts = [rolloutOf("20261128T100000-a", "left"), rolloutOf("20261128T110000-b", "gone", "web")];
  // The second is open for the sake of a host that is there.
  for (const rollout of rollouts) {
    using journal = await openJournal("shop", rollout.id);
    journal.append({ kind: "begun", rollout });
    if (rollout.id.endsWith("b")) journal.append({ kind: "host", host: "web" });
  }

  const hosts = [{ name: "web" }, { name: "db-kit" }];
  const told = await dropUnwanted("shop", hosts, { store, pending });
  const line = (name: string): string => `${name}: it is no host of the fleet any more, and nothing is kept for it`;
  assert.deepEqual(told, [line("gone"), line("left")]);
  const roots = (fleet: string): string[] =>
    readdirSync(join(scratch, `root/nix/var/nix/gcroots/pristine/wanted/${fleet}`)).sort();
  assert.deepEqual(roots("shop"), ["db-kit", "db-kit-kit", "web", "web-kit", "web.profile-0"]);
  assert.deepEqual(roots("other"), ["gone"]);
  assert.deepEqual(
    (await pending.list()).map(({ approved: { host } }) => host.name),
    ["web"],
  );
  assert.deepEqual(
    (await rolloutsOf("shop")).map(({ rollout }) => rollout.id),
    ["20261128T110000-b"],
  );
  assert.deepEqual(await dropUnwanted("shop", hosts, { store, pending }), [], "once");
});
