/**
 * Synchronous file access, for evaluation, which cannot wait.
 *
 * Paths, names and contents are byte strings. An absent file is `undefined` where that is an answer.
 */

import { constants } from "node:buffer";
import * as fs from "node:fs";
import { byteStringOfBytes, textOfByteString } from "../base/byte-string.ts";
import { fileError, systemErrorCode } from "./file-error.ts";

export type SyncFileKind = "regular" | "directory" | "symlink" | "unknown";

/** A path as the operating system takes it. */
export function onDisk(path: string): string | Buffer {
  for (let i = 0; i < path.length; i++) if (path.charCodeAt(i) > 0x7f) return Buffer.from(path, "latin1");
  return path;
}

function kindOf(entry: fs.Stats | fs.Dirent<string>): SyncFileKind {
  if (entry.isFile()) return "regular";
  if (entry.isDirectory()) return "directory";
  return entry.isSymbolicLink() ? "symlink" : "unknown";
}

/** Turns "it is not there" into `undefined` and any other refusal into an error that names the path. */
function absentAsUndefined<T>(action: string, question: () => T): T | undefined {
  try {
    return question();
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw fileError(action, error);
  }
}

export function kindOfSync(path: string, options: { readonly followLinks: boolean }): SyncFileKind | undefined {
  return absentAsUndefined(`look at '${textOfByteString(path)}'`, () => {
    const status = (options.followLinks ? fs.statSync : fs.lstatSync)(onDisk(path), { throwIfNoEntry: false });
    return status === undefined ? undefined : kindOf(status);
  });
}

/** Whether this process may write there; false when nothing is there. */
export function isWritableSync(path: string): boolean {
  try {
    fs.accessSync(onDisk(path), fs.constants.W_OK);
    return true;
  } catch {
    // Whatever keeps us from it, it is not writable.
    return false;
  }
}

/**
 * The contents of a file, `undefined` when there is none: as many bytes as its size says, like Nix. So what is no regular
 * file, a device or a pipe, is empty, and never waits for a writer nor goes on without end.
 */
export function readFileSync(path: string): string | undefined {
  return absentAsUndefined(`read '${textOfByteString(path)}'`, () => {
    const file = fs.openSync(onDisk(path), fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    try {
      return byteStringOfBytes(readSized(file, fs.fstatSync(file)));
    } finally {
      fs.closeSync(file);
    }
  });
}

function readSized(file: number, status: fs.Stats): Buffer {
  // A directory has a size on some file systems only, and is to be refused on all of them.
  const size = status.isDirectory() ? Math.max(status.size, 1) : status.size;
  if (size > constants.MAX_STRING_LENGTH) throw new Error(`its ${size} bytes are more than a string can have`);
  const bytes = Buffer.allocUnsafe(size);
  let length = 0;
  while (length < size) {
    const count = fs.readSync(file, bytes, length, size - length, null);
    if (count === 0) break;
    length += count;
  }
  return bytes.subarray(0, length);
}

/** A text file; `undefined` when there is none that can be read. */
export function textFileSync(path: string): string | undefined {
  try {
    return fs.readFileSync(path, "utf8");
  } catch {
    // Whoever asks goes on without the file, whatever the reason.
    return undefined;
  }
}

export interface SyncDirectoryEntry {
  readonly name: string;
  readonly kind: SyncFileKind;
}

/** Entries in byte order; `undefined` when there is no such directory. */
export function readDirectorySync(path: string): readonly SyncDirectoryEntry[] | undefined {
  return absentAsUndefined(`list '${textOfByteString(path)}'`, () => {
    const entries = fs.readdirSync(onDisk(path), { withFileTypes: true, encoding: "latin1" });
    return entries
      .map((entry) => ({ name: entry.name, kind: kindOf(entry) }))
      .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  });
}

/** A link's target; `undefined` when the path is not a link. */
export function readLinkSync(path: string): string | undefined {
  try {
    return fs.readlinkSync(onDisk(path), "latin1");
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === "EINVAL" || code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw fileError(`read the link '${textOfByteString(path)}'`, error);
  }
}

/** The path with all links resolved; `undefined` when it does not exist. */
export function realPathSync(path: string): string | undefined {
  return absentAsUndefined(`resolve '${textOfByteString(path)}'`, () =>
    fs.realpathSync.native(onDisk(path) as string, { encoding: "latin1" }),
  );
}
