/**
 * Files and directories, asynchronously, with what Node leaves out: durable replacement, removal of read-only trees,
 * link times. Trees of store objects are written and read by `tree.ts`.
 */

import { closeSync, constants, fsyncSync, ftruncateSync, openSync, writeSync } from "node:fs";
import * as fs from "node:fs/promises";
import { systemErrorCode } from "./file-error.ts";
import { syncFileSystem } from "./native.ts";

export type FileKind = "file" | "directory" | "symlink" | "other";

export interface FileStatus {
  readonly kind: FileKind;
  readonly size: number;
  /** Permission bits only. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeMs: number;
  readonly inode: number;
  readonly device: number;
  readonly linkCount: number;
}

/** What a path is, not following a final link; `undefined` when there is nothing. */
export async function statusOf(path: string): Promise<FileStatus | undefined> {
  const status = await absentAsUndefined(fs.lstat(path));
  if (status === undefined) return undefined;
  const kind = status.isFile()
    ? "file"
    : status.isDirectory()
      ? "directory"
      : status.isSymbolicLink()
        ? "symlink"
        : "other";
  const { size, uid, gid, mtimeMs, ino: inode, dev: device, nlink: linkCount } = status;
  return { kind, size, mode: status.mode & 0o7777, uid, gid, mtimeMs, inode, device, linkCount };
}

/** Whether there is anything at this path, a dangling link included. */
export async function exists(path: string): Promise<boolean> {
  return (await absentAsUndefined(fs.lstat(path))) !== undefined;
}

/** Whether a file is there that we may run; also where we may not look at all. */
export async function isExecutable(path: string): Promise<boolean> {
  const isAllowed = await fs.access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
  return isAllowed && !(await isDirectory(path));
}

export async function isDirectory(path: string): Promise<boolean> {
  return (await absentAsUndefined(fs.stat(path)))?.isDirectory() ?? false;
}

/** The size of a file in bytes. */
export async function sizeOfFile(path: string): Promise<number> {
  return (await fs.stat(path)).size;
}

export async function readBytes(path: string): Promise<Buffer> {
  return await fs.readFile(path);
}

export async function readText(path: string): Promise<string> {
  return await fs.readFile(path, "utf8");
}

export async function readTextIfPresent(path: string): Promise<string | undefined> {
  return await absentAsUndefined(fs.readFile(path, "utf8"));
}

export async function readBytesIfPresent(path: string): Promise<Buffer | undefined> {
  return await absentAsUndefined(fs.readFile(path));
}

/** The end of a file, at most `sizeMax` bytes. */
export async function readTail(path: string, sizeMax: number): Promise<Buffer> {
  const file = await fs.open(path, "r");
  try {
    const { size } = await file.stat();
    const length = Math.min(size, sizeMax);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** The contents of a file in pieces, from a byte offset on. */
export async function* readChunks(
  path: string,
  offset: number = 0,
  chunkSize: number = 256 * 1024,
): AsyncGenerator<Uint8Array> {
  const file = await fs.open(path, "r");
  try {
    let position = offset;
    for (;;) {
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(chunkSize), 0, chunkSize, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

/** Names in a directory, sorted; empty when there is no such directory. */
export async function namesIn(path: string): Promise<string[]> {
  return ((await absentAsUndefined(fs.readdir(path))) ?? []).sort();
}

/** The files in a directory and the directories below it, by their paths from there, in order. */
export async function filesBelow(root: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of await namesIn(root)) {
    const path = `${root}/${name}`;
    if (await isDirectory(path)) found.push(...(await filesBelow(path)).map((below) => `${name}/${below}`));
    else found.push(name);
  }
  return found;
}

/** Where a symbolic link points, or `undefined` when there is no link at this path. */
export async function linkTarget(path: string): Promise<string | undefined> {
  try {
    return await fs.readlink(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "EINVAL" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

export async function ensureDirectory(path: string, mode: number = 0o777): Promise<void> {
  await fs.mkdir(path, { recursive: true, mode });
}

/** Makes a fresh directory `PREFIX<random>`. */
export async function makeTemporaryDirectory(prefix: string): Promise<string> {
  return await fs.mkdtemp(prefix);
}

export interface WriteOptions {
  readonly mode?: number | undefined;
  /** Whether the contents must survive a power cut once this returns. On by default. */
  readonly durable?: boolean | undefined;
}

/**
 * Replaces a file as a whole: readers see the old or the new contents, also after a power cut.
 * The temporary file lies beside it and is removed when writing fails.
 */
export async function writeFileAtomic(
  path: string,
  contents: Uint8Array | string | AsyncIterable<Uint8Array>,
  options: WriteOptions = {},
): Promise<void> {
  const durable = options.durable ?? true;
  const temporary = besideName(path);
  try {
    const file = await fs.open(temporary, "wx", options.mode ?? 0o644);
    try {
      if (options.mode !== undefined) await file.chmod(options.mode);
      await file.writeFile(contents);
      if (durable) await file.sync();
    } finally {
      await file.close();
    }
    await fs.rename(temporary, path);
  } catch (error) {
    await fs.rm(temporary, { force: true });
    throw error;
  }
  if (durable) await syncDirectory(parentOf(path));
}

export async function appendFile(path: string, contents: Uint8Array | string): Promise<void> {
  await fs.appendFile(path, contents);
}

/** Takes the contents of an open file away. */
export function emptyFile(fd: number): void {
  ftruncateSync(fd);
}

/** Points a symbolic link elsewhere in one step, making it when absent. */
export async function replaceSymlink(
  target: string,
  path: string,
  options: { readonly durable?: boolean } = {},
): Promise<void> {
  const temporary = besideName(path);
  await fs.symlink(target, temporary);
  try {
    await fs.rename(temporary, path);
  } catch (error) {
    await fs.rm(temporary, { force: true });
    throw error;
  }
  if (options.durable ?? true) await syncDirectory(parentOf(path));
}

export async function rename(from: string, to: string): Promise<void> {
  await fs.rename(from, to);
}

/** Moves a store object: a read-only directory must be writable while its parent changes. */
export async function moveTree(from: string, to: string): Promise<void> {
  const status = await fs.lstat(from);
  const readOnlyDirectory = status.isDirectory() && (status.mode & 0o200) === 0;
  if (readOnlyDirectory) await fs.chmod(from, 0o755);
  await fs.rename(from, to);
  if (!readOnlyDirectory) return;
  await fs.chmod(to, status.mode & 0o7777);
  await fs.utimes(to, status.atimeMs / 1000, status.mtimeMs / 1000);
}

/** Removes one file or link; nothing happens when it is absent. */
export async function removeFile(path: string): Promise<void> {
  await absentAsUndefined(fs.unlink(path));
}

/** Makes what was created, renamed or removed in a directory survive a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await fs.open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Writes everything on the file system that holds `path` to its disk. */
export function syncFileSystemOf(path: string): void {
  const fd = openSync(path, constants.O_RDONLY);
  try {
    syncFileSystem(fd);
  } finally {
    closeSync(fd);
  }
}

export async function setMode(path: string, mode: number): Promise<void> {
  await fs.chmod(path, mode);
}

/** Free bytes for us on the file system that holds a path. */
export async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await fs.statfs(path);
  return bavail * bsize;
}

/** Removes whatever is at a path, trees with read-only directories included. Returns the bytes that became free. */
export async function removeTree(path: string): Promise<number> {
  return await removeEntry(Buffer.from(path));
}

async function removeEntry(path: Buffer): Promise<number> {
  const status = await absentAsUndefined(fs.lstat(path));
  if (status === undefined) return 0;
  if (!status.isDirectory()) {
    await absentAsUndefined(fs.unlink(path));
    return status.nlink > 1 ? 0 : status.blocks * 512;
  }
  // Entries can only be removed while their directory is writable.
  if ((status.mode & 0o700) !== 0o700) await absentAsUndefined(fs.chmod(path, 0o700));
  let freed = status.blocks * 512;
  for (const name of (await absentAsUndefined(fs.readdir(path, { encoding: "buffer" }))) ?? []) {
    freed += await removeEntry(Buffer.concat([path, Buffer.from("/"), name]));
  }
  await absentAsUndefined(fs.rmdir(path));
  return freed;
}

async function absentAsUndefined<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation;
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

function besideName(path: string): string {
  return `${path}.tmp-${process.pid}-${globalThis.crypto.randomUUID().slice(-12)}`;
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "." : slash === 0 ? "/" : path.slice(0, slash);
}

/** A file that grows by pieces in order, such as a log. Writing is synchronous, so that nothing is lost at a crash. */
export interface AppendingFile extends Disposable {
  write(bytes: Uint8Array): void;
}

export function createFile(path: string, mode: number = 0o644): AppendingFile {
  return appending(openSync(path, "w", mode), { durable: false });
}

/** Opens a file to add to its end; what was written survives a power cut. */
export function openLog(path: string, mode: number = 0o600): AppendingFile {
  return appending(openSync(path, "a", mode), { durable: true });
}

function appending(fd: number, { durable }: { readonly durable: boolean }): AppendingFile {
  let isOpen = true;
  return {
    write: (bytes) => {
      for (let start = 0; start < bytes.length;) start += writeSync(fd, bytes, start);
      if (durable) fsyncSync(fd);
    },
    [Symbol.dispose]: () => {
      if (isOpen) closeSync(fd);
      isOpen = false;
    },
  };
}
