/** Which files below given directories running programs use: what they execute, have open, mapped or in their environment. */

import { readdirSync, readFileSync, readlinkSync } from "node:fs";

export interface PathInUse {
  /** Where it was found, such as `/proc/12/maps`. */
  readonly from: string;
  readonly path: string;
}

/** Programs that end meanwhile, or that we may not look into, are passed over. */
export function pathsInUse(directories: readonly string[]): PathInUse[] {
  const found = new Map<string, PathInUse>();
  const pattern = new RegExp(
    `(?:${[...new Set(directories)].map((directory) => directory.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|")})/[0-9a-z]{32}-[0-9a-zA-Z+\\-._?=]+`,
    "g",
  );
  const add = (from: string, text: string): void => {
    for (const [path] of text.matchAll(pattern)) if (!found.has(path)) found.set(path, { from, path });
  };
  const attempt = (from: string, read: () => string): void => {
    try {
      add(from, read());
    } catch {
      // The program has ended, or belongs to somebody else, who then keeps their own roots.
    }
  };
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const process = `/proc/${pid}`;
    for (const link of ["exe", "cwd", "root"]) attempt(`${process}/${link}`, () => readlinkSync(`${process}/${link}`));
    for (const file of ["maps", "environ"])
      attempt(`${process}/${file}`, () => readFileSync(`${process}/${file}`, "latin1"));
    let descriptors: string[] = [];
    try {
      descriptors = readdirSync(`${process}/fd`);
    } catch {
      // As above.
    }
    for (const fd of descriptors) attempt(`${process}/fd/${fd}`, () => readlinkSync(`${process}/fd/${fd}`));
  }
  return [...found.values()];
}
