/** What becomes of a lock file that was computed: it is written, or the flake is used as one that was changed. */

import { byteStringOfText } from "../../base/byte-string.ts";
import { type FlakeReference, renderFlakeReference } from "../../format/input/flake-reference.ts";
import { describeLockChanges, findUnlockedInput, renderLockFile, sameLockFile } from "../../format/input/flake-lock.ts";
import { localSourcePath } from "../../format/input/input.ts";
import { invalidError } from "../eval/eval-error.ts";
import { type Flake, refusing } from "./flake-file.ts";
import { type FlakeContext, type LockedFlake, readFlake, whileLocking } from "./lock-flake.ts";
import type { RegistryUse } from "./registry.ts";

/** A lock file on its way to the disk. */
export interface LockFileWrite {
  readonly path: string;
  readonly text: string;
  /** The root of the flake's tree, when the file belongs to it. */
  readonly root?: string;
  /** Commit the file with this message. */
  readonly commitMessage?: string;
}

export interface SettleOptions {
  /** False for `--no-write-lock-file`. */
  readonly writes: boolean;
  /** False for `--no-update-lock-file`. */
  readonly updates: boolean;
  readonly commits: boolean;
  /** Another file to write to, whatever changed. */
  readonly outputFile?: string;
  /** An unlocked input is an error and no warning. */
  readonly failsOnUnlocked: boolean;
  readonly allowsDirtyLocks: boolean;
  readonly use: RegistryUse;
  readonly exists: (path: string) => boolean;
  readonly write: (write: LockFileWrite) => void;
}

/** A flake whose locks are used without being written. */
export function keepUnwritten(context: FlakeContext, locked: LockedFlake): LockedFlake {
  if (sameLockFile(locked.oldLocks, locked.locks)) return locked;
  const changes = describeLockChanges(locked.oldLocks, locked.locks).trimEnd();
  const shown = renderFlakeReference(locked.flake.original);
  context.program.state.host.warn(`not writing modified lock file of flake '${shown}':\n${changes}`, false);
  return { ...locked, isDirty: true };
}

/** Writes the lock file when it changed and the options allow it; the flake is then read anew. */
export function settleLocks(context: FlakeContext, locked: LockedFlake, options: SettleOptions): LockedFlake {
  const { outputFile } = options;
  if (outputFile === undefined && sameLockFile(locked.oldLocks, locked.locks)) return locked;
  try {
    if (!options.writes) return keepUnwritten(context, locked);
    return writeLocks(context, locked, options);
  } catch (error) {
    throw whileLocking(error, locked.flake);
  }
}

function writeLocks(context: FlakeContext, locked: LockedFlake, options: SettleOptions): LockedFlake {
  const { host } = context.program.state;
  const top = locked.flake.original;
  const shown = renderFlakeReference(top);
  const { outputFile } = options;
  const root = refusing(() => localSourcePath(top.input));
  if (root === undefined && outputFile === undefined) {
    throw invalidError(`cannot write modified lock file of flake '${shown}' (use '--no-write-lock-file' to ignore)`);
  }
  const unlocked = findUnlockedInput(locked.locks, options);
  if (unlocked !== undefined) {
    const input = renderFlakeReference(unlocked);
    if (options.failsOnUnlocked) {
      throw invalidError(
        `Not writing lock file of flake '${shown}' because it has an unlocked input ('${input}'). Use '--allow-dirty-locks' to allow this anyway.`,
      );
    }
    host.warn(`not writing lock file of flake '${shown}' because it has an unlocked input ('${input}')`, false);
    return locked;
  }
  if (!options.updates) {
    throw invalidError(
      `flake '${shown}' requires lock file changes but they're not allowed due to '--no-update-lock-file'`,
    );
  }
  const text = `${renderLockFile(locked.locks).text}\n`;
  if (outputFile !== undefined) {
    if (options.commits) throw invalidError("'--commit-lock-file' and '--output-lock-file' are incompatible");
    options.write({ path: outputFile, text });
  } else writeInto(context, locked, root!, text, options);
  return { ...locked, flake: readAgain(context, top, locked.flake, options) };
}

function writeInto(
  context: FlakeContext,
  locked: LockedFlake,
  root: string,
  text: string,
  options: SettleOptions,
): void {
  const { subdir } = locked.flake.original;
  const name = `${subdir === "" ? "" : `${subdir}/`}flake.lock`;
  const path = `${root}/${name}`;
  const existed = options.exists(path);
  const changes = describeLockChanges(locked.oldLocks, locked.locks);
  const shown = changes.trimEnd();
  const { host } = context.program.state;
  if (!existed) host.warn(`creating lock file "${path}": \n${shown}`, false);
  else host.warn(`updating lock file "${path}"${shown === "" ? "" : `:\n${shown}`}`, false);
  const summary = `${name}: ${existed ? "Update" : "Add"}`;
  const message = `${summary}\n\nFlake lock file updates:\n\n${changes}`;
  options.write({ path, text, root, ...(options.commits ? { commitMessage: message } : {}) });
}

/** The flake with its new lock file: its tree is another now. */
function readAgain(context: FlakeContext, top: FlakeReference, before: Flake, options: SettleOptions): Flake {
  context.trees.forget(top.input);
  const flake = readFlake(context, top, options.use);
  const revision = flake.locked.input.get("rev");
  if (options.commits && typeof revision === "string" && revision !== before.locked.input.get("rev")) {
    context.program.state.host.warn(byteStringOfText(`committed new revision '${revision}'`), false);
  }
  return flake;
}
