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

/** What the bundle exports (src/cli/programs.ts). */
interface Bundle {
  readonly PROGRAMS: Readonly<Record<string, () => Promise<unknown>>>;
  readonly warmUp: (group: CodeGroup) => Promise<void>;
}

/** Programs that use the same code when they start share what was compiled: more than is used costs time, too. */
export type CodeGroup = "cli" | "evaluate";

type BundleFunction = (
  exports: object,
  require: NodeJS.Require,
  module: object,
  filename: string,
  dirname: string,
) => void;

/** The compiled code for this machine's kind of processor and the way this process was started. */
export function codeCacheFile(directory: string, group: CodeGroup): string {
  return join(directory, `${group}-${process.arch}${hasDeepStack() ? "-deep" : ""}.cache`);
}

/** Loads the bundle in `directory`; `require` is that of a file there. */
export function loadBundle(
  directory: string,
  require: NodeJS.Require,
  cachedData?: Buffer,
): { bundle: Bundle; script: Script } {
  const filename = join(directory, "programs.cjs");
  // Everything in the bundle is ASCII, and text of one byte a character is read and kept at the least expense.
  const script = new Script(readFileSync(filename, "latin1"), { filename, cachedData });
  const module = { exports: {} as Bundle };
  const start = script.runInThisContext() as BundleFunction;
  start(module.exports, require, module, filename, directory);
  return { bundle: module.exports, script };
}

/** Starts a program of the bundle that lies beside the running file, whose `require` is the bundle's, too. */
export function startProgram(name: string, require: NodeJS.Require): void {
  const directory = import.meta.dirname;
  const cached = readIfPresent(codeCacheFile(directory, name === "cli" ? "cli" : "evaluate"));
  const { bundle } = loadBundle(directory, require, cached);
  void bundle.PROGRAMS[name]!();
}

function readIfPresent(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    // Without it everything works as well.
    return undefined;
  }
}
