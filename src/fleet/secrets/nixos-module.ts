/** Writing down the NixOS module of secrets, for configurations that Pristine does not evaluate. */

import { join } from "node:path";
import { ensureDirectory, readText, writeFileAtomic } from "../../system/files.ts";
import { nixDirectory } from "../inventory.ts";

/** `nixos.nix`, which is imported, and what it needs beside it. */
const FILES = ["nixos.nix", "declared.nix", "options.nix"];

/** Answers the files. */
export async function writeNixosModule(directory: string, signal: AbortSignal): Promise<string[]> {
  await ensureDirectory(directory);
  const written: string[] = [];
  for (const name of FILES) {
    signal.throwIfAborted();
    const path = join(directory, name);
    await writeFileAtomic(path, await readText(join(nixDirectory(), "modules/secrets", name)));
    written.push(path);
  }
  return written;
}
