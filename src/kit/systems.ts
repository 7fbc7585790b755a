/** Which systems a host runs, boots and keeps: the links that say so, and how they are moved. */

import {
  type GenerationContent,
  generationLinkName,
  generationNumberOf,
  numberForPath,
  PROFILE_DIRECTORY,
  PROFILE_NAME,
} from "../machine/generation.ts";
import type { Generation } from "../machine/facts.ts";
import type { PlacedProfile } from "../machine/profile.ts";
import { SYSTEM_LINK, systemLinkTarget } from "../machine/skeleton.ts";
import type { Host } from "./host.ts";

const PROFILE = `${PROFILE_DIRECTORY}/${PROFILE_NAME}`;
const GC_ROOTS = "/nix/var/nix/gcroots/pristine";
const ACTIVATED = "/run/pristine/activated";
/** The same for `/run/pristine/foreign/system/etc`, on hosts whose root is not ours. */
const FOREIGN_LINK = "/run/pristine/foreign/system";
const CURRENT = "/run/current-system";
const BOOTED = "/run/booted-system";
const STORE_OBJECT = /^\/nix\/store\/[0-9abcdfghijklmnpqrsvwxyz]{32}-[A-Za-z0-9+._?=-]+$/;

export function isStorePath(path: string): boolean {
  return STORE_OBJECT.test(path);
}

/** What a link names, when that is a store path. */
function storePathAt(host: Host, link: string): string | undefined {
  const target = host.files.readlink(link);
  if (target === undefined) return undefined;
  const path = target.startsWith("/") ? target : `/${target}`;
  return isStorePath(path) ? path : undefined;
}

/** What `/usr` and `/etc` go through now; where there is no such link, as on NixOS, what was switched to. */
export function runningSystem(host: Host): string | undefined {
  return (
    storePathAt(host, SYSTEM_LINK) ?? storePathAt(host, FOREIGN_LINK) ?? storePathAt(host, CURRENT) ?? bareSystem(host)
  );
}

export function activatedSystem(host: Host): string | undefined {
  return (
    storePathAt(host, ACTIVATED) ??
    (storePathAt(host, SYSTEM_LINK) ? undefined : (storePathAt(host, CURRENT) ?? bareSystem(host)))
  );
}

/** What a foreign host runs before anything of ours is active in a boot: the system that declares nothing. */
function bareSystem(host: Host): string | undefined {
  return rootedSystem(host, "engine");
}

export function bootedSystem(host: Host): string | undefined {
  return storePathAt(host, BOOTED);
}

/** The boot default. */
export function profileSystem(host: Host): string | undefined {
  const link = host.files.readlink(PROFILE);
  if (link === undefined) return undefined;
  return storePathAt(host, link.startsWith("/") ? link : `${PROFILE_DIRECTORY}/${link}`) ?? storePathAt(host, PROFILE);
}

/** The flip: one rename that changes `/usr` and `/etc` together. */
export function flipSystem(host: Host, path: string): void {
  host.files.replaceLink(SYSTEM_LINK, systemLinkTarget(path), { durable: false });
}

/** Whether this boot has got as far as to say what runs. */
export function isRunningKnown(host: Host): boolean {
  return storePathAt(host, SYSTEM_LINK) !== undefined || storePathAt(host, FOREIGN_LINK) !== undefined;
}

/** Marks what a boot was of. */
export function bootSystem(host: Host, path: string): void {
  host.files.replaceLink(BOOTED, path, { durable: false });
  setRoot(host, "booted", path);
}

export function flipForeignSystem(host: Host, path: string): void {
  host.files.replaceLink(FOREIGN_LINK, path, { durable: false });
}

export function markActivated(host: Host, path: string): void {
  host.files.makeDirectory("/run/pristine");
  host.files.replaceLink(CURRENT, path, { durable: false });
  host.files.replaceLink(ACTIVATED, path, { durable: false });
}

export type GcRoot = "booted" | "current" | "previous" | "pending" | "kit" | "engine" | ProfileRoot;

/** What keeps profiles that a transaction moves, and what keeps those of a generation. */
export type ProfileRoot = `profile-${"next" | "before"}-${string}` | `generation-${number}-profile-${number}`;

export function setRoot(host: Host, root: GcRoot, path: string): void {
  if (host.files.readlink(`${GC_ROOTS}/${root}`) === path) return;
  host.files.makeDirectory(GC_ROOTS);
  host.files.replaceLink(`${GC_ROOTS}/${root}`, path, { durable: true });
}

export function removeRoot(host: Host, root: GcRoot): void {
  host.files.remove(`${GC_ROOTS}/${root}`, { durable: true });
}

/** Removes the roots of profiles whose names begin so. */
export function removeProfileRoots(host: Host, prefix: "profile-" | `generation-${number}-profile-`): void {
  for (const name of host.files.list(GC_ROOTS) ?? []) {
    if (name.startsWith(prefix)) removeRoot(host, name as ProfileRoot);
  }
}

export function rootedSystem(host: Host, root: GcRoot): string | undefined {
  return storePathAt(host, `${GC_ROOTS}/${root}`);
}

/** The profiles of generations, one file for each that has any. */
const GENERATION_PROFILES = "/nix/var/pristine/profiles";

function profilesFile(generation: number): string {
  return `${GENERATION_PROFILES}/${generation}.json`;
}

function readProfiles(host: Host, generation: number): { profiles?: readonly PlacedProfile[] } {
  const text = host.files.readFile(profilesFile(generation));
  return text === undefined ? {} : { profiles: JSON.parse(text) as readonly PlacedProfile[] };
}

/** Notes what profiles a generation has, whose paths are kept as long as that is. */
function writeProfiles(host: Host, generation: number, profiles: readonly PlacedProfile[]): void {
  const text = `${JSON.stringify(profiles)}\n`;
  const file = profilesFile(generation);
  if (host.files.readFile(file) === text || (profiles.length === 0 && !host.files.exists(file))) return;
  profiles.forEach(({ path }, index) => {
    setRoot(host, `generation-${generation}-profile-${index}`, path);
  });
  host.files.makeDirectory(GENERATION_PROFILES);
  if (profiles.length === 0) host.files.remove(file, { durable: true });
  else host.files.writeDurably(file, text);
}

/** All generations of the profile, oldest first. */
export function readGenerations(host: Host): Generation[] {
  const current = host.files.readlink(PROFILE);
  const generations: Generation[] = [];
  for (const name of host.files.list(PROFILE_DIRECTORY) ?? []) {
    const number = generationNumberOf(name);
    if (number === undefined) continue;
    const link = `${PROFILE_DIRECTORY}/${name}`;
    const path = storePathAt(host, link);
    if (path === undefined) continue;
    const isDefault = current === name || current === link;
    generations.push({ number, path, date: host.files.modifiedAt(link), isDefault, ...readProfiles(host, number) });
  }
  return generations.sort((one, other) => one.number - other.number);
}

/** Makes a generation the newest one, unless it is that or the boot default already; its number. */
export function addGeneration(host: Host, content: GenerationContent): number {
  const generations = readGenerations(host);
  const { path, profiles = generations.find(({ isDefault }) => isDefault)?.profiles ?? [] } = content;
  const { number } = numberForPath(generations, content);
  const link = `${PROFILE_DIRECTORY}/${generationLinkName(number)}`;
  host.files.makeDirectory(PROFILE_DIRECTORY);
  writeProfiles(host, number, profiles);
  if (host.files.readlink(link) !== path) host.files.replaceLink(link, path, { durable: true });
  return number;
}

/** Makes it the boot default under a number of its own; the rename of the profile is the moment it counts. */
export function moveProfile(host: Host, content: GenerationContent): number {
  const number = addGeneration(host, content);
  const name = generationLinkName(number);
  if (host.files.readlink(PROFILE) !== name) host.files.replaceLink(PROFILE, name, { durable: true });
  return number;
}

/** Makes a generation the boot default again that names `path`: that of the number, or else the newest one. */
export function pointProfile(host: Host, path: string, number: number | undefined): void {
  const named = readGenerations(host).filter((candidate) => candidate.path === path);
  const generation = named.find((candidate) => candidate.number === number) ?? named.at(-1);
  if (generation === undefined) moveProfile(host, { path });
  else if (!generation.isDefault) {
    host.files.replaceLink(PROFILE, generationLinkName(generation.number), { durable: true });
  }
}

export function removeGeneration(host: Host, number: number): void {
  host.files.remove(`${PROFILE_DIRECTORY}/${generationLinkName(number)}`, { durable: true });
  if (host.files.exists(profilesFile(number))) host.files.remove(profilesFile(number), { durable: true });
  removeProfileRoots(host, `generation-${number}-profile-`);
}
