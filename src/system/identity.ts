/** Who runs this program, and where. */

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
