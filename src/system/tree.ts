/**
 * Store objects on disk: read as the tree an archive is made from, written as an archive is decoded.
 *
 * The calls are synchronous: for many small files that is several times faster than Node's thread pool, and callers
 * return to the event loop between chunks. Paths are relative byte strings, as in an archive. What is written is in
 * canonical form at once: mode 0444 or 0555, modification time 1, so that no second pass is needed.
 */

import * as fs from "node:fs";
import { byteStringOfText } from "../base/byte-string.ts";
import { removeXattrs } from "./native.ts";

export type DiskNode =
  | { readonly type: "regular"; readonly executable: boolean; readonly size: number }
  | { readonly type: "symlink"; readonly target: string }
  | { readonly type: "directory"; readonly names: readonly string[] }
  | { readonly type: "unknown" };

/** What an archive is made from (`SyncTreeSource` of the archive's module). */
export interface DiskTree {
  /** What the file system says of a node; `status`, when it was just asked. */
  node(path: string, status?: fs.Stats): DiskNode;
  status(path: string): fs.Stats;
  read(path: string, size: number): Iterable<Uint8Array>;
  /** When the object itself was last modified, in whole seconds. */
  modifiedAt(path: string): number;
}

const READ_BYTES = 256 * 1024;

/** The tree at `root`, an ordinary path. */
export function diskTree(root: string): DiskTree {
  const statusOf = (path: string): fs.Stats => fs.lstatSync(pathOnDisk(root, path));
  return {
    status: statusOf,
    node(path, status = statusOf(path)) {
      const at = pathOnDisk(root, path);
      if (status.isFile()) return { type: "regular", executable: (status.mode & 0o100) !== 0, size: status.size };
      if (status.isDirectory()) return { type: "directory", names: fs.readdirSync(at, "latin1") };
      if (status.isSymbolicLink()) return { type: "symlink", target: fs.readlinkSync(at, "latin1") };
      return { type: "unknown" };
    },
    modifiedAt(path) {
      return Math.floor(fs.lstatSync(pathOnDisk(root, path)).mtimeMs / 1000);
    },
    *read(path, size) {
      const fd = fs.openSync(pathOnDisk(root, path), fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
      try {
        let left = size;
        while (left > 0) {
          const buffer = Buffer.allocUnsafe(Math.min(left, READ_BYTES));
          const count = fs.readSync(fd, buffer, 0, buffer.length, null);
          // The file became shorter: the reader notices that bytes are missing.
          if (count === 0) return;
          left -= count;
          yield buffer.subarray(0, count);
        }
      } finally {
        fs.closeSync(fd);
      }
    },
  };
}

/** Writes a tree in canonical form (`NarSink` of the decoder's module). The path must be free. */
export class DiskTreeSink {
  readonly #root: string;
  /** Whether our umask takes permissions away that every object has. */
  readonly #umaskInterferes: boolean;
  #fd = -1;
  #executable = false;

  constructor(root: string) {
    this.#root = root;
    this.#umaskInterferes = (currentUmask() & 0o555) !== 0;
  }

  directory(path: string): void {
    fs.mkdirSync(pathOnDisk(this.#root, path), 0o755);
  }

  directoryEnd(path: string): void {
    const at = pathOnDisk(this.#root, path);
    fs.chmodSync(at, 0o555);
    fs.utimesSync(at, 1, 1);
  }

  symlink(path: string, target: string): void {
    const at = pathOnDisk(this.#root, path);
    fs.symlinkSync(isAscii(target) ? target : Buffer.from(target, "latin1"), at);
    fs.lutimesSync(at, 1, 1);
  }

  regular(path: string, file: { readonly executable: boolean; readonly size: number }): void {
    this.#executable = file.executable;
    this.#fd = fs.openSync(pathOnDisk(this.#root, path), "wx", file.executable ? 0o555 : 0o444);
  }

  data(chunk: Uint8Array): void {
    for (let offset = 0; offset < chunk.length;) offset += fs.writeSync(this.#fd, chunk, offset);
  }

  regularEnd(): void {
    if (this.#umaskInterferes) fs.fchmodSync(this.#fd, this.#executable ? 0o555 : 0o444);
    fs.futimesSync(this.#fd, 1, 1);
    this.close();
  }

  /** Closes the file that was being written, after a failure. */
  close(): void {
    if (this.#fd >= 0) fs.closeSync(this.#fd);
    this.#fd = -1;
  }
}

/** What is wrong with a tree that a builder left. */
export interface TreeFault {
  readonly path: string;
  readonly reason: string;
}

/**
 * Brings a tree that a builder wrote to canonical form: modes, times, owner, no extended attributes.
 *
 * Returns the first thing that no store object may hold, or `undefined`. `ownerRequired` refuses files of others, which
 * a builder could have linked in from outside.
 */
export function canonicaliseTree(
  root: string,
  options: { readonly ownerRequired?: number } = {},
): TreeFault | undefined {
  const visit = (path: string): TreeFault | undefined => {
    const at = pathOnDisk(root, path);
    const status = fs.lstatSync(at);
    if (!status.isFile() && !status.isDirectory() && !status.isSymbolicLink()) {
      return { path, reason: "is neither a file, a directory nor a symbolic link" };
    }
    if (options.ownerRequired !== undefined && status.uid !== options.ownerRequired) {
      return { path, reason: `belongs to user ${status.uid}, not to the builder` };
    }
    if (status.isSymbolicLink()) {
      fs.lutimesSync(at, 1, 1);
      return undefined;
    }
    removeXattrs(at);
    if (status.isDirectory()) {
      // Entries can only be reached while the directory may be read and searched.
      fs.chmodSync(at, 0o755);
      for (const name of fs.readdirSync(at, "latin1")) {
        const fault = visit(path === "" ? name : `${path}/${name}`);
        if (fault !== undefined) return fault;
      }
      fs.chmodSync(at, 0o555);
    } else {
      const mode = (status.mode & 0o100) !== 0 ? 0o555 : 0o444;
      if ((status.mode & 0o7777) !== mode) fs.chmodSync(at, mode);
    }
    fs.utimesSync(at, 1, 1);
    return undefined;
  };
  return visit("");
}

function pathOnDisk(root: string, path: string): string | Buffer {
  if (path === "") return root;
  if (isAscii(path)) return `${root}/${path}`;
  return Buffer.from(`${byteStringOfText(root)}/${path}`, "latin1");
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

function currentUmask(): number {
  // Reading the mask means setting it; there is no other thread of ours that creates files in between.
  const mask = process.umask(0o022);
  process.umask(mask);
  return mask;
}
