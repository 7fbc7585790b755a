/**
 * Starts programs of the bundle: one script with all code, and beside it what V8 made of the functions that every start
 * uses, so that they need not be compiled.
 *
 * V8 takes compiled code only from the same version of itself with the same flags, and says when it does not; then the
 * program compiles what it needs, and only time is lost.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Script } from "node:vm";
import { hasDeepStack } from "./main-thread.ts";

type Programs = Readonly<Record<string, () => Promise<unknown>>>;

type BundleFunction = (
  exports: object,
  require: NodeJS.Require,
  module: object,
  filename: string,
  dirname: string,
) => void;

/** The compiled code for this machine's kind of processor and the way this process was started. */
export function codeCacheFile(directory: string): string {
  return join(directory, `programs-${process.arch}${hasDeepStack() ? "-deep" : ""}.cache`);
}

/** Loads the bundle in `directory`; `require` is that of a file there. */
export function loadBundle(
  directory: string,
  require: NodeJS.Require,
  cachedData?: Buffer,
): { programs: Programs; script: Script } {
  const filename = join(directory, "programs.cjs");
  // Everything in the bundle is ASCII, and text of one byte a character is read and kept at the least expense.
  const script = new Script(readFileSync(filename, "latin1"), { filename, cachedData });
  const module = { exports: {} as { readonly PROGRAMS: Programs } };
  const start = script.runInThisContext() as BundleFunction;
  start(module.exports, require, module, filename, directory);
  return { programs: module.exports.PROGRAMS, script };
}

/** Starts a program of the bundle that lies beside the running file, whose `require` is the bundle's, too. */
export function startProgram(name: string, require: NodeJS.Require): void {
  const directory = import.meta.dirname;
  const { programs } = loadBundle(directory, require, readIfPresent(codeCacheFile(directory)));
  void programs[name]!();
}

function readIfPresent(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    // Without it everything works as well.
    return undefined;
  }
}
