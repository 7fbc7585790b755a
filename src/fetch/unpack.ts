/** From an archive's file to a tree on disk. */

import { OperationError } from "../base/errors.ts";
import { type ArchiveEntry } from "../format/archive/archive-entry.ts";
import { readTar } from "../format/archive/tar-reader.ts";
import { isZip, readZip } from "../format/archive/zip-reader.ts";
import { decompressed } from "../system/decompress.ts";
import { readBytes, readChunks, sizeOfFile } from "../system/files.ts";
import { TreeBuilder, type TreeLimits } from "../system/tree-builder.ts";

/** More than any source tree has. */
export const TREE_LIMITS: TreeLimits = { entriesMax: 10_000_000, bytesMax: 64 * 1024 ** 3 };
/** Zip archives are read in memory. */
const ZIP_BYTES_MAX = 2 * 1024 ** 3 - 1;

export interface UnpackedTree {
  /** The tree: the archive's only directory when it has nothing else at its top. */
  readonly path: string;
  /** The latest time of any member. */
  readonly lastModified: number;
}

/** Unpacks the archive in `file` below `directory`, which is empty. */
export async function unpackArchive(file: string, directory: string, signal: AbortSignal): Promise<UnpackedTree> {
  const root = `${directory}/tree`;
  const builder = new TreeBuilder(root, TREE_LIMITS);
  let lastModified = 0;
  for await (const entry of await membersOf(file, signal)) {
    signal.throwIfAborted();
    lastModified = Math.max(lastModified, entry.modifiedAt);
    await addMember(builder, entry);
  }
  const only = builder.finish();
  return { path: only === undefined ? root : `${root}/${Buffer.from(only, "latin1").toString("utf8")}`, lastModified };
}

async function membersOf(
  file: string,
  signal: AbortSignal,
): Promise<AsyncIterable<ArchiveEntry> | Iterable<ArchiveEntry>> {
  let head: Uint8Array = new Uint8Array();
  for await (const chunk of readChunks(file)) {
    head = chunk;
    break;
  }
  if (!isZip(head)) return readTar(decompressed(readChunks(file), signal));
  if ((await sizeOfFile(file)) > ZIP_BYTES_MAX) {
    throw new OperationError("ARCHIVE_TOO_LARGE", `a zip archive may have ${ZIP_BYTES_MAX} bytes`);
  }
  return readZip(await readBytes(file), ZIP_BYTES_MAX);
}

async function addMember(builder: TreeBuilder, entry: ArchiveEntry): Promise<void> {
  const path = memberPath(entry.path);
  switch (entry.type) {
    case "directory":
      return builder.directory(path);
    case "symlink":
      return builder.symlink(path, entry.linkTarget);
    case "hardlink":
      return builder.hardlink(path, memberPath(entry.linkTarget));
    case "file":
      return await builder.file(path, entry.executable, entry.contents);
    case "other":
      throw invalid(entry.path, "is neither a file, a directory nor a link");
  }
}

/** The names of a path within the archive: whatever it says, it does not lead out of it. */
function memberPath(path: string): readonly string[] {
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  if (path.includes("\0")) throw invalid(path, "has a NUL byte in its name");
  // No commit could hold it, and Nix keeps archives as if they were commits.
  if (names.some((name) => name.toLowerCase() === ".git")) throw invalid(path, "has a name that git keeps for itself");
  return names;
}

function invalid(path: string, reason: string): OperationError {
  return new OperationError("ARCHIVE_INVALID", `member '${Buffer.from(path, "latin1").toString("utf8")}' ${reason}`);
}
