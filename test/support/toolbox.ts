/**
 * Builders for tests: this machine's dash and a few of its tools with their libraries, as a directory that a sandbox
 * can run without anything else.
 */

import { chmodSync, copyFileSync, mkdirSync, realpathSync } from "node:fs";
import { runChecked } from "../../src/system/process.ts";

const TOOLS = ["dash", "cat", "mkdir", "ln", "mv", "chmod", "env", "sleep", "touch", "id"];

/** Fills `directory` with the tools, their libraries and the loader, which is called `loader`. */
export async function makeToolbox(directory: string): Promise<void> {
  mkdirSync(directory, { recursive: true });
  const copied = new Set<string>();
  const copy = (from: string, to: string): void => {
    if (copied.has(to)) return;
    copied.add(to);
    copyFileSync(realpathSync(from), `${directory}/${to}`);
    chmodSync(`${directory}/${to}`, 0o755);
  };
  for (const tool of TOOLS) {
    const { stdout: where } = await runChecked(["sh", "-c", 'command -v "$1"', "sh", tool]);
    const program = where.toString().trim();
    copy(program, `${tool}.bin`);
    const { stdout } = await runChecked(["ldd", program]);
    for (const [, library] of stdout.toString().matchAll(/(\/\S+\.so\S*)/g)) {
      if (library === undefined) continue;
      const name = library.slice(library.lastIndexOf("/") + 1);
      copy(library, name.startsWith("ld-linux") ? "loader" : name);
    }
  }
}

/** The beginning of a script that makes the tools callable by name. */
export function toolboxPrelude(path: string): string {
  const functions = TOOLS.filter((tool) => tool !== "dash").map(
    (tool) => `${tool}() { ${path}/loader --library-path ${path} ${path}/${tool}.bin "$@"; }`,
  );
  return `set -e\n${functions.join("\n")}\n`;
}

/** Arguments of a derivation whose builder is `PATH/loader` and that runs a script with dash. */
export function toolboxArgs(path: string, script: string): string[] {
  return ["--library-path", path, `${path}/dash.bin`, "-c", toolboxPrelude(path) + script];
}
