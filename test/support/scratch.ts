/** Directories of long runs in the temporary directory, by whose names a later run removes what a killed one has left. */

import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive } from "./test-labs.ts";

/** Makes one that goes when this process exits, and removes those of the same name whose processes are no more. */
export function takeScratch(name: string): string {
  const pattern = new RegExp(`^${name}-(\\d+)-`);
  for (const entry of readdirSync(tmpdir())) {
    const pid = Number(pattern.exec(entry)?.[1] ?? 0);
    if (pid !== 0 && !isAlive(pid)) remove(join(tmpdir(), entry));
  }
  const directory = mkdtempSync(join(tmpdir(), `${name}-${process.pid}-`));
  process.once("exit", () => {
    remove(directory);
  });
  return directory;
}

function remove(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
}
