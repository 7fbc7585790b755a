/** A copy of the program whose kit has fault points: the real deployer, and on hosts an executor that can be struck. */

import { cpSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { bundleKit } from "../../../scripts/kit-bundle.ts";
import { CHECKOUT } from "../shop.ts";

/** Makes it in a directory, from what is built; returns the command. */
export async function copyProgram(directory: string): Promise<string> {
  mkdirSync(directory, { recursive: true });
  for (const name of ["bin", "dist", "nix"])
    cpSync(join(CHECKOUT, name), join(directory, name), { recursive: true, verbatimSymlinks: true });
  symlinkSync(join(CHECKOUT, "node_modules"), join(directory, "node_modules"));
  await bundleKit(join(directory, "dist/kit.js"), { version: "test", hasFaultPoints: true });
  return join(directory, "bin/pristine");
}
