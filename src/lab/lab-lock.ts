/** Locks of labs: of one, for as long as a command works on it, and of all for a moment. */

import { systemErrorCode } from "../system/file-error.ts";
import { ensureDirectory } from "../system/files.ts";
import { type FileLock, type LockOptions, lockFile } from "../system/flock.ts";
import { labPaths, RUNTIME_DIRECTORY } from "./lab-names.ts";

const WAIT_MS = 120_000;

/** Takes the lock of a lab. With the last lab that is removed goes the directory of the locks; then it is made again. */
export async function lockLab(name: string, options: Pick<LockOptions, "signal" | "onWait"> = {}): Promise<FileLock> {
  return await lockIn(labPaths(name).lock, options);
}

/** For the short moments in which labs could take the same network. */
export async function withAllLabsLocked<T>(signal: AbortSignal, action: () => Promise<T>): Promise<T> {
  using _lock = await lockIn(`${RUNTIME_DIRECTORY}/.lock`, { signal });
  return await action();
}

async function lockIn(path: string, options: Pick<LockOptions, "signal" | "onWait">): Promise<FileLock> {
  const deadlineMs = performance.now() + WAIT_MS;
  for (;;) {
    await ensureDirectory(RUNTIME_DIRECTORY, 0o755);
    const waitMs = deadlineMs - performance.now();
    try {
      return await lockFile(path, { ...options, waitMs });
    } catch (error) {
      if (systemErrorCode(error) !== "ENOENT" || waitMs <= 0) throw error;
    }
  }
}
