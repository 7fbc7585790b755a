/** The options that commands about flakes share, and what they ask for. */

import type { Command } from "commander";
import { currentSystem } from "../realise/current-system.ts";
import type { FlakeLockRequest, FlakeRequest, FlakeTask } from "../realise/flake/flake-request.ts";
import { pair, splitPair } from "./option-values.ts";

export interface LockOptions {
  readonly overrideInput: readonly string[];
  readonly overrideFlake: readonly string[];
  readonly updateLockFile?: boolean;
  readonly writeLockFile?: boolean;
  readonly commitLockFile?: boolean;
  readonly allowDirtyLocks?: boolean;
  readonly referenceLockFile?: string;
  readonly outputLockFile?: string;
  readonly registries?: boolean;
  readonly flakeRegistry?: string;
}

export function addLockOptions(command: Command): Command {
  return command
    .addOption(pair("--override-input <path reference>", "use another flake for an input, such as 'dep/nixpkgs'"))
    .option("--no-update-lock-file", "refuse to change the lock file of a flake")
    .option("--no-write-lock-file", "use a changed lock file without writing it")
    .option("--commit-lock-file", "commit a changed lock file")
    .option("--allow-dirty-locks", "lock inputs that have a NAR hash and no revision, too")
    .option("--reference-lock-file <file>", "start from this lock file rather than the flake's own")
    .option("--output-lock-file <file>", "write the lock file there")
    .option("--no-registries", "look no flake up in the registries")
    .option("--flake-registry <url>", "the global registry: a URL, a path, or '' for none")
    .addOption(pair("--override-flake <reference other>", "use another flake wherever this one is looked up"));
}

/** Whether a word names an output of a flake rather than a host or an attribute. */
export function isInstallable(word: string): boolean {
  return word.includes("#") || /^(?:\.{1,2}(?:\/|$)|\/|[a-z][a-z+]*:)/.test(word);
}

/** What the options ask of a flake. */
export function flakeRequest(
  reference: string,
  task: FlakeTask,
  options: LockOptions,
  lock: FlakeLockRequest = {},
): FlakeRequest {
  const pairs = (flag: string, given: readonly string[]): [string, string][] =>
    given.map((value) => [...splitPair(flag, value)]);
  return {
    reference,
    task,
    lock: {
      overrides: pairs("--override-input", options.overrideInput),
      allowsChanges: options.updateLockFile ?? true,
      writes: options.writeLockFile ?? true,
      commits: options.commitLockFile ?? false,
      allowsDirtyLocks: options.allowDirtyLocks ?? false,
      ...(options.referenceLockFile === undefined ? {} : { referenceFile: options.referenceLockFile }),
      ...(options.outputLockFile === undefined ? {} : { outputFile: options.outputLockFile }),
      ...lock,
    },
    registries: {
      isUsed: options.registries ?? true,
      overrides: pairs("--override-flake", options.overrideFlake),
      ...(options.flakeRegistry === undefined ? {} : { global: options.flakeRegistry }),
    },
  };
}

/** The request for `FLAKE#ATTRIBUTE`: packages of this system come before outputs of that very name. */
export function selectRequest(installable: string, options: LockOptions): FlakeRequest {
  const system = currentSystem();
  const task: FlakeTask = {
    kind: "select",
    defaults: [`packages.${system}.default`, `defaultPackage.${system}`],
    prefixes: [`packages.${system}.`, `legacyPackages.${system}.`],
  };
  return flakeRequest(installable, task, options);
}
