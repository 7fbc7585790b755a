/**
 * `npm test`: everything; `npm run test:fast`: what needs neither root nor the network, nor starts the whole program.
 *
 *     npm test -- --stage=oracle          only the fast, program, oracle or machine tests
 *     npm test -- --test-name-pattern=…   any option of node --test
 *
 * The whole run also needs Debian packages, which it installs when it may, and a real Nix, which it makes. What cannot
 * be had is skipped and counted aloud; in CI (`CI=true`) that is a failure.
 */

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { LAB_PROGRAMS } from "../src/lab/requirements.ts";
import { installPackages, missingPackages, type PackageOf } from "../src/system/debian-packages.ts";
import { isRoot } from "../src/system/identity.ts";
import { setUpOracle } from "./oracle.ts";

const STAGES = ["fast", "program", "oracle", "machine"] as const;
type Stage = (typeof STAGES)[number];

const root = join(import.meta.dirname, "..");
const inCi = process.env["CI"] === "true";
const args = process.argv.slice(2);
const chosen = args.filter((arg) => arg.startsWith("--stage=")).map((arg) => arg.slice("--stage=".length));
const reporter = args.find((arg) => arg.startsWith("--test-reporter=")) ?? "--test-reporter=spec";
const options = args.filter((arg) => !/^--(stage|test-reporter)=/.test(arg));
for (const stage of chosen) {
  if (!STAGES.includes(stage as Stage)) throw new Error(`there is no stage '${stage}': ${STAGES.join(", ")}`);
}

/** Without these, fast tests and those of the program skip what uses them. */
const FAST_NEEDED: PackageOf = {
  age: "age",
  bwrap: "bubblewrap",
  curl: "curl",
  fish: "fish",
  gpgv: "gpgv",
  hg: "mercurial",
  openssl: "openssl",
  ssh: "openssh-client",
  xz: "xz-utils",
  zsh: "zsh",
};
const NEEDED: PackageOf = {
  ...LAB_PROGRAMS,
  ...FAST_NEEDED,
  debootstrap: "debootstrap",
  git: "git",
  "qemu-system-x86_64": "qemu-system-x86",
  time: "time",
};

const files = globSync(["src/**/*.test.ts", "test/**/*.test.ts"], { cwd: root }).sort();

function stageOf(path: string): Stage {
  if (/^test\/(cli|hostile|library)\//.test(path)) return "program";
  if (path.startsWith("test/oracle/")) return "oracle";
  return path.startsWith("test/machine/") ? "machine" : "fast";
}

/** What ends this process ends the stage's, which cleans up, before it. */
const ENDING = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const verdicts = mkdtempSync(join(tmpdir(), "pristine-test-"));
process.on("exit", () => {
  rmSync(verdicts, { recursive: true, force: true });
});
const verdictOf = new Map<Stage, string>();
const skipped: string[] = [];
let passed = true;

function isWanted(stage: Stage): boolean {
  return chosen.length === 0 || chosen.includes(stage);
}

/** Runs a stage's test files, each in a process of its own. */
async function runStage(stage: Stage, env: NodeJS.ProcessEnv = {}): Promise<void> {
  if (!isWanted(stage)) return;
  // The tests of nix/ run with our evaluator and again with real Nix; hostile ones run in part, and again whole.
  const again = stage === "oracle" ? /^test\/(nix|hostile)\// : /^$/;
  const paths = files.filter((path) => stageOf(path) === stage || again.test(path));
  console.log(`\n— ${stage} tests: ${paths.length} files`);
  // A real Nix is one for all. Of hosts each file has its own, and mostly waits for them.
  const concurrency = stage === "oracle" ? 1 : availableParallelism();
  // A long one is not to be the last.
  if (concurrency > 1) paths.sort((a, b) => statSync(join(root, b)).size - statSync(join(root, a)).size);
  const verdict = join(verdicts, stage);
  const reporters = [
    reporter,
    "--test-reporter-destination=stdout",
    `--test-reporter=${join(root, "scripts/verdict-reporter.ts")}`,
    `--test-reporter-destination=${verdict}`,
  ];
  const argv = ["--disable-warning=ExperimentalWarning", "--test", `--test-concurrency=${concurrency}`];
  const runner = spawn(process.execPath, [...argv, ...reporters, ...options, ...paths], {
    cwd: root,
    stdio: "inherit",
    // No process is to outlive the tests: those of the resident evaluator ask for one.
    env: {
      PRISTINE_RESIDENT: "off",
      // In CI nothing may be missing that could be had.
      PRISTINE_ALLOW_NO_SKIPS: String(inCi),
      ...process.env,
      ...env,
    },
  });
  let isInterrupted = false;
  const interrupt = (signal: NodeJS.Signals): void => {
    isInterrupted = true;
    runner.kill(signal);
  };
  for (const signal of ENDING) process.on(signal, interrupt);
  const [status] = (await once(runner, "exit")) as [number | null];
  for (const signal of ENDING) process.off(signal, interrupt);
  const found = existsSync(verdict) ? readFileSync(verdict, "utf8") : "";
  if (found !== "") verdictOf.set(stage, found);
  passed = status === 0 && passed;
  if (isInterrupted) process.exit(1);
}

/** Installs what the whole run needs; returns what is still missing. */
async function installNeeded(): Promise<string[]> {
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

/** What tells the tests where the real Nix is; nothing when it cannot be had. */
function oracleEnvironment(): NodeJS.ProcessEnv {
  try {
    const program = join(root, "scripts/oracle.ts");
    return { PRISTINE_ORACLE_TREE: setUpOracle(), NIX_ORACLE: `${process.execPath} ${program} run --` };
  } catch (error) {
    skipped.push(`oracle tests: ${error instanceof Error ? error.message : String(error)}`);
    return {};
  }
}

// Tests that start the program start what is built.
const built = spawnSync(process.execPath, [join(root, "scripts/build.ts")], {
  cwd: root,
  stdio: ["ignore", "ignore", "inherit"],
});
if (built.status !== 0) process.exit(1);

const needsMachine = isWanted("oracle") || isWanted("machine");
const missing = needsMachine ? await installNeeded() : await missingPackages(FAST_NEEDED);
if (!needsMachine && missing.length > 0) {
  console.log(`some tests are skipped; to run them: apt-get install --no-install-recommends ${missing.join(" ")}`);
}
await runStage("fast");
await runStage("program");
if (needsMachine) {
  if (missing.length > 0) skipped.push(`oracle and machine tests: install ${missing.join(" ")}`);
  else if (!isRoot()) skipped.push("oracle and machine tests: they need root");
  else {
    const env = oracleEnvironment();
    if ("PRISTINE_ORACLE_TREE" in env) await runStage("oracle", env);
    await runStage("machine", env);
  }
}
// Said once more at the end: a stage's own account of its failures is far up by then.
for (const [stage, found] of verdictOf) console.log(`\n— ${stage} tests\n${found}`);
for (const reason of skipped) console.log(`SKIPPED ${reason}`);
process.exitCode = passed && !(inCi && skipped.length > 0) ? 0 : 1;
