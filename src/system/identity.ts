/** Who runs this program, and where. */

import { readlinkSync, statSync } from "node:fs";
import { hostname, userInfo } from "node:os";

export function hostName(): string {
  return hostname();
}

export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A user id without an entry in passwd still has a number.
    return String(process.getuid?.() ?? "unknown");
  }
}

export function userId(): number | undefined {
  return process.geteuid?.();
}

export function isRoot(): boolean {
  return userId() === 0;
}

/** The user and the groups of this process, in whose name it may read files. */
export function rightsToFiles(): string {
  const groups = [...(process.getgroups?.() ?? [])].sort((a, b) => a - b);
  return [process.geteuid?.(), process.getegid?.(), ...groups].join(" ");
}

/** A text that two processes of a user share when they see the same files with the same rights. */
export function viewOfFiles(): string {
  const { dev, ino } = statSync("/");
  return [rightsToFiles(), dev, ino, readlinkSync("/proc/self/ns/mnt")].join(" ");
}
