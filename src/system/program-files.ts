/** The files that come with the program: those of the checkout, or of the package it was installed from. */

import * as fs from "node:fs";
import { basename, join } from "node:path";

const isBundled = import.meta.filename.endsWith(".cjs");
const root = join(import.meta.dirname, isBundled ? ".." : "../..");

/** A file or directory of the program, by its place in the repository, such as `nix` or `bin/pristine`. */
export function programFile(path: string): string {
  return join(root, path);
}

/** A module that runs in a thread or process of its own: its source, or the bundle that scripts/build.ts made of it. */
export function programModule(source: `src/${string}.ts`): string {
  return join(root, isBundled ? `dist/${basename(source, ".ts")}.cjs` : source);
}

let identity: string | undefined;

/**
 * A text that is different for every other program, and for every other state of this one: what this version computed
 * is not to be taken for what another one would compute.
 */
export function programIdentity(): string {
  if (identity !== undefined) return identity;
  const directory = join(root, isBundled ? "dist" : "src");
  const names = isBundled
    ? ["programs.cjs"]
    : fs.readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  const stamps = names.sort().map((name) => {
    const { dev, ino, size, mtimeMs, ctimeMs } = fs.statSync(join(directory, name));
    return `${name} ${dev} ${ino} ${size} ${mtimeMs} ${ctimeMs}`;
  });
  return (identity = [root, ...stamps].join("\n"));
}
