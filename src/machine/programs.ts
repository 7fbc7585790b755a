/** Programs of a system, found as the kit finds them on a host that runs it. */

import type { SystemObject } from "./system-object.ts";

/** Where a name without a slash is looked for. */
export const PROGRAM_DIRECTORIES: readonly string[] = [
  "/usr/local/sbin",
  "/usr/local/bin",
  "/usr/sbin",
  "/usr/bin",
  "/sbin",
  "/bin",
  "/run/current-system/sw/bin",
  "/nix/var/nix/gcroots/pristine/engine/bin",
];

/** The same as `PATH`. */
export const PROGRAM_PATH: string = PROGRAM_DIRECTORIES.join(":");

/** Whether a program can be there: what lies outside of the system may be put there by anything. */
export function canRun(system: SystemObject, program: string): boolean {
  const places = program.includes("/") ? [program] : PROGRAM_DIRECTORIES.map((directory) => `${directory}/${program}`);
  return places.map(inSystem).some((path) => system.resolve(path).kind === "outside" || system.has(path));
}

/** `/run/current-system` is the system that runs. */
function inSystem(path: string): string {
  return path.replace(/^\/run\/current-system\//, "/system/");
}
