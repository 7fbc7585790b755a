/** What evaluation asks of a fetcher, and what it gets. Texts are byte strings. */

import type { InputAttrs } from "./attributes.ts";

/** What fetching an input comes to: an object of the store, and the input with all that is known of it. */
export interface FetchedTree {
  /** Its full store path. */
  readonly storePath: string;
  /** The sha256 of its archive, `sha256-…`. */
  readonly narHash: string;
  /** The locked input: `rev`, `lastModified`, `revCount`, `dirtyRev` and so on, as far as its type has them. */
  readonly attrs: InputAttrs;
}

/** A file or an archive to be fetched, for `fetchurl` and `fetchTarball`. */
export interface FetchFileRequest {
  readonly url: string;
  /** Of the store path. */
  readonly name: string;
  /** Whether the tree in an archive is wanted, and not the file. */
  readonly unpack: boolean;
  /** What the result must have: the hash of the file, or of the tree's archive. */
  readonly sha256?: Uint8Array;
}

/** A closure to be made valid in the store, for `fetchClosure`. */
export interface FetchClosureRequest {
  /** The address of a binary cache. */
  readonly fromStore: string;
  /** The full path of an object in that cache. */
  readonly fromPath: string;
  /**
   * What is wanted instead of `fromPath` itself: the full path of what comes of rewriting its closure so that paths
   * follow from contents; empty when that is not known.
   */
  readonly toPath?: string;
}

export interface FetchedClosure {
  /** The full path of what is valid now. */
  readonly path: string;
  readonly isContentAddressed: boolean;
}

/** Something brought into reach of the evaluation. */
export interface FetchedObject {
  /** Its full store path. */
  readonly storePath: string;
  /** Where its files are, an ordinary path; absent when they are in the store. */
  readonly localPath?: string;
  /** Whether the object is the bytes of one file (`fetchurl`) and not a tree. */
  readonly isFlat?: boolean;
  /** What the user should be told. */
  readonly warnings: readonly string[];
}
