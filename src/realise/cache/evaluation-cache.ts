/**
 * Results of evaluations, kept in files: one per request, with what it read.
 *
 * An entry is a line that says what it is, with a checksum of the rest, and JSON. It is looked at by the same user only,
 * replaced as a whole, and believed only when every byte of it is as it was written and every read is as it was. What is
 * wrong with an entry costs an evaluation and nothing else. Derivations are not in it: the store has them, or they are
 * made again.
 */

import { resolve } from "node:path";
import { cacheDirectory, type Environment } from "../../system/directories.ts";
import { PrivateDirectory } from "../../system/private-files.ts";
import type { EvaluationResult } from "../evaluation-request.ts";
import { decodeEntry, encodeEntry } from "./cache-entry.ts";
import { ReadCheck } from "./read-check.ts";
import type { EvaluationRead } from "./world-reads.ts";

/** Evaluations that take less are done again as quickly as they would be looked up. */
const WORTH_KEEPING_MS_DEFAULT = 5;
export const CACHE_BYTES_MAX_DEFAULT: number = 256 * 1024 * 1024;
const ENTRIES_MAX = 10_000;
/** After a removal the cache has room for a while. */
const KEPT_SHARE = 0.8;
const TOUCH_AFTER_MS = 10 * 60_000;
/** What a process that died left unfinished. */
const UNFINISHED_AFTER_MS = 60 * 60_000;
const LIMIT_FILE = "limit";

/** A line for people that came with the evaluation. */
export type Said =
  | { readonly kind: "trace"; readonly line: string }
  | { readonly kind: "warning"; readonly text: string; readonly isFromExpression: boolean };

export interface CachedEvaluation {
  readonly text: string;
  /** Traces and warnings, in order. */
  readonly said: readonly Said[];
  readonly reads: readonly EvaluationRead[];
}

/** Where a result is to be kept: plain data, because other processes keep results, too. */
export interface Keeping {
  /** An absolute path. */
  readonly directory: string;
  readonly key: string;
  readonly worthKeepingMs: number;
}

export interface CacheUsage {
  readonly directory: string;
  readonly entries: number;
  readonly bytes: number;
  readonly bytesMax: number;
}

export class EvaluationCache {
  readonly #path: string;
  #opened: PrivateDirectory | undefined;

  constructor(directory: string) {
    this.#path = directory;
  }

  /** This user's cache. */
  static ofUser(env?: Environment): EvaluationCache {
    return new EvaluationCache(`${cacheDirectory(env)}/evaluations`);
  }

  get #directory(): PrivateDirectory | undefined {
    return (this.#opened ??= PrivateDirectory.open(this.#path));
  }

  /** The result for a key, if everything it read is still as it was. */
  find(key: string, check: ReadCheck): CachedEvaluation | undefined {
    const directory = this.#directory;
    const bytes = directory?.read(key);
    if (directory === undefined || bytes === undefined) return undefined;
    const entry = decodeEntry(bytes);
    if (entry === undefined) {
      directory.remove(key);
      return undefined;
    }
    const result = check.check(entry.reads);
    if (!result.isCurrent) return undefined;
    if (result.restamped) directory.write(key, encodeEntry(entry));
    else if (entry.writtenMs < Date.now() - TOUCH_AFTER_MS) directory.touch(key);
    return entry;
  }

  /** Keeps a result. */
  store(key: string, evaluation: CachedEvaluation): void {
    this.#opened ??= PrivateDirectory.make(this.#path);
    if (this.#opened === undefined || !this.#opened.write(key, encodeEntry(evaluation))) return;
    // The bound may be passed by a few entries; looking through the whole directory each time would cost more.
    if (Number.parseInt(key.slice(0, 1), 16) < 2) this.trim();
  }

  /** How the result for a key is kept here. */
  keeping(key: string, worthKeepingMs: number = WORTH_KEEPING_MS_DEFAULT): Keeping {
    return { directory: resolve(this.#path), key, worthKeepingMs };
  }

  /** Removes the entries that were not used for longest, down to the limit. */
  trim(): void {
    const directory = this.#directory;
    if (directory === undefined) return;
    const limit = this.bytesMax;
    const files = directory.list();
    const now = Date.now();
    const entries = files.filter(({ name }) => isEntryName(name)).sort((a, b) => b.usedMs - a.usedMs);
    for (const { name, usedMs } of files) {
      if (name.startsWith(".tmp-") && now - usedMs > UNFINISHED_AFTER_MS) directory.remove(name);
    }
    const total = entries.reduce((sum, { size }) => sum + size, 0);
    if (total <= limit && entries.length <= ENTRIES_MAX) return;
    let bytes = 0;
    for (const [index, { name, size }] of entries.entries()) {
      bytes += size;
      if (bytes > limit * KEPT_SHARE || index >= ENTRIES_MAX * KEPT_SHARE) directory.remove(name);
    }
  }

  /** Removes everything; answers how much that was. */
  clear(): CacheUsage {
    const usage = this.usage();
    const directory = this.#directory;
    for (const { name } of directory?.list() ?? []) if (name !== LIMIT_FILE) directory?.remove(name);
    return usage;
  }

  usage(): CacheUsage {
    const entries = this.#directory?.list().filter(({ name }) => isEntryName(name)) ?? [];
    return {
      directory: this.#path,
      entries: entries.length,
      bytes: entries.reduce((sum, { size }) => sum + size, 0),
      bytesMax: this.bytesMax,
    };
  }

  get bytesMax(): number {
    const limit = Number(this.#directory?.read(LIMIT_FILE)?.toString() ?? NaN);
    return Number.isSafeInteger(limit) && limit >= 0 ? limit : CACHE_BYTES_MAX_DEFAULT;
  }

  /** Sets the limit; answers whether it could be written down. */
  setBytesMax(limit: number): boolean {
    this.#opened ??= PrivateDirectory.make(this.#path);
    if (this.#opened?.write(LIMIT_FILE, String(limit)) !== true) return false;
    this.trim();
    return true;
  }
}

function isEntryName(name: string): boolean {
  return /^[0-9a-f]{64}$/.test(name);
}

/** Keeps the result of an evaluation that took so long, if that is sound and worth while. */
export function keep(
  { directory, key, worthKeepingMs }: Keeping,
  { text, tree, reads: { reads, volatile } }: Pick<EvaluationResult, "text" | "tree" | "reads">,
  said: readonly Said[],
  tookMs: number,
): void {
  if (volatile !== undefined || tree !== undefined || tookMs < worthKeepingMs) return;
  new EvaluationCache(directory).store(key, { text, said, reads });
}
