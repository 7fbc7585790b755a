/**
 * The evaluator's only view of the world.
 *
 * Everything is synchronous, because a thunk cannot wait. The implementation records every call as a read, so that a
 * result can be kept for as long as what it read is unchanged. Paths are absolute byte strings. A refusal is thrown as
 * `HostError`; its message is what Nix would say.
 */

import type { InputAttrs } from "../format/input/attributes.ts";
import type { FetchClosureRequest, FetchedClosure, FetchedTree, FetchFileRequest } from "../format/input/request.ts";

export type FileKind = "regular" | "directory" | "symlink" | "unknown";

export interface DirectoryEntry {
  readonly name: string;
  readonly kind: FileKind;
}

/** A request to bring a file system object into the store. */
export interface SourceRequest {
  readonly name: string;
  readonly path: string;
  /** The object as a NAR, or the bytes of one file. */
  readonly method: "nar" | "flat";
  /** Decides per entry below the root whether it is taken; parents first. */
  readonly filter?: (path: string, kind: FileKind) => boolean;
  /** Base 16 sha256 the result must have; the path follows from it without reading anything. */
  readonly sha256?: Uint8Array;
}

export interface Host {
  /** The bytes of a file, following links. */
  readFile(path: string): string;
  /** Entries of a directory, in byte order. */
  readDirectory(path: string): readonly DirectoryEntry[];
  /** What a path is, not following a link in its last component; `undefined` when nothing is there. */
  lstat(path: string): FileKind | undefined;
  /** What a path is, following links; `undefined` when nothing is there. */
  stat(path: string): FileKind | undefined;
  /** Resolves the links of all components but the last; what does not exist stays as it is. */
  resolveParent(path: string): string;
  /** The target of a link; `undefined` when the path is not a link. */
  readLink(path: string): string | undefined;
  /** The innermost directory above a path that is a link. */
  linkAbove(path: string): string | undefined;
  /** Resolves all links; what does not exist stays as it is. */
  realPath(path: string): string;
  /** The directory that relative paths of the search path are relative to. */
  workingDirectory(): string;
  /** The value of an environment variable. */
  environment(name: string): string | undefined;
  /** Seconds since 1970, the same for the whole evaluation. */
  currentTime(): number;
  /** Brings a source into the store; the answer is its full store path. */
  addSource(request: SourceRequest): string;
  /** Brings a text into the store at a path that is already known. */
  addText(path: string, contents: string, references: readonly string[]): void;
  /** Notes a derivation that was instantiated. */
  addDerivation(path: string, name: string, aterm: Uint8Array, references: readonly string[]): void;
  /** Whether a store path is valid; used by `builtins.storePath` and string contexts made by hand. */
  isValidPath(path: string): boolean;
  /** The store paths a store object refers to; none when it is not valid. */
  referencesOf(path: string): readonly string[];
  /** The bytes of a derivation in the store, for derivations this evaluation did not make. */
  readDerivation(path: string): Uint8Array;
  /** Makes the outputs `drv!output` and other store paths exist, building them when needed. */
  realise(context: readonly string[]): void;
  /**
   * Fetches an input of any type but `indirect`; its tree can be read at its store path from then on. The attributes
   * are those `format/input` has checked.
   */
  fetchTree(input: InputAttrs): FetchedTree;
  /** Lets the evaluation read a tree that is in the store already, as one that was fetched. */
  allowTree(storePath: string): void;
  /** A file of this user's or machine's configuration, which evaluation itself may not see; `undefined` without one. */
  readConfiguration(path: string): string | undefined;
  /** Fetches a file or an archive's tree; the answer is its full store path. */
  fetchFile(request: FetchFileRequest): string;
  /** Makes a closure of a binary cache valid in the store; it can be read from then on. */
  fetchClosure(request: FetchClosureRequest): FetchedClosure;
  /** Refuses a path that this evaluation may not look at, where saying that nothing is there would hide the reason. */
  checkAccess(path: string): void;
  /** Refuses when there is no room in memory for as many more bytes. */
  reserveMemory(bytes: number): void;
  /** Prints a line of `builtins.trace`. */
  trace(line: string): void;
  /** Prints a warning; `isFromExpression` when Nix code asked for it. */
  warn(text: string, isFromExpression: boolean): void;
}

/** The world's refusal of something evaluation asked for. */
export class HostError extends Error {
  override readonly name = "HostError";
}
