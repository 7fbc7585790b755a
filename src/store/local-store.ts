/**
 * A store on this machine's disk, in Nix's own layout and with Nix's locks, so that Nix can use it too, even at the
 * same time.
 *
 * A path is valid when the database says so; what lies on disk without being registered is the leftover of something
 * interrupted and is replaced by the next attempt or removed by the collector.
 */

import { OperationError } from "../base/errors.ts";
import { outputPathOf, type Derivation } from "../format/derivation.ts";
import { decodeDerivation } from "../format/derivation-aterm.ts";
import { derivationPath } from "../format/derivation-hash.ts";
import { renderContentAddress, sourcePath, textPath } from "../format/content-address.ts";
import { hashBytes } from "../format/hash.ts";
import { encodeNar, type TreeFilter } from "../format/nar.ts";
import { memoryTreeSource } from "../format/memory-tree.ts";
import type { PathInfo } from "../format/path-info.ts";
import { compareStorePaths, StorePath } from "../format/store-path.ts";
import { closureOf } from "../format/closure-graph.ts";
import { fileError, isSystemError } from "../system/file-error.ts";
import { ensureDirectory, exists, readBytes, removeTree, syncFileSystemOf } from "../system/files.ts";
import { type FileLock, lockFile, tryLockFile } from "../system/flock.ts";
import { type Registration, StoreDatabase } from "./store-database.ts";
import { StoreLayout, type StorePlaces } from "./store-layout.ts";
import { dumpPath, hashPath, restorePath } from "./store-object.ts";
import { ProgressCounter } from "./add-progress.ts";
import type { AddProgress, CollectableStore, CollectOutcome, StoreItem } from "./store.ts";
import { collectGarbage } from "./gc.ts";
import {
  addIndirectRoot,
  addPermanentRoot,
  findRoots,
  permanentRootsIn,
  removePermanentRoot,
  type Root,
} from "./gc-roots.ts";
import { TempRoots } from "./temp-roots.ts";
import { verifyStore, type VerifyOptions, type VerifyReport } from "./verify.ts";

export interface LocalStoreOptions extends StorePlaces {
  /** Flush the file system before paths become valid, so that a power cut cannot leave empty files. */
  readonly durable?: boolean | undefined;
}

/** Registered together: fewer transactions, yet an interruption loses little. */
const BATCH_PATHS_MAX = 128;
const BATCH_BYTES_MAX = 128 * 1024 * 1024;

export class LocalStore implements CollectableStore, AsyncDisposable {
  readonly layout: StoreLayout;
  readonly database: StoreDatabase;
  readonly #tempRoots: TempRoots;
  readonly #durable: boolean;
  readonly #derivations = new Map<string, Derivation>();

  private constructor(layout: StoreLayout, database: StoreDatabase, options: LocalStoreOptions) {
    this.layout = layout;
    this.database = database;
    this.#tempRoots = TempRoots.open(layout);
    this.#durable = options.durable ?? false;
  }

  /** Opens the store below `root` (`/` for the machine's own), making it when there is none. */
  static async open(root: string, options: LocalStoreOptions = {}): Promise<LocalStore> {
    const layout = new StoreLayout(root, options);
    try {
      for (const directory of [
        layout.realStoreDir,
        layout.tempRootsDir,
        layout.profilesDir,
        `${layout.gcRootsDir}/auto`,
      ]) {
        await ensureDirectory(directory, 0o755);
      }
      return new LocalStore(layout, await StoreDatabase.open(layout), options);
    } catch (error) {
      if (error instanceof OperationError) throw error;
      throw fileError(`opening the store in ${layout.realStoreDir}`, error);
    }
  }

  get storeDir(): string {
    return this.layout.storeDir;
  }

  get uri(): string {
    return this.layout.root === "" ? "local" : `local?root=${this.layout.root}`;
  }

  /** Where an object lies on this machine's disk. */
  realPath(path: StorePath): string {
    return this.layout.realPath(path);
  }

  async pathInfo(path: StorePath, _signal?: AbortSignal): Promise<PathInfo | undefined> {
    return this.database.pathInfo(path);
  }

  async pathInfos(paths: readonly StorePath[], _signal?: AbortSignal): Promise<Map<string, PathInfo>> {
    const infos = new Map<string, PathInfo>();
    for (const path of paths) {
      const info = this.database.pathInfo(path);
      if (info !== undefined) infos.set(path.baseName, info);
    }
    return infos;
  }

  async validPaths(paths: readonly StorePath[], _signal?: AbortSignal): Promise<Set<string>> {
    return new Set(paths.filter((path) => this.database.isValid(path)).map((path) => path.baseName));
  }

  isValid(path: StorePath): boolean {
    return this.database.isValid(path);
  }

  async *nar(path: StorePath, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    this.#requireValid(path);
    yield* dumpPath(this.realPath(path), signal);
  }

  /** All that `roots` reach, themselves included, by base name. */
  closure(roots: Iterable<StorePath>): Map<string, StorePath> {
    return closureOf(roots, (path) => {
      const references = this.database.references(path);
      if (references.length === 0) this.#requireValid(path);
      return references;
    });
  }

  async add(info: PathInfo, nar: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    await this.addMany([{ info, nar: () => nar }], signal);
  }

  async addMany(
    items: readonly StoreItem[],
    signal: AbortSignal,
    onProgress?: (progress: AddProgress) => void,
  ): Promise<void> {
    const progress = new ProgressCounter(items, items, onProgress);
    await this.addTempRoots(
      items.map(({ info }) => info.path),
      signal,
    );
    let batch: { readonly registration: Registration; readonly lock: FileLock }[] = [];
    let batchBytes = 0;
    const registerBatch = async (): Promise<void> => {
      if (batch.length === 0) return;
      try {
        await this.register(batch.map(({ registration }) => registration));
      } finally {
        for (const { lock } of batch) lock.release({ remove: true });
        batch = [];
        batchBytes = 0;
      }
    };
    try {
      for (const { info, nar } of items) {
        signal.throwIfAborted();
        if (!this.database.isValid(info.path)) {
          const lockPath = `${this.realPath(info.path)}.lock`;
          let lock = tryLockFile(lockPath);
          if (lock === undefined) {
            // Whoever holds it may be waiting for one of ours: nothing is held while waiting.
            await registerBatch();
            lock = await lockFile(lockPath, { signal });
          }
          try {
            if (this.database.isValid(info.path)) lock.release({ remove: true });
            else {
              batch.push({ registration: await this.#restore(info, nar(), signal), lock });
              batchBytes += info.narSize;
            }
          } catch (error) {
            lock.release({ remove: true });
            throw error;
          }
        }
        progress.finished(info.narSize);
        if (batch.length >= BATCH_PATHS_MAX || batchBytes >= BATCH_BYTES_MAX) await registerBatch();
      }
    } catch (error) {
      throw isSystemError(error) ? fileError(`adding to the store ${this.uri}`, error) : error;
    } finally {
      // What is complete is kept, also when a later object failed.
      await registerBatch();
    }
  }

  /** Adds a file whose path follows from its contents and references. */
  async addText(
    name: string,
    contents: Uint8Array,
    references: readonly StorePath[],
    signal: AbortSignal,
  ): Promise<StorePath> {
    const path = textPath(this.storeDir, name, contents, references);
    if (this.database.isValid(path)) {
      await this.addTempRoots([path], signal);
      return path;
    }
    const nar = encodeNar(memoryTreeSource({ type: "regular", executable: false, contents }));
    const contentAddress = renderContentAddress({ method: "text", hash: hashBytes("sha256", contents) });
    const info = contentAddressedInfo(path, nar, references, contentAddress);
    await this.add(info, chunksOf(nar), signal);
    return path;
  }

  /** Adds a derivation; its input derivations and sources must be valid. */
  async addDerivation(drv: Derivation, signal: AbortSignal): Promise<StorePath> {
    const { aterm, references } = derivationPath(drv, this.storeDir);
    return await this.addText(`${drv.name}.drv`, aterm, references, signal);
  }

  /** Adds a file or directory of this machine, as `builtins.path` and source paths do. */
  async addPath(name: string, localPath: string, signal: AbortSignal, filter?: TreeFilter): Promise<StorePath> {
    const { hash, size } = await hashPath(localPath, signal, filter);
    const path = sourcePath(this.storeDir, name, hash);
    const info: PathInfo = {
      path,
      narHash: hash,
      narSize: size,
      references: [],
      signatures: [],
      contentAddress: renderContentAddress({ method: "nar", hash }),
      ultimate: false,
      registrationTime: 0,
    };
    await this.add(info, dumpPath(localPath, signal, filter), signal);
    return path;
  }

  /** The derivation at a valid path. */
  async derivation(drvPath: StorePath): Promise<Derivation> {
    let drv = this.#derivations.get(drvPath.baseName);
    if (drv === undefined) {
      this.#requireValid(drvPath);
      drv = await this.#readDerivation(drvPath);
      this.#derivations.set(drvPath.baseName, drv);
    }
    return drv;
  }

  /** Keeps paths from every collector while this process lives. */
  async addTempRoots(paths: readonly StorePath[], signal: AbortSignal): Promise<void> {
    await this.#tempRoots.add(paths, signal);
  }

  /** Makes `link` point to an object and keeps the object for as long as it does. */
  async addIndirectRoot(link: string, path: StorePath): Promise<void> {
    await addIndirectRoot(this.layout, link, path);
  }

  /** Keeps an object under a name below `gcroots`. */
  async addPermanentRoot(name: string, path: StorePath): Promise<void> {
    await addPermanentRoot(this.layout, name, path);
  }

  /** The names of what is kept below a directory of `gcroots`. */
  async permanentRootsIn(directory: string): Promise<readonly string[]> {
    return await permanentRootsIn(this.layout, directory);
  }

  async removePermanentRoot(name: string): Promise<void> {
    await removePermanentRoot(this.layout, name);
  }

  /** Takes the locks of several paths, in the order that everyone takes them. */
  async lockPaths(
    paths: readonly StorePath[],
    signal: AbortSignal,
    onWait?: (path: string) => void,
  ): Promise<{ release(): void }> {
    const locks: FileLock[] = [];
    const release = (): void => {
      for (const lock of locks) lock.release({ remove: true });
    };
    try {
      for (const path of paths.toSorted(compareStorePaths)) {
        locks.push(await lockFile(`${this.realPath(path)}.lock`, { signal, onWait }));
      }
    } catch (error) {
      release();
      throw error;
    }
    return { release };
  }

  /** Makes objects valid that lie on disk in canonical form. The caller holds their locks. */
  async register(registrations: readonly Registration[]): Promise<void> {
    if (this.#durable) syncFileSystemOf(this.layout.realStoreDir);
    this.database.register(registrations);
  }

  async collect(options: { readonly dryRun?: boolean; readonly signal: AbortSignal }): Promise<CollectOutcome> {
    return await collectGarbage(this.layout, this.database, options);
  }

  /** Deletes these objects, or none of them when one is needed. */
  async delete(paths: readonly StorePath[], signal: AbortSignal): Promise<CollectOutcome> {
    return await collectGarbage(this.layout, this.database, { only: paths, signal });
  }

  /** What keeps objects from collection, but for the temporary roots of running programs. */
  async roots(): Promise<readonly Root[]> {
    return await findRoots(this.layout, { dryRun: true });
  }

  /** Compares the database with the disk, with contents when asked. */
  async verify(options: VerifyOptions): Promise<VerifyReport> {
    return await verifyStore(this.layout, this.database, options);
  }

  async close(): Promise<void> {
    await this.#tempRoots.close();
    this.database.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Writes one object; the caller holds its lock and registers it. */
  async #restore(info: PathInfo, nar: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<Registration> {
    const at = this.realPath(info.path);
    // A leftover of an attempt that was interrupted.
    if (await exists(at)) await removeTree(at);
    const { hash, size } = await restorePath(nar, at, signal);
    if (!hash.equals(info.narHash) || (info.narSize !== 0 && size !== info.narSize)) {
      await removeTree(at);
      throw new OperationError(
        "NAR_HASH_MISMATCH",
        `the contents of ${info.path.render(this.storeDir)} are not what was announced:\n` +
          `  expected: ${info.narHash.render("nix32")}, ${info.narSize} bytes\n` +
          `  got:      ${hash.render("nix32")}, ${size} bytes`,
        { hint: "the source of this path is damaged or was changed on its way; fetch it again", retryable: true },
      );
    }
    const registration = { info: { ...info, narSize: size } };
    if (!info.path.isDerivation) return registration;
    const outputs = new Map<string, StorePath>();
    const drv = await this.#readDerivation(info.path);
    for (const name of drv.outputs.keys()) {
      const output = outputPathOf(drv, name, this.storeDir);
      if (output !== undefined) outputs.set(name, output);
    }
    return { ...registration, outputs };
  }

  async #readDerivation(drvPath: StorePath): Promise<Derivation> {
    const bytes = await readBytes(this.realPath(drvPath));
    return decodeDerivation(bytes, drvPath.name.slice(0, -".drv".length), this.storeDir);
  }

  #requireValid(path: StorePath): void {
    if (this.database.isValid(path)) return;
    throw new OperationError("PATH_INVALID", `${path.render(this.storeDir)} is not valid in the store ${this.uri}`);
  }
}

function contentAddressedInfo(
  path: StorePath,
  nar: Uint8Array,
  references: readonly StorePath[],
  contentAddress: string,
): PathInfo {
  return {
    path,
    narHash: hashBytes("sha256", nar),
    narSize: nar.length,
    references,
    signatures: [],
    contentAddress,
    ultimate: false,
    registrationTime: 0,
  };
}

async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
