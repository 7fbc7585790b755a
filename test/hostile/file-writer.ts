/**
 * Changes a file over and over, until it is told to stop by the end of its standard input: for tests of what reads it
 * meanwhile. `node file-writer.ts WAY DIRECTORY`; the last version is printed.
 *
 * The file is `DIRECTORY/file.nix`, an expression for a set whose members all say the same number.
 */

import { closeSync, openSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";

/** Of as many digits as the numbers of all versions that come. */
export const FIRST_NUMBER = 10_000_000;

/** A version of the file; all have the same size. */
export function versionText(version: number): string {
  const number = FIRST_NUMBER + version;
  return `{ first = ${number}; padding = "${"x".repeat(1000)}"; last = ${number}; }\n`;
}

const FILE = "file.nix";
const EPOCH = new Date(0);

export const WRITTEN_OVER = "the same bytes are written over, and the time is set back";

/** How one version takes the place of another. */
export const WAYS: Readonly<Record<string, (directory: string, version: number) => void>> = {
  "a new file is moved there": (directory, version) => {
    writeFileSync(join(directory, "new.nix"), versionText(version));
    renameSync(join(directory, "new.nix"), join(directory, FILE));
  },
  [WRITTEN_OVER]: (directory, version) => {
    const file = openSync(join(directory, FILE), "r+");
    writeSync(file, versionText(version), 0);
    closeSync(file);
    utimesSync(join(directory, FILE), EPOCH, EPOCH);
  },
  "it is cut to nothing and written anew": (directory, version) => {
    writeFileSync(join(directory, FILE), versionText(version));
  },
  "it is removed and made anew": (directory, version) => {
    rmSync(join(directory, FILE));
    writeFileSync(join(directory, FILE), versionText(version));
  },
  "a link leads elsewhere": (directory, version) => {
    const target = `target-${version % 2}.nix`;
    writeFileSync(join(directory, `${target}.new`), versionText(version));
    renameSync(join(directory, `${target}.new`), join(directory, target));
    symlinkSync(target, join(directory, "link"));
    renameSync(join(directory, "link"), join(directory, FILE));
  },
};

async function write(way: string, directory: string): Promise<void> {
  let isOver = false;
  process.stdin.on("end", () => (isOver = true)).resume();
  let version = 0;
  while (!isOver) {
    WAYS[way]!(directory, ++version);
    await turn();
  }
  console.log(version);
}

if (import.meta.main) await write(process.argv[2]!, process.argv[3]!);
