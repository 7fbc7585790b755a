/**
 * Temporary roots: paths that a running process uses and no collector, ours or Nix's, may delete.
 *
 * Each process has one file, locked for as long as it lives; a file whose lock is free belongs to nobody any more.
 */

import { appendFile, emptyFile, namesIn, ensureDirectory, readBytesIfPresent } from "../system/files.ts";
import { type FileLock, lockFile, tryLockFile } from "../system/flock.ts";
import { StorePath } from "../format/store-path.ts";
import type { StoreLayout } from "./store-layout.ts";

/** One per store directory and process: a process may have opened the same store twice. */
const perDirectory = new Map<string, TempRoots>();

export class TempRoots {
  readonly #layout: StoreLayout;
  readonly #known = new Set<string>();
  #lock: Promise<FileLock> | undefined;
  #held: FileLock | undefined;
  #users = 0;
  /** A process that ends without closing its store leaves no file behind either. */
  readonly #giveUp = (): void => this.#held?.release({ remove: true });

  private constructor(layout: StoreLayout) {
    this.#layout = layout;
  }

  static open(layout: StoreLayout): TempRoots {
    let roots = perDirectory.get(layout.tempRootsDir);
    if (roots === undefined) {
      roots = new TempRoots(layout);
      perDirectory.set(layout.tempRootsDir, roots);
    }
    roots.#users++;
    return roots;
  }

  /** Protects paths from now on. Waits while a collection runs. */
  async add(paths: readonly StorePath[], signal: AbortSignal): Promise<void> {
    const fresh = paths.filter((path) => !this.#known.has(path.baseName));
    if (fresh.length === 0) return;
    this.#lock ??= this.#openFile();
    const own = await this.#lock;
    const collectorLock = await lockFile(this.#layout.gcLock, { mode: "shared", signal });
    try {
      await appendFile(own.path, fresh.map((path) => `${path.render(this.#layout.storeDir)}\0`).join(""));
      for (const path of fresh) this.#known.add(path.baseName);
    } finally {
      collectorLock.release();
    }
  }

  /** Ends the protection when the last user in this process is done. */
  async close(): Promise<void> {
    if (--this.#users > 0) return;
    perDirectory.delete(this.#layout.tempRootsDir);
    await this.#lock;
    this.#giveUp();
    process.off("exit", this.#giveUp);
  }

  async #openFile(): Promise<FileLock> {
    await ensureDirectory(this.#layout.tempRootsDir);
    const lock = this.#takeFile();
    // A process that was killed may have had the same id: its roots are nobody's.
    emptyFile(lock.fd);
    this.#held = lock;
    process.once("exit", this.#giveUp);
    return lock;
  }

  /** Process ids are not unique where containers share a store: whoever comes later takes another name. */
  #takeFile(): FileLock {
    const path = `${this.#layout.tempRootsDir}/${process.pid}`;
    let lock = tryLockFile(path);
    for (let number = 2; lock === undefined; number++) lock = tryLockFile(`${path}-${number}`);
    return lock;
  }
}

/** All temporary roots of living processes. The caller holds the collector's lock; files of the dead are removed. */
export async function readTempRoots(layout: StoreLayout): Promise<StorePath[]> {
  const roots: StorePath[] = [];
  for (const name of await namesIn(layout.tempRootsDir)) {
    if (name.startsWith(".")) continue;
    const file = `${layout.tempRootsDir}/${name}`;
    const abandoned = tryLockFile(file);
    if (abandoned !== undefined) {
      abandoned.release({ remove: true });
      continue;
    }
    const text = (await readBytesIfPresent(file))?.toString("latin1") ?? "";
    for (const path of text.split("\0")) {
      const parsed = layout.storePathIn(path);
      if (parsed !== undefined) roots.push(parsed);
    }
  }
  return roots;
}
