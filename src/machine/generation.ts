/** The numbered generations of a system profile: which number comes next, which may go. */

import type { Generation } from "./facts.ts";
import { areProfiles, type PlacedProfile } from "./profile.ts";

export const PROFILE_DIRECTORY = "/nix/var/nix/profiles";
export const PROFILE_NAME = "system";
/** A file that holds a system's path: stage 1 removes it and boots that system instead of the profile's. */
export const BOOT_ONCE = "/nix/var/pristine/boot-once";

/** The name of a generation's link beside the profile, as Nix makes it. */
export function generationLinkName(number: number): string {
  return `${PROFILE_NAME}-${number}-link`;
}

const LINK_NAME = new RegExp(`^${PROFILE_NAME}-([1-9][0-9]{0,8})-link$`);

/** The number in a generation link's name; undefined for any other name. */
export function generationNumberOf(linkName: string): number | undefined {
  const match = LINK_NAME.exec(linkName);
  return match === null ? undefined : Number(match[1]);
}

/** The number of the boot default; undefined when the profile names no generation. */
export function defaultGeneration(generations: readonly Generation[]): number | undefined {
  return generations.find(({ isDefault }) => isDefault)?.number;
}

/** What a generation is of: a system, and the profiles beside it. */
export interface GenerationContent {
  readonly path: string;
  /** The default's when absent. */
  readonly profiles?: readonly PlacedProfile[] | undefined;
  /** Newer ones are of the same transaction: what they have of profiles is not known before these are moved. */
  readonly since?: number | undefined;
}

/**
 * The number that a profile moving to `path` gets: the default's own when it names that path already, and the newest
 * one's when that names it, which is what an interrupted confirmation leaves; else the next one.
 */
export function numberForPath(
  generations: readonly Generation[],
  { path, profiles, since = Number.POSITIVE_INFINITY }: GenerationContent,
): { number: number; isNew: boolean } {
  const wanted = profiles ?? generations.find(({ isDefault }) => isDefault)?.profiles ?? [];
  const isSame = (generation: Generation): boolean =>
    generation.path === path && areProfiles(generation.profiles ?? [], wanted);
  const newest = generations.reduce<Generation | undefined>(
    (best, generation) => (best === undefined || generation.number > best.number ? generation : best),
    undefined,
  );
  const reused = generations.find((generation) => generation.isDefault && isSame(generation));
  if (reused !== undefined) return { number: reused.number, isNew: false };
  const isOurs = newest?.path === path && !newest.isDefault && newest.number > since;
  if (newest !== undefined && (isOurs || isSame(newest))) return { number: newest.number, isNew: false };
  return { number: (newest?.number ?? 0) + 1, isNew: true };
}

/**
 * Generations beyond the limit, the oldest first: never the boot default, and of a system that is in use never the
 * last generation that names it.
 */
export function generationsToRemove(options: {
  readonly generations: readonly Generation[];
  readonly keepMax: number;
  readonly inUse: ReadonlySet<string>;
}): Generation[] {
  const newestFirst = options.generations.toSorted((one, other) => other.number - one.number);
  const kept = new Set(newestFirst.slice(0, Math.max(1, options.keepMax)));
  for (const generation of newestFirst) if (generation.isDefault) kept.add(generation);
  const keptPaths = new Set([...kept].map(({ path }) => path));
  const removed: Generation[] = [];
  for (const generation of newestFirst) {
    if (kept.has(generation)) continue;
    if (options.inUse.has(generation.path) && !keptPaths.has(generation.path)) keptPaths.add(generation.path);
    else removed.push(generation);
  }
  return removed.reverse();
}
