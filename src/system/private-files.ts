/**
 * Small files that only this user may have written: what others could have put there is not looked at.
 *
 * Synchronous, for programs that want one answer from one file before anything else. Nothing here is durable: after a
 * power cut a file may be damaged, which its reader must notice.
 */

import * as fs from "node:fs";
import { join } from "node:path";

const FILE_BYTES_MAX = 512 * 1024 * 1024;

export class PrivateDirectory {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** The directory, when it is there, is this user's, and nobody else can write to it. */
  static open(path: string): PrivateDirectory | undefined {
    try {
      const status = fs.lstatSync(path, { throwIfNoEntry: false });
      if (status === undefined || !status.isDirectory() || !isOurs(status)) return undefined;
      return new PrivateDirectory(path);
    } catch (error) {
      // A directory above it that may not be looked into hides it as well as if it were not there.
      if (isSystemCall(error)) return undefined;
      throw error;
    }
  }

  /** The same, made when it is absent; `undefined` when that cannot be done. */
  static make(path: string): PrivateDirectory | undefined {
    try {
      fs.mkdirSync(path, { recursive: true, mode: 0o700 });
    } catch (error) {
      if (isSystemCall(error)) return undefined;
      throw error;
    }
    return PrivateDirectory.open(path);
  }

  /** The contents of a file; `undefined` when it is absent, somebody else's, or cannot be read. */
  read(name: string): Buffer | undefined {
    let fd: number | undefined;
    try {
      fd = fs.openSync(
        join(this.path, name),
        fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK,
      );
      const status = fs.fstatSync(fd);
      if (!status.isFile() || !isOurs(status) || status.size > FILE_BYTES_MAX) return undefined;
      return fs.readFileSync(fd);
    } catch (error) {
      if (isSystemCall(error)) return undefined;
      throw error;
    } finally {
      if (fd !== undefined) fs.closeSync(fd);
    }
  }

  /** Replaces a file as a whole; answers whether that could be done. */
  write(name: string, contents: Uint8Array | string): boolean {
    const temporary = join(this.path, `.tmp-${process.pid}-${Math.random().toString(36).slice(2)}`);
    try {
      fs.writeFileSync(temporary, contents, { flag: "wx", mode: 0o600 });
      fs.renameSync(temporary, join(this.path, name));
      return true;
    } catch (error) {
      fs.rmSync(temporary, { force: true });
      if (isSystemCall(error)) return false;
      throw error;
    }
  }

  remove(name: string): void {
    fs.rmSync(join(this.path, name), { force: true });
  }

  /** Notes that a file was used. */
  touch(name: string): void {
    const now = new Date();
    try {
      fs.utimesSync(join(this.path, name), now, now);
    } catch (error) {
      // Another process may have removed it.
      if (!isSystemCall(error)) throw error;
    }
  }

  /** All files with their sizes and when they were last written or touched. */
  list(): readonly { readonly name: string; readonly size: number; readonly usedMs: number }[] {
    const found: { name: string; size: number; usedMs: number }[] = [];
    for (const name of fs.readdirSync(this.path)) {
      const status = fs.lstatSync(join(this.path, name), { throwIfNoEntry: false });
      if (status?.isFile() === true) found.push({ name, size: status.size, usedMs: status.mtimeMs });
    }
    return found;
  }
}

function isOurs(status: fs.Stats): boolean {
  return status.uid === process.geteuid?.() && (status.mode & 0o022) === 0;
}

function isSystemCall(error: unknown): boolean {
  return typeof (error as { readonly syscall?: unknown }).syscall === "string";
}
