/** Store objects between disk and archive, in one pass each way, with pauses so that nothing else starves. */

import { OperationError } from "../base/errors.ts";
import { type Hash, Hasher } from "../format/hash.ts";
import { narChunks, type TreeFilter } from "../format/nar.ts";
import { NarDecoder } from "../format/nar-decoder.ts";
import { fileError, isSystemError } from "../system/file-error.ts";
import { removeTree } from "../system/files.ts";
import { diskTree, DiskTreeSink } from "../system/tree.ts";

/** The event loop gets its turn at least this often. */
const TURN_MS = 8;

/** Lets other work run when this one has had the event loop for long enough. */
export class Turns {
  #since = performance.now();

  async yield(): Promise<void> {
    if (performance.now() - this.#since < TURN_MS) return;
    await new Promise((resolve) => setImmediate(resolve));
    this.#since = performance.now();
  }
}

/** The archive of what lies at `path` on disk. */
export async function* dumpPath(
  path: string,
  signal: AbortSignal,
  filter?: TreeFilter,
): AsyncGenerator<Uint8Array, void, undefined> {
  const turns = new Turns();
  for (const chunk of narChunks(diskTree(path), filter)) {
    signal.throwIfAborted();
    yield chunk;
    await turns.yield();
  }
}

/** Hash and size of the archive of what lies at `path` on disk. */
export async function hashPath(
  path: string,
  signal: AbortSignal,
  filter?: TreeFilter,
): Promise<{ readonly hash: Hash; readonly size: number }> {
  const hasher = new Hasher("sha256");
  let size = 0;
  for await (const chunk of dumpPath(path, signal, filter)) {
    hasher.update(chunk);
    size += chunk.length;
  }
  return { hash: hasher.digest(), size };
}

/**
 * Writes an archive to disk in canonical form and says what it was. Nothing is left behind when it fails.
 * Bytes after the archive's end are an error.
 */
export async function restorePath(
  nar: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  path: string,
  signal: AbortSignal,
  onBytes?: (count: number) => void,
): Promise<{ readonly hash: Hash; readonly size: number }> {
  const hasher = new Hasher("sha256");
  const sink = new DiskTreeSink(path);
  const decoder = new NarDecoder(sink);
  const turns = new Turns();
  try {
    for await (const chunk of nar) {
      signal.throwIfAborted();
      if (decoder.write(chunk) !== chunk.length) {
        throw new OperationError("NAR_TRAILING_BYTES", `the archive for ${path} goes on after its end`);
      }
      hasher.update(chunk);
      onBytes?.(chunk.length);
      await turns.yield();
    }
    decoder.end();
    return { hash: hasher.digest(), size: decoder.size };
  } catch (error) {
    sink.close();
    await removeTree(path);
    throw isSystemError(error) ? fileError(`writing ${path}`, error) : error;
  }
}
