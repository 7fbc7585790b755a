/**
 * What was fetched, kept for this user: contents by their hash, and an index of what addresses have led to.
 *
 * Everything appears by a rename, so that readers see whole objects only; who fetches the same thing at the same time
 * waits for a lock of that thing. All of it may be deleted at any time.
 */

import { type Hash, hashByteString } from "../format/hash.ts";
import { hashPath } from "../store/store-object.ts";
import { systemErrorCode } from "../system/file-error.ts";
import {
  ensureDirectory,
  exists,
  makeTemporaryDirectory,
  moveTree,
  readTextIfPresent,
  removeTree,
  syncFileSystemOf,
  writeFileAtomic,
} from "../system/files.ts";
import { type FileLock, lockFile } from "../system/flock.ts";

/** What is known of an address: texts and numbers by name. */
export type IndexEntry = Readonly<Record<string, string | number>>;

export interface FoundEntry {
  readonly entry: IndexEntry;
  /** Whether it is older than the settings say it may be. */
  readonly isExpired: boolean;
}

export interface CachedTree {
  readonly localPath: string;
  readonly narHash: Hash;
}

export class FetchCache {
  readonly #dir: string;
  readonly #ttlSeconds: number;

  constructor(dir: string, ttlSeconds: number) {
    this.#dir = dir;
    this.#ttlSeconds = ttlSeconds;
  }

  /** What the index has for a key. */
  async find(key: string): Promise<FoundEntry | undefined> {
    const text = await readTextIfPresent(this.#indexFile(key));
    if (text === undefined) return undefined;
    const { savedAt, entry } = parseIndexFile(text, key) ?? {};
    if (savedAt === undefined || entry === undefined) return undefined;
    // As in Nix: what is kept for no time at all is never current.
    const isExpired = this.#ttlSeconds === 0 || savedAt + this.#ttlSeconds < Date.now() / 1000;
    return { entry, isExpired };
  }

  async save(key: string, entry: IndexEntry): Promise<void> {
    await ensureDirectory(`${this.#dir}/index`, 0o755);
    const savedAt = Math.floor(Date.now() / 1000);
    await writeFileAtomic(this.#indexFile(key), `${JSON.stringify({ key, savedAt, entry })}\n`, { durable: false });
  }

  /** A number that never changes, found out once. */
  async remembered(key: string, findOut: () => Promise<number>): Promise<number> {
    const known = (await this.find(key))?.entry["value"];
    if (typeof known === "number") return known;
    const value = await findOut();
    await this.save(key, { value });
    return value;
  }

  /** Takes the lock of a key; whoever wants the same waits. */
  async lock(key: string, signal: AbortSignal): Promise<FileLock> {
    await ensureDirectory(`${this.#dir}/locks`, 0o755);
    return await lockFile(`${this.#dir}/locks/${digestOf(key)}.lock`, { signal });
  }

  /** A directory for work, on the file system of the cache; the caller removes it. */
  async workDirectory(): Promise<string> {
    await ensureDirectory(`${this.#dir}/unfinished`, 0o755);
    return await makeTemporaryDirectory(`${this.#dir}/unfinished/fetch-`);
  }

  /** Where git's and other programs' own copies of repositories are. */
  repositoryPath(kind: string, key: string): string {
    return `${this.#dir}/${kind}/${digestOf(key)}`;
  }

  async tree(narHash: Hash): Promise<CachedTree | undefined> {
    const localPath = this.#treePath(narHash);
    return (await exists(localPath)) ? { localPath, narHash } : undefined;
  }

  /** Takes a tree or file at `path` into the cache. */
  async addTree(path: string, signal: AbortSignal): Promise<CachedTree> {
    const { hash: narHash } = await hashPath(path, signal);
    const localPath = this.#treePath(narHash);
    if (!(await exists(localPath))) {
      await ensureDirectory(`${this.#dir}/trees`, 0o755);
      // The name promises the contents, also after a power cut.
      syncFileSystemOf(this.#dir);
      try {
        await moveTree(path, localPath);
      } catch (error) {
        const code = systemErrorCode(error);
        if (code !== "EEXIST" && code !== "ENOTEMPTY") throw error;
      }
    }
    return { localPath, narHash };
  }

  /** Removes what a piece of work left. */
  async discard(directory: string): Promise<void> {
    await removeTree(directory);
  }

  #treePath(narHash: Hash): string {
    return `${this.#dir}/trees/${narHash.toNix32()}`;
  }

  #indexFile(key: string): string {
    return `${this.#dir}/index/${digestOf(key)}.json`;
  }
}

function digestOf(key: string): string {
  return hashByteString("sha256", key).toNix32();
}

/** A file that is not as we write them counts as absent. */
function parseIndexFile(
  text: string,
  key: string,
): { readonly savedAt: number; readonly entry: IndexEntry } | undefined {
  try {
    const parsed = JSON.parse(text) as Partial<{ key: string; savedAt: number; entry: IndexEntry }> | null;
    if (parsed?.key !== key || typeof parsed.savedAt !== "number" || typeof parsed.entry !== "object") return undefined;
    return { savedAt: parsed.savedAt, entry: parsed.entry };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
