/**
 * Runs shell suites written for Nix with the programs of `bin/compat` on PATH, in a store of their own:
 *
 *     scripts/upstream-suites.ts functional NIX-SOURCE [NAME.sh…]   Nix's own functional tests (lang.sh when none is named)
 *     scripts/upstream-suites.ts lib NIXPKGS-LIB [NAME…]            the tests of nixpkgs' lib (all that need no more than these programs)
 *
 * The suites are read where they are and run in a copy, because some of them write beside themselves.
 */

import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface SuiteOutcome {
  readonly name: string;
  readonly status: number;
  /** Everything the suite said. */
  readonly output: string;
}

const BIN = join(import.meta.dirname, "../bin/compat");
export const LIB_SUITES: readonly string[] = [
  "tests/misc.nix",
  "tests/systems.nix",
  "tests/fetchers.nix",
  "tests/debug.sh",
  "tests/filesystem.sh",
  "tests/modules.sh",
  "tests/network.sh",
  "tests/sources.sh",
  "fileset/tests.sh",
];

/** A directory for one run, and the environment that makes Nix's programs work in it. */
class Scratch implements Disposable {
  readonly directory = realpathSync(mkdtempSync(join(tmpdir(), "pristine-suites-")));

  environment(): NodeJS.ProcessEnv {
    const at = (path: string): string => join(this.directory, path);
    for (const path of ["home", "store", "var/nix", "var/log/nix", "etc"]) mkdirSync(at(path), { recursive: true });
    const { NIX_PATH: _path, NIX_REMOTE: _remote, NIX_CONFIG: _config, ...env } = process.env;
    return {
      ...env,
      HOME: at("home"),
      PATH: `${BIN}:${process.env["PATH"] ?? ""}`,
      NIX_STORE_DIR: at("store"),
      NIX_STATE_DIR: at("var/nix"),
      NIX_LOG_DIR: at("var/log/nix"),
      NIX_CONF_DIR: at("etc"),
      XDG_CACHE_HOME: at("cache"),
    };
  }

  [Symbol.dispose](): void {
    // Store objects are read-only, which stops nobody but those who are not root.
    rmSync(this.directory, { recursive: true, force: true });
  }
}

async function run(argv: readonly string[], options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv }) {
  const child = spawn(argv[0]!, argv.slice(1), { ...options, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8");
    stream.on("data", (chunk: string) => (output += chunk));
  }
  const status = await new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 1));
  });
  return { status, output };
}

/** Runs suites of nixpkgs' lib, whose directory `lib` is. */
export async function* runLibSuites(
  lib: string,
  names: readonly string[] = LIB_SUITES,
): AsyncGenerator<SuiteOutcome, void, undefined> {
  for (const name of names) {
    using scratch = new Scratch();
    const copy = join(scratch.directory, "nixpkgs/lib");
    cpSync(lib, copy, { recursive: true, verbatimSymlinks: true });
    const argv = name.endsWith(".nix")
      ? ["nix-instantiate", "--eval", "--strict", join(copy, name)]
      : ["bash", join(copy, name)];
    const { status, output } = await run(argv, { cwd: join(copy, name, ".."), env: scratch.environment() });
    // The expressions are lists of what is wrong.
    const isRight = !name.endsWith(".nix") || output.trimEnd().endsWith("[ ]");
    yield { name, status: status === 0 && !isRight ? 1 : status, output };
  }
}

/** What Nix's build system would have substituted into the suites. */
const VALUES: Readonly<Record<string, string>> = {
  bash: "/bin/bash",
  bindir: BIN,
  coreutils: "/bin",
  dot: "",
  busybox: "/bin/sh",
  version: "2.34.8",
  system: process.arch === "arm64" ? "aarch64-linux" : "x86_64-linux",
};

function substitutions(): string {
  return Object.entries(VALUES)
    .map(([name, value]) => `export ${name}='${value}'\n`)
    .join("");
}

function substituted(template: string): string {
  return template.replace(/@([a-z]+)@/g, (mark, name: string) => VALUES[name] ?? mark);
}

/** Runs functional tests of Nix, whose source tree `source` is. */
export async function* runFunctionalSuites(
  source: string,
  names: readonly string[] = ["lang.sh"],
): AsyncGenerator<SuiteOutcome, void, undefined> {
  for (const name of names) {
    using scratch = new Scratch();
    const copy = join(scratch.directory, "functional");
    cpSync(join(source, "tests/functional"), copy, { recursive: true, verbatimSymlinks: true });
    const built = join(scratch.directory, "build");
    mkdirSync(join(built, "common"), { recursive: true });
    writeFileSync(join(built, "common/subst-vars.sh"), substitutions());
    writeFileSync(join(built, "config.nix"), substituted(readFileSync(join(copy, "config.nix.in"), "utf8")));
    const env = {
      ...scratch.environment(),
      _NIX_TEST_SOURCE_DIR: copy,
      _NIX_TEST_BUILD_DIR: built,
      TMPDIR: scratch.directory,
      NIX_STORE: "",
      TEST_SUITE_NAME: "main",
      TEST_NAME: name,
    };
    const { status, output } = await run(["bash", "-e", "-u", "-o", "pipefail", name], { cwd: copy, env });
    yield { name, status, output };
  }
}

if (import.meta.main) {
  const [kind, path, ...names] = process.argv.slice(2);
  const suites = kind === "functional" ? runFunctionalSuites : kind === "lib" ? runLibSuites : undefined;
  if (suites === undefined || path === undefined) {
    console.error("usage: scripts/upstream-suites.ts functional NIX-SOURCE [NAME.sh…] | lib NIXPKGS-LIB [NAME…]");
    process.exitCode = 1;
  } else {
    for await (const { name, status, output } of suites(path, names.length === 0 ? undefined : names)) {
      console.log(`${status === 0 ? "ok" : "FAILED"} ${name}`);
      if (status === 0) continue;
      console.log(output.split("\n").slice(-40).join("\n"));
      process.exitCode = 1;
    }
  }
}
