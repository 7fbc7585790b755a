/** What a store can do, by type: read, write, collect. */

import type { PathInfo } from "../format/path-info.ts";
import type { StorePath } from "../format/store-path.ts";

/** Anything that store objects can be read from: a local store, a daemon, memory. */
export interface ReadStore {
  /** Where the store lives, for messages and `openStore`. */
  readonly uri: string;
  /** The logical store directory, which is part of every path: `/nix/store`. */
  readonly storeDir: string;
  /** Metadata of a valid path, or `undefined` when the path is not valid here. */
  pathInfo(path: StorePath, signal: AbortSignal): Promise<PathInfo | undefined>;
  /** Metadata of those paths that are valid, by base name. One round trip on remote stores. */
  pathInfos(paths: readonly StorePath[], signal: AbortSignal): Promise<Map<string, PathInfo>>;
  /** The base names of those paths that are valid here. */
  validPaths(paths: readonly StorePath[], signal: AbortSignal): Promise<Set<string>>;
  /** The object's NAR. Throws `PATH_INVALID` when the path is not valid here. */
  nar(path: StorePath, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** One object to add, with its contents opened only when its turn comes. */
export interface StoreItem {
  readonly info: PathInfo;
  readonly nar: () => AsyncIterable<Uint8Array>;
}

export interface AddProgress {
  readonly pathsDone: number;
  readonly pathsTotal: number;
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

/** A store that objects can be added to. */
export interface WriteStore extends ReadStore {
  /** Adds one object. References must already be valid, so closures are added references first. Idempotent. */
  add(info: PathInfo, nar: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void>;
  /** Adds many objects, given references first. Already valid ones are skipped without opening their contents. */
  addMany(
    items: readonly StoreItem[],
    signal: AbortSignal,
    onProgress?: (progress: AddProgress) => void,
  ): Promise<void>;
}

/** What a collection did, or would do. */
export interface CollectOutcome {
  /** Base names, referrers before what they refer to. */
  readonly deleted: readonly string[];
  readonly freedBytes: number;
  /** Paths that are kept, with the roots that keep them left to `roots`. */
  readonly keptCount: number;
}

/** A store that can delete what no root reaches. */
export interface CollectableStore extends WriteStore {
  collect(options: { readonly dryRun?: boolean; readonly signal: AbortSignal }): Promise<CollectOutcome>;
}
