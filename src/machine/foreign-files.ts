/**
 * What a system of a foreign host puts on the host: links, most of them in `/etc`, and units by a generator. Nothing that is there
 * already is ever replaced, so where these would stand is looked at before anything is touched.
 */

import type { SystemObject } from "./system-object.ts";

/** Where links in `/etc` lead: to the system that runs, which one rename changes for all of them. */
const FOREIGN_ETC = "/run/pristine/foreign/system/etc";
/** By user, in the system that runs. */
const KEYS = "/pristine/authorized-keys";
/** Of these nothing is in the host's `/etc`. */
const OURS_ALONE: ReadonlySet<string> = new Set([KEYS, "/pristine/secrets"]);
/** But for links that are elsewhere than in `/etc`, by their paths. */
const ELSEWHERE = "/pristine/secrets/links";
export const AUTHORIZED_KEYS: string = FOREIGN_ETC + KEYS;
export const GENERATOR = "/etc/systemd/system-generators/pristine";
/** Until it is removed, a host keeps this one link, by which a boot finds what was confirmed. */
export const GENERATOR_TARGET = "/nix/var/nix/gcroots/pristine/engine/lib/generator";
const UNITS = "/etc/systemd/system";
/** Where systemd looks for units of others' making. Its own output directory is not among them. */
const UNIT_DIRECTORIES = [
  UNITS,
  "/etc/systemd/system.attached",
  "/etc/systemd/system.control",
  "/run/systemd/system",
  "/usr/local/lib/systemd/system",
  "/usr/lib/systemd/system",
  "/lib/systemd/system",
];

/** The links on the host, by path, with what they lead to. */
export function linksOf(system: SystemObject): ReadonlyMap<string, string> {
  const links = new Map([[GENERATOR, GENERATOR_TARGET]]);
  const walk = (directory: string): void => {
    for (const name of system.list(`/etc${directory}`) ?? []) {
      const path = `${directory}/${name}`;
      if (`/etc${path}` === UNITS || OURS_ALONE.has(path)) continue;
      if (system.list(`/etc${path}`) === undefined || system.isLink(`/etc${path}`))
        links.set(path.startsWith(`${ELSEWHERE}/`) ? path.slice(ELSEWHERE.length) : `/etc${path}`, FOREIGN_ETC + path);
      else walk(path);
    }
  };
  // The bare system's own settings are the engine's.
  if (!isBare(system)) for (const directory of ["", ELSEWHERE]) walk(directory);
  return links;
}

/** A system that declares nothing: what is left when all of ours is taken away. */
export function isBare(system: SystemObject): boolean {
  return system.topEntry("engine") === system.path;
}

/** Paths at which there must be nothing, or the link that is named. */
export function placesOf(system: SystemObject): ReadonlyMap<string, string | undefined> {
  const places = new Map<string, string | undefined>();
  for (const [path, target] of linksOf(system)) {
    places.set(path, target);
    // What a link is made as before it gets its name.
    places.set(`${path}.new`, target);
  }
  const units = isBare(system) ? [] : system.unitNames();
  for (const unit of units) for (const directory of UNIT_DIRECTORIES) places.set(`${directory}/${unit}`, undefined);
  return places;
}

export function describeObstacles(paths: readonly string[]): { readonly message: string; readonly hint: string } {
  return {
    message: `${paths.join(", ")} ${paths.length === 1 ? "is" : "are"} on the host already, and not of our making`,
    hint: "declare it under another name, or take what is there away by hand",
  };
}
