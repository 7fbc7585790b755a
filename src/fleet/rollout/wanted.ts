/**
 * What this machine keeps for the hosts of a fleet until they have it: roots of their systems and kits, plans that wait,
 * journals of interrupted rollouts. What is kept for hosts that are no hosts of the fleet any more goes.
 */

import type { LocalStore } from "../../store/local-store.ts";
import { rootOf } from "../deploy.ts";
import type { PendingHosts } from "./pending.ts";
import { dropRolloutsOf } from "./rollout-journal.ts";
import type { ApprovedPlan } from "./rollout-record.ts";

const rootsOf = (fleet: string): string => `pristine/wanted/${fleet}`;
const KIT = "-kit";
/** No host has the point in its name. */
const PROFILE = ".profile-";

/** What hosts are to run must not be collected before they have it. */
export async function keepWanted(
  { fleet, hosts }: Pick<ApprovedPlan, "fleet" | "hosts">,
  store: LocalStore,
  signal: AbortSignal,
): Promise<void> {
  const present = await store.permanentRootsIn(rootsOf(fleet));
  for (const { host, system, kit, profiles = [] } of hosts) {
    if (system === undefined || kit === undefined) continue;
    const name = `${rootsOf(fleet)}/${host.name}`;
    const [systemPath, kitPath] = [rootOf(system, store.storeDir), rootOf(kit, store.storeDir)];
    const profilePaths = profiles.flatMap(({ path }) => (path === null ? [] : [rootOf(path, store.storeDir)]));
    // An earlier generation may exist only on the host.
    const valid = await store.validPaths([systemPath, kitPath, ...profilePaths], signal);
    if (valid.has(systemPath.baseName)) await store.addPermanentRoot(name, systemPath);
    if (valid.has(kitPath.baseName)) await store.addPermanentRoot(`${name}${KIT}`, kitPath);
    for (const root of present) {
      if (root.startsWith(`${host.name}${PROFILE}`)) await store.removePermanentRoot(`${rootsOf(fleet)}/${root}`);
    }
    for (const [index, path] of profilePaths.entries()) {
      if (valid.has(path.baseName)) await store.addPermanentRoot(`${name}${PROFILE}${index}`, path);
    }
  }
}

/** Drops what is kept for hosts that have left the fleet; answers a line for each of them. */
export async function dropUnwanted(
  fleet: string,
  hosts: readonly { readonly name: string }[],
  { store, pending }: { readonly store: LocalStore; readonly pending: PendingHosts },
): Promise<string[]> {
  const declared = new Set(hosts.map(({ name }) => name));
  const isGone = (name: string): boolean => !declared.has(name);
  const gone = new Set<string>();
  for (const root of await store.permanentRootsIn(rootsOf(fleet))) {
    const [owner = root] = root.split(PROFILE);
    const name = owner.endsWith(KIT) ? owner.slice(0, -KIT.length) : owner;
    // A host may be called as another one's kit is.
    if (!isGone(owner) || !isGone(name)) continue;
    await store.removePermanentRoot(`${rootsOf(fleet)}/${root}`);
    gone.add(name);
  }
  for (const { approved } of await pending.list()) {
    const { name } = approved.host;
    if (!isGone(name)) continue;
    await pending.remove(name);
    gone.add(name);
  }
  for (const name of await dropRolloutsOf(fleet, isGone)) gone.add(name);
  return [...gone].sort().map((name) => `${name}: it is no host of the fleet any more, and nothing is kept for it`);
}
