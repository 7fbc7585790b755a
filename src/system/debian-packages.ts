/** Debian packages of this machine: which of those needed are missing, and installing them with apt. */

import { OperationError } from "../base/errors.ts";
import { exists } from "./files.ts";
import { findProgram, runChecked } from "./process.ts";

/** The package that holds a program (found on PATH) or a file (an absolute path). */
export type PackageOf = Readonly<Record<string, string>>;

/** The packages whose programs or files are not here, sorted. */
export async function missingPackages(packageOf: PackageOf): Promise<string[]> {
  const missing = new Set<string>();
  for (const [needed, packageName] of Object.entries(packageOf)) {
    const isHere = needed.startsWith("/") ? await exists(needed) : (await findProgram(needed)) !== undefined;
    if (!isHere) missing.add(packageName);
  }
  return [...missing].sort();
}

/** Installs packages without asking. Throws `PACKAGES_MISSING` on a machine that has no apt. */
export async function installPackages(
  names: readonly string[],
  options: { readonly signal?: AbortSignal; readonly onStep?: (step: string) => void } = {},
): Promise<void> {
  if (names.length === 0) return;
  if ((await findProgram("apt-get")) === undefined) {
    throw new OperationError("PACKAGES_MISSING", `these Debian packages are missing: ${names.join(", ")}`, {
      hint: "install the programs they hold with this system's package manager",
    });
  }
  const settings = { signal: options.signal, extraEnv: { DEBIAN_FRONTEND: "noninteractive" } };
  options.onStep?.("apt-get update");
  await runChecked(["apt-get", "update", "-qq"], settings);
  options.onStep?.(`apt-get install ${names.join(" ")}`);
  await runChecked(["apt-get", "install", "-y", "-qq", "--no-install-recommends", ...names], settings);
}
