/**
 * `npm test`: everything; `npm run test:fast`: what needs neither root nor the network.
 *
 * The whole run also needs Debian packages, which it installs when it may, and a real Nix, which it makes. What cannot
 * be had is skipped and counted aloud; in CI (`CI=true`) that is a failure.
 */

import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { join } from "node:path";
import { LAB_PROGRAMS } from "../src/lab/requirements.ts";
import { installPackages, missingPackages, type PackageOf } from "../src/system/debian-packages.ts";
import { isRoot } from "../src/system/identity.ts";
import { setUpOracle } from "./oracle.ts";

const root = join(import.meta.dirname, "..");
const args = process.argv.slice(2);
const fastOnly = args.includes("--fast");
const rest = args.filter((arg) => arg !== "--fast");
const reporter = rest.some((arg) => arg.startsWith("--test-reporter=")) ? [] : ["--test-reporter=spec"];
const inCi = process.env["CI"] === "true";

const SLOW = ["test/oracle/", "test/machine/"];
const all = globSync(["src/**/*.test.ts", "test/**/*.test.ts"], { cwd: root }).sort();
const fast = all.filter((path) => !SLOW.some((folder) => path.startsWith(folder)));
const oracle = all.filter((path) => path.startsWith("test/oracle/"));
const machine = all.filter((path) => path.startsWith("test/machine/"));

/** Without these, fast tests of what uses them are skipped. */
const FAST_NEEDED: PackageOf = { bwrap: "bubblewrap", gpgv: "gpgv", ssh: "openssh-client", xz: "xz-utils" };
const NEEDED: PackageOf = { ...LAB_PROGRAMS, ...FAST_NEEDED, debootstrap: "debootstrap", git: "git" };

/** Runs test files, each in a process of its own; returns whether all passed. */
function runTests(
  title: string,
  files: readonly string[],
  options: { readonly concurrency: number; readonly env?: NodeJS.ProcessEnv },
): boolean {
  if (files.length === 0) return true;
  console.log(`\n— ${title}: ${files.length} files`);
  const concurrency = `--test-concurrency=${options.concurrency}`;
  const result = spawnSync(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", "--test", concurrency, ...reporter, ...rest, ...files],
    {
      cwd: root,
      stdio: "inherit",
      env: { ...process.env, ...options.env },
    },
  );
  return result.status === 0;
}

/** Installs what the whole run needs; returns what is still missing. */
async function stillMissing(): Promise<string[]> {
  const missing = await missingPackages(NEEDED);
  if (missing.length === 0 || !isRoot()) return missing;
  console.log(`installing Debian packages: ${missing.join(" ")}`);
  try {
    await installPackages(missing);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
  }
  return await missingPackages(NEEDED);
}

// Tests that start the program start what is built.
const built = spawnSync(process.execPath, [join(root, "scripts/build.ts")], {
  cwd: root,
  stdio: ["ignore", "ignore", "inherit"],
});
if (built.status !== 0) process.exit(1);

const missing = fastOnly ? await missingPackages(FAST_NEEDED) : await stillMissing();
if (fastOnly && missing.length > 0) {
  console.log(`some tests are skipped; to run them: apt-get install --no-install-recommends ${missing.join(" ")}`);
}
let passed = runTests("fast", fast, { concurrency: 2 });
if (!fastOnly) {
  const skipped: string[] = [];
  let env: NodeJS.ProcessEnv = {};
  if (missing.length > 0) skipped.push(`machine and oracle tests: install ${missing.join(" ")}`);
  else if (!isRoot()) skipped.push("machine and oracle tests: they need root");
  else {
    try {
      env = { PRISTINE_ORACLE_TREE: setUpOracle() };
    } catch (error) {
      skipped.push(`oracle tests: ${error instanceof Error ? error.message : String(error)}`);
    }
    if ("PRISTINE_ORACLE_TREE" in env) passed = runTests("against real Nix", oracle, { concurrency: 1, env }) && passed;
    passed = runTests("on real hosts", machine, { concurrency: 1, env }) && passed;
  }
  for (const reason of skipped) console.log(`SKIPPED ${reason}`);
  if (skipped.length > 0 && inCi) passed = false;
}
process.exitCode = passed ? 0 : 1;
