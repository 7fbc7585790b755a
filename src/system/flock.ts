/**
 * Locks by flock(2), as Nix takes them: on a file that may be removed by its last holder.
 *
 * Waiting does not block the event loop: the lock is tried again after short, growing pauses (flock has no
 * notification), and the wait ends with the signal.
 */

import { closeSync, fstatSync, ftruncateSync, openSync, unlinkSync } from "node:fs";
import { systemClock } from "../base/clock.ts";
import { OperationError } from "../base/errors.ts";
import { systemErrorCode } from "./file-error.ts";
import { tryFlock, unflock } from "./native.ts";

export type LockMode = "shared" | "exclusive";

export interface FileLock extends Disposable {
  readonly path: string;
  readonly fd: number;
  /** Releases the lock; with `remove` the file goes too, marked so that whoever waits for it tries again. */
  release(options?: { readonly remove?: boolean }): void;
}

export interface LockOptions {
  readonly mode?: LockMode | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called once, when the lock is held by someone else. */
  readonly onWait?: ((path: string) => void) | undefined;
  /** Gives up with `LOCK_HELD` after this time. */
  readonly waitMs?: number | undefined;
}

const PAUSE_MS_MAX = 250;

/** Takes a lock, waiting for it. The file is made when absent. */
export async function lockFile(path: string, options: LockOptions = {}): Promise<FileLock> {
  const mode = options.mode ?? "exclusive";
  const deadline = options.waitMs === undefined ? undefined : performance.now() + options.waitMs;
  let told = false;
  for (let pauseMs = 2; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)) {
    options.signal?.throwIfAborted();
    const lock = tryLockFile(path, mode);
    if (lock !== undefined) return lock;
    if (!told) options.onWait?.(path);
    told = true;
    if (deadline !== undefined && performance.now() > deadline) {
      throw new OperationError("LOCK_HELD", `the lock ${path} is held by another process`, {
        hint: "wait until it has finished, then try again",
        retryable: true,
      });
    }
    await systemClock.sleep(pauseMs, options.signal);
  }
}

/** Takes a lock if nobody holds it. */
export function tryLockFile(path: string, mode: LockMode = "exclusive"): FileLock | undefined {
  for (;;) {
    const fd = openSync(path, "a+", 0o600);
    try {
      if (!tryFlock(fd, mode)) {
        closeSync(fd);
        return undefined;
      }
      // A holder that removed the file did so before it let go: what we hold is then no longer the lock of this path.
      // (The size says nothing: a file of temporary roots whose process was killed is not empty.)
      if (fstatSync(fd).nlink > 0) return heldLock(path, fd);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    closeSync(fd);
  }
}

function heldLock(path: string, fd: number): FileLock {
  let held = true;
  const release = (options: { readonly remove?: boolean } = {}): void => {
    if (!held) return;
    held = false;
    if (options.remove === true) {
      try {
        unlinkSync(path);
        // Nix takes any size but zero as the mark of a removed lock; unlike writing, this works on a full disk.
        ftruncateSync(fd, 1);
      } catch (error) {
        if (systemErrorCode(error) !== "ENOENT") throw error;
      }
    }
    unflock(fd);
    closeSync(fd);
  };
  return { path, fd, release, [Symbol.dispose]: () => release() };
}
