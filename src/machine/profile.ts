/**
 * Profiles beside the system's (`deployment.profiles`): links that users have to paths of the store, and what the script in
 * each path does for its user. deploy-rs has them as further profiles of a node, and its script's name and environment
 * are kept: `deploy-rs-activate`, with `PROFILE`.
 */

import type { TransactionGoal } from "./transaction.ts";

/** What a profile is to be. */
export interface WantedProfile {
  readonly name: string;
  /** Whose it is, who runs its script. */
  readonly user: string;
  /** The link; null for the one that Nix has for the user. */
  readonly link: string | null;
  /** A full store path; null when the link is to go. */
  readonly path: string | null;
}

/** What a profile is on a host. */
export interface PlacedProfile extends WantedProfile {
  readonly link: string;
  readonly path: string;
}

/** A profile that a transaction moves, with the way back. */
export interface ProfileMove extends WantedProfile {
  readonly link: string;
  /** Where the link led before; null when there was none. */
  readonly before: string | null;
  /** Who the user was then: a return may come when the host does not have it any more. */
  readonly owner: ProfileOwner;
}

/** A user's numbers and home, as passwd(5) has them. */
export interface ProfileOwner {
  readonly uid: string;
  readonly gid: string;
  readonly home: string;
}

/** A declared profile as it is found. */
export interface FoundProfile extends PlacedProfile {
  /** Where the link leads; null when it leads to no path of the store. */
  readonly found: string | null;
}

/** What activates a profile, in its path. */
export const PROFILE_SCRIPT = "deploy-rs-activate";
/** How long the script of one may run. */
export const PROFILE_SECONDS_MAX = 240;

/** Goals that move profiles: what a boot would not take back stays as it is. */
const MOVING: ReadonlySet<TransactionGoal> = new Set(["switch", "temporary", "reboot"]);

export function movesProfiles(goal: TransactionGoal): boolean {
  return MOVING.has(goal);
}

const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,126}$/;
const LINK = /^(?:\/[A-Za-z0-9_.+@-]+)+$/;

/** Whether names and places are such that they can be parts of paths; what comes from elsewhere is asked this. */
export function isWantedProfile({ name, user, link }: WantedProfile): boolean {
  const parts = [name, user].every((part) => typeof part === "string" && NAME.test(part));
  return (
    parts && (link === null || (LINK.test(link) && !link.split("/").some((part) => part === "." || part === "..")))
  );
}

/** What a profile is called among all of a host. */
export function profileId({ name, user }: Pick<WantedProfile, "name" | "user">): string {
  return `${user}/${name}`;
}

/** Whether a host has just what is wanted. */
export function areProfiles(
  found: readonly (WantedProfile & { readonly found?: string | null })[],
  wanted: readonly WantedProfile[],
): boolean {
  const there = new Map(found.map((one) => [profileId(one), one]));
  const kept = wanted.filter(({ path }) => path !== null);
  return (
    there.size === kept.length &&
    kept.every((one) => {
      const other = there.get(profileId(one));
      if (other === undefined || (one.link !== null && one.link !== other.link)) return false;
      return other.path === one.path && (other.found === undefined || other.found === one.path);
    })
  );
}

/** What becomes of a profile, for people. */
export interface ProfileChange {
  readonly name: string;
  readonly user: string;
  /** Null when nobody knows of one, or there is none. */
  readonly before: string | null;
  readonly after: string | null;
}

/** What a deployment changes, in the order of it. */
export function profileChanges(
  found: readonly FoundProfile[],
  wanted: readonly WantedProfile[],
): readonly ProfileChange[] {
  const there = new Map(found.map((one) => [profileId(one), one]));
  const ids = new Set(wanted.map(profileId));
  const gone = found.filter((one) => !ids.has(profileId(one))).map((one) => ({ ...one, path: null }));
  return [...wanted, ...gone].flatMap((one) => {
    const { name, user, path: after } = one;
    const before = there.get(profileId(one))?.found ?? null;
    return before === after ? [] : [{ name, user, before, after }];
  });
}
