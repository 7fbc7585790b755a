/** Writing down the modules for NixOS configurations, which Pristine does not evaluate. */

import { dirname, join } from "node:path";
import { fileError, isSystemError } from "../system/file-error.ts";
import { ensureDirectory, filesBelow, readText, writeFileAtomic } from "../system/files.ts";
import { nixDirectory } from "./inventory.ts";

/** Writes a copy of `nix/nixos`, whose `default.nix` imports all modules. Answers its files. */
export async function writeNixosModule(directory: string, signal: AbortSignal): Promise<string[]> {
  const modules = join(nixDirectory(), "nixos");
  const written: string[] = [];
  for (const name of await filesBelow(modules)) {
    signal.throwIfAborted();
    const path = join(directory, name);
    try {
      await ensureDirectory(dirname(path));
      await writeFileAtomic(path, await readText(join(modules, name)));
    } catch (error) {
      throw isSystemError(error) ? fileError(`writing ${path}`, error) : error;
    }
    written.push(path);
  }
  return written;
}
