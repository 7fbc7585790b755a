/**
 * What a test needs of the machine it runs on: `root`, `user` (not root), `sandbox` (builders can run), `mounts` (a mount
 * namespace of one's own), `open-checkout` (other users can read it), or programs.
 */

import { spawnSync } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { dirname, join } from "node:path";

/** Why a test cannot run here, or `false`, as `skip` of a test takes it. */
export function unmetNeed(...needs: readonly string[]): string | false {
  const unmet = needs.find((need) => !isMet(need));
  return unmet === undefined ? false : `needs ${unmet}`;
}

function isMet(need: string): boolean {
  const isRoot = process.getuid?.() === 0;
  switch (need) {
    case "root":
      return isRoot;
    case "user":
      return !isRoot;
    case "sandbox":
      return succeeds("bwrap", "--unshare-all", "--ro-bind", "/", "/", "true");
    case "mounts":
      return isRoot && succeeds("unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt");
    case "open-checkout":
      return !isRoot || isOpen(import.meta.dirname);
    default:
      return isProgram(need);
  }
}

/** Whether every user may enter a directory. */
function isOpen(directory: string): boolean {
  const isEntered = (statSync(directory).mode & 0o001) !== 0;
  return isEntered && (directory === "/" || isOpen(dirname(directory)));
}

function succeeds(program: string, ...args: readonly string[]): boolean {
  return spawnSync(program, args, { stdio: "ignore" }).status === 0;
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
