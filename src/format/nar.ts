/**
 * NAR, Nix's archive: the canonical serialisation of a file system object.
 *
 * This module encodes, lazily and in pieces; `nar-decoder.ts` decodes. File names and link targets are byte strings
 * (`base/byte-string.ts`), because a file system's names are bytes and the archive orders them as such. Paths inside an
 * object are relative and joined by `/`; the object itself is the empty path.
 */

import { FormatError } from "../base/errors.ts";
import { type Hash, type HashAlgorithm, hashBytes, Hasher } from "./hash.ts";

export const NAR_MAGIC = "nix-archive-1";

/** What no file system that we write to could hold either. */
export const NAR_NAME_BYTES_MAX = 255;
export const NAR_TARGET_BYTES_MAX = 4095;
export const NAR_DEPTH_MAX = 1024;

export type TreeNode =
  | { readonly type: "regular"; readonly executable: boolean; readonly size: number }
  | { readonly type: "symlink"; readonly target: string }
  /** Names in any order. */
  | { readonly type: "directory"; readonly names: readonly string[] }
  /** A device, socket or pipe: an error unless the filter leaves it out. */
  | { readonly type: "unknown" };

/** A tree to be archived. Synchronous, because the evaluator hashes trees in the middle of evaluating. */
export interface SyncTreeSource {
  node(path: string): TreeNode;
  /** A regular file's contents, exactly as many bytes as its node said. The chunks are not written to afterwards. */
  read(path: string, size: number): Iterable<Uint8Array>;
}

/** Says whether the entry at `path` is archived; a directory that is not takes its contents with it. */
export type TreeFilter = (path: string, type: TreeNode["type"]) => boolean;

/** The archive of `source`, or of what lies at `root` in it, in chunks. */
export function* narChunks(
  source: SyncTreeSource,
  filter?: TreeFilter,
  root = "",
): Generator<Uint8Array, void, undefined> {
  const buffer = new ChunkBuffer();
  const stack: Level[] = [];
  buffer.put(MAGIC);
  let path = root;
  let node = source.node(root);
  for (;;) {
    // Write the node at `path`; a directory's entries are written by the iterations that follow.
    switch (node.type) {
      case "regular": {
        buffer.put(node.executable ? EXECUTABLE : REGULAR);
        buffer.putSize(node.size);
        let left = node.size;
        for (const chunk of source.read(path, node.size)) {
          left -= chunk.length;
          if (chunk.length <= COPY_BYTES_MAX) buffer.put(chunk);
          else {
            yield* buffer.take();
            yield chunk;
          }
          if (buffer.isFull) yield* buffer.take();
        }
        if (left !== 0) throw new FormatError("nar", `the size of '${path}' changed while it was read`);
        buffer.put(PADDINGS[padding(node.size)]!);
        buffer.put(CLOSE);
        break;
      }
      case "symlink":
        buffer.put(SYMLINK);
        buffer.putString(node.target);
        buffer.put(CLOSE);
        break;
      case "directory":
        if (stack.length >= NAR_DEPTH_MAX) throw new FormatError("nar", `'${path}' is nested too deeply`);
        buffer.put(DIRECTORY);
        stack.push({ path, names: node.names.toSorted(), next: 0 });
        break;
      case "unknown":
        throw new UnsupportedFileError(path);
    }
    if (buffer.isFull) yield* buffer.take();
    // Find the next entry, closing what is finished.
    if (node.type !== "directory" && stack.length > 0) buffer.put(CLOSE);
    let found: TreeNode | undefined;
    while (stack.length > 0 && found === undefined) {
      const level = stack.at(-1)!;
      const name = level.names[level.next++];
      if (name === undefined) {
        stack.pop();
        buffer.put(CLOSE);
        if (stack.length > 0) buffer.put(CLOSE);
        continue;
      }
      path = level.path === "" ? name : `${level.path}/${name}`;
      const child = source.node(path);
      if (filter !== undefined && !filter(path, child.type)) continue;
      buffer.put(ENTRY);
      buffer.putString(name);
      buffer.put(NODE);
      found = child;
    }
    if (found === undefined) break;
    node = found;
  }
  yield* buffer.take();
}

/** A device, a socket or a pipe, for which archives have no form. */
export class UnsupportedFileError extends FormatError {
  /** Relative to the tree's root. */
  readonly path: string;

  constructor(path: string) {
    super("nar", `'${path}' is neither a file, a directory nor a symbolic link`);
    this.path = path;
  }
}

/** Hash and size of a tree's archive. */
export function narHash(
  source: SyncTreeSource,
  options: { readonly algorithm?: HashAlgorithm; readonly filter?: TreeFilter; readonly root?: string } = {},
): { readonly hash: Hash; readonly size: number } {
  const { algorithm = "sha256", filter, root } = options;
  const chunks = narChunks(source, filter, root);
  const first = chunks.next().value as Uint8Array;
  let size = first.length;
  let hasher: Hasher | undefined;
  for (const chunk of chunks) {
    hasher ??= new Hasher(algorithm).update(first);
    hasher.update(chunk);
    size += chunk.length;
  }
  // Most trees are one small file, whose archive is one chunk.
  return { hash: hasher?.digest() ?? hashBytes(algorithm, first), size };
}

/** The archive as one piece of memory. */
export function encodeNar(source: SyncTreeSource, filter?: TreeFilter): Uint8Array {
  return Buffer.concat([...narChunks(source, filter)]);
}

interface Level {
  readonly path: string;
  readonly names: readonly string[];
  next: number;
}

/** Bytes after `size` bytes up to a multiple of eight. */
export function padding(size: number): number {
  return (8 - (size % 8)) % 8;
}

/** A token: its length, its bytes, zeros up to a multiple of eight. */
export function narToken(text: string): Buffer {
  const token = Buffer.alloc(8 + text.length + padding(text.length));
  token.writeUInt32LE(text.length, 0);
  token.write(text, 8, "latin1");
  return token;
}

/** Several tokens in a row. */
export function narTokens(...texts: string[]): Buffer {
  return Buffer.concat(texts.map(narToken));
}

const MAGIC = narToken(NAR_MAGIC);
const REGULAR = narTokens("(", "type", "regular", "contents");
const EXECUTABLE = narTokens("(", "type", "regular", "executable", "", "contents");
const SYMLINK = narTokens("(", "type", "symlink", "target");
const DIRECTORY = narTokens("(", "type", "directory");
const ENTRY = narTokens("entry", "(", "name");
const NODE = narToken("node");
const CLOSE = narToken(")");
const PADDINGS = Array.from({ length: 8 }, (_, size) => Buffer.alloc(size));

const BUFFER_BYTES = 64 * 1024;
/** Most archives need no more. */
const BUFFER_BYTES_FIRST = 4096;
/** Pieces up to this size are gathered, larger ones are passed on as they are. */
const COPY_BYTES_MAX = 16 * 1024;

/** Gathers small pieces into chunks worth passing on. */
class ChunkBuffer {
  #bytes = Buffer.allocUnsafe(BUFFER_BYTES_FIRST);
  #used = 0;

  /** True when the largest single piece might not fit any more. */
  get isFull(): boolean {
    return this.#used >= BUFFER_BYTES - 2 * COPY_BYTES_MAX;
  }

  put(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  putSize(size: number): void {
    this.#reserve(8);
    this.#bytes.writeUInt32LE(size % 2 ** 32, this.#used);
    this.#bytes.writeUInt32LE(Math.floor(size / 2 ** 32), this.#used + 4);
    this.#used += 8;
  }

  putString(text: string): void {
    this.putSize(text.length);
    this.#reserve(text.length + 8);
    this.#bytes.write(text, this.#used, "latin1");
    this.#used += text.length;
    this.put(PADDINGS[padding(text.length)]!);
  }

  *take(): Generator<Uint8Array, void, undefined> {
    if (this.#used === 0) return;
    const chunk = this.#bytes.subarray(0, this.#used);
    this.#bytes = Buffer.allocUnsafe(BUFFER_BYTES_FIRST);
    this.#used = 0;
    yield chunk;
  }

  /** Long runs of closing tokens and filtered directories may exceed a buffer: grow rather than fail. */
  #reserve(size: number): void {
    if (this.#used + size <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#used + size));
    grown.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = grown;
  }
}
