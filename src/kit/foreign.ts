/** Hosts of whose `/etc` only some links are ours: how these are made, switched and removed, and what a boot does. */

import { describeObstacles, linksOf, placesOf } from "../machine/foreign-files.ts";
import { ACCOUNTS_HINT } from "../machine/accounts.ts";
import { FOREIGN_SECRETS } from "../machine/secrets.ts";
import type { SystemObject, SystemUser } from "../machine/system-object.ts";
import { makeAccounts, obstaclesOfAccounts, ownAccounts, removeAccounts, removeStaleLocks } from "./accounts.ts";
import type { Host } from "./host.ts";
import { KitError } from "./kit-error.ts";
import { provideSecrets, switchSecrets } from "./secrets.ts";
import {
  bootSystem,
  flipForeignSystem,
  isRunningKnown,
  markActivated,
  profileSystem,
  rootedSystem,
  setRoot,
} from "./systems.ts";
import { STATE_DIRECTORY } from "./transaction-record.ts";

/** Directories that were made for links of ours, so that they go with these. */
const DIRECTORIES = `${STATE_DIRECTORY}/directories.json`;

/** Throws when anything that is not ours stands where the system's files or units would. */
export function requireFreePlaces(host: Host, system: SystemObject): void {
  const obstacles = [...placesOf(system)].flatMap(([path, target]) =>
    host.files.exists(path) && (target === undefined || host.files.readlink(path) !== target) ? [path] : [],
  );
  if (obstacles.length > 0) {
    const { message, hint } = describeObstacles(obstacles);
    throw new KitError("KIT_IN_THE_WAY", message, { hint });
  }
  const taken = obstaclesOfAccounts(host, system);
  if (taken.length > 0) throw new KitError("KIT_IN_THE_WAY", taken.join("; "), { hint: ACCOUNTS_HINT });
}

/**
 * Makes a system what the host has of ours. What it does not declare of users is removed on a way back only: until a
 * confirmation the system before may have to be given back what it had, passwords and all.
 */
export function switchForeign(
  host: Host,
  systems: { readonly from: readonly SystemObject[]; readonly to: SystemObject },
  { isReturn }: { readonly isReturn: boolean },
): void {
  const { from, to } = systems;
  switchSecrets(host, from, to);
  flipForeign(host, from, to);
  settleUsers(host, to, { isReturn });
}

function settleUsers(host: Host, to: SystemObject, { isReturn }: { readonly isReturn: boolean }): void {
  makeAccounts(host, to, (user) => {
    makeHome(host, user);
  });
  if (isReturn) removeUndeclared(host, to);
  removeEmpty(host);
}

/** Removes users and groups that neither the system nor the boot default declares. */
export function removeUndeclared(host: Host, running: SystemObject): void {
  const bootDefault = profileSystem(host);
  removeAccounts(host, [running, ...(bootDefault === undefined ? [] : [host.system(bootDefault)])]);
  removeEmpty(host);
}

/** One that is there and not of our making is the user's already, from an earlier time. */
function makeHome(host: Host, { account, gid, home, name, uid }: SystemUser): void {
  if (!host.files.exists(home)) {
    makeParents(host, [home]);
    noteDirectories(host, [...new Set([...ownDirectories(host), home])].sort());
  } else if (!ownDirectories(host).includes(home)) return;
  const command = ["install", "-d", "-m", account?.homeMode ?? "700", "-o", String(uid), "-g", String(gid), home];
  const { code, stderr } = host.run(command, { timeoutSeconds: 10 });
  if (code !== 0) throw new Error(`the home of ${name} cannot be made: ${stderr.trim()}`);
}

/** Makes the links that a system has, lets all of them lead to it by one rename, and removes those it has not. */
function flipForeign(host: Host, from: readonly SystemObject[], to: SystemObject): void {
  const wanted = linksOf(to);
  const gone = from.flatMap((system) => [...linksOf(system)]).filter(([path]) => !wanted.has(path));
  makeParents(host, [...wanted.keys()]);
  for (const [path, target] of wanted) {
    if (host.files.readlink(path) === target) continue;
    if (host.files.exists(path)) throw new Error(describeObstacles([path]).message);
    host.files.replaceLink(path, target, { durable: true });
  }
  const engine = to.topEntry("engine");
  if (engine !== undefined) setRoot(host, "engine", engine);
  // Services have it bound, with secrets or without.
  host.files.makeDirectory(FOREIGN_SECRETS.names);
  flipForeignSystem(host, to.path);
  for (const [path, target] of gone) {
    if (host.files.readlink(path) === target) host.files.remove(path, { durable: true });
  }
}

/** Noted before they are made: what is not noted is never removed. */
function makeParents(host: Host, paths: readonly string[]): void {
  const missing = new Set<string>();
  for (const path of paths) {
    for (let slash = path.lastIndexOf("/"); slash > 0; slash = path.lastIndexOf("/", slash - 1)) {
      const parent = path.slice(0, slash);
      if (!host.files.exists(parent)) missing.add(parent);
    }
  }
  if (missing.size === 0) return;
  noteDirectories(host, [...new Set([...ownDirectories(host), ...missing])].sort());
  for (const path of [...missing].sort()) host.files.makeDirectory(path);
}

function removeEmpty(host: Host): void {
  const own = ownDirectories(host);
  const left = new Set(own);
  const homes = new Set(ownAccounts(host).users.map(({ home }) => home));
  for (const path of own.toReversed()) {
    if (homes.has(path)) continue;
    const names = host.files.list(path);
    if (names !== undefined && names.length > 0) continue;
    host.files.remove(path, { durable: true });
    left.delete(path);
  }
  if (left.size < own.length) noteDirectories(host, [...left]);
}

function ownDirectories(host: Host): readonly string[] {
  const text = host.files.readFile(DIRECTORIES);
  return text === undefined ? [] : (JSON.parse(text) as { readonly directories: readonly string[] }).directories;
}

function noteDirectories(host: Host, directories: readonly string[]): void {
  host.files.writeDurably(DIRECTORIES, `${JSON.stringify({ version: 1, directories })}\n`);
}

/** What went wrong with secrets must not keep the rest of a boot from being done. */
function providedSecrets(host: Host, system: SystemObject): string | undefined {
  try {
    return provideSecrets(host, system);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** At a boot, before services are started: what was confirmed is what runs. Later it changes nothing. Answers what is lacking. */
export function bootForeign(host: Host): string | undefined {
  if (isRunningKnown(host)) return undefined;
  // What was never confirmed leaves nothing behind.
  const system = profileSystem(host) ?? rootedSystem(host, "engine");
  if (system === undefined || host.system(system).base !== "foreign") return undefined;
  const roots = (["current", "previous", "pending"] as const).map((root) => rootedSystem(host, root));
  const others = [...new Set(roots)].filter((path) => path !== undefined && path !== system) as string[];
  const from = others.map((path) => host.system(path)).filter((other) => other.base === "foreign");
  const to = host.system(system);
  const problems = providedSecrets(host, to);
  flipForeign(host, from, to);
  markActivated(host, system);
  bootSystem(host, system);
  removeStaleLocks(host);
  settleUsers(host, to, { isReturn: true });
  return problems;
}
