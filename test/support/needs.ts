/** What a test needs of the machine it runs on: `root`, `user` (not root), or programs. */

import { accessSync, constants } from "node:fs";
import { join } from "node:path";

/** Why a test cannot run here, or `false`, as `skip` of a test takes it. */
export function unmetNeed(...needs: readonly string[]): string | false {
  const isRoot = process.getuid?.() === 0;
  for (const need of needs) {
    if (need === "root" ? !isRoot : need === "user" ? isRoot : !isProgram(need)) return `needs ${need}`;
  }
  return false;
}

function isProgram(name: string): boolean {
  return `${process.env["PATH"] ?? ""}:/usr/sbin`.split(":").some((directory) => {
    try {
      accessSync(join(directory, name), constants.X_OK);
      return true;
    } catch {
      // Not in this directory; the next may have it.
      return false;
    }
  });
}
