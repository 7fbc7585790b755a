/** The packages of a system that does not list them, told by the names of the store paths in its closure. */

import type { SystemPackage } from "./system-object.ts";

/** As Nix splits a name: the version begins after the first dash that no letter follows. */
const NAME = /^\/nix\/store\/[0-9a-z]{32}-(.+?)-([^A-Za-z].*)$/;

/** One package per name; of several versions all are told. What has no version is no package. */
export function packagesOfClosure(paths: readonly string[]): SystemPackage[] {
  const byName = new Map<string, { versions: Set<string>; paths: string[] }>();
  for (const path of paths.toSorted()) {
    const [, name, version] = NAME.exec(path) ?? [];
    if (name === undefined || version === undefined) continue;
    const known = byName.get(name) ?? { versions: new Set(), paths: [] };
    byName.set(name, { versions: known.versions.add(version), paths: [...known.paths, path] });
  }
  return [...byName].map(([name, { versions, paths: all }]) => ({
    name,
    version: [...versions].sort().join(", "),
    path: all.join(" "),
  }));
}
