/** Looking at files that may or may not be there, at once: what is absent, or of another kind, is `undefined`. */

import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";

/** The bytes of a regular file. */
export function probeFile(path: string): Buffer | undefined {
  return quietly(() => (lstatSync(path).isFile() ? readFileSync(path) : undefined));
}

export function probeLink(path: string): string | undefined {
  return quietly(() => readlinkSync(path));
}

export function probeDirectory(path: string): readonly string[] | undefined {
  return quietly(() => (lstatSync(path).isDirectory() ? readdirSync(path) : undefined));
}

const ABSENT = new Set(["ENOENT", "ENOTDIR", "EINVAL", "ELOOP"]);

function quietly<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (ABSENT.has((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}
