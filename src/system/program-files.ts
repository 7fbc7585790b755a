/** The files that come with the program: those of the checkout, or of the package it was installed from. */

import { basename, join } from "node:path";

const isBundled = import.meta.filename.endsWith(".js");
const root = join(import.meta.dirname, isBundled ? ".." : "../..");

/** A file or directory of the program, by its place in the repository, such as `nix` or `bin/pristine`. */
export function programFile(path: string): string {
  return join(root, path);
}

/** A module that runs in a thread or process of its own: its source, or the bundle that scripts/build.ts made of it. */
export function programModule(source: `src/${string}.ts`): string {
  return join(root, isBundled ? `dist/${basename(source, ".ts")}.js` : source);
}
