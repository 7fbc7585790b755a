/**
 * Writes a tree whose members come in any order and from anyone, as archives have them.
 *
 * Nothing is ever written through a link: links are made when everything else is there, and which names are
 * directories is known here, not asked of the disk. Paths are lists of byte strings, none of them empty, `.` or `..`.
 */

import * as fs from "node:fs";
import { byteStringOfText } from "../base/byte-string.ts";
import { OperationError } from "../base/errors.ts";

interface DirectoryNode {
  readonly kind: "directory";
  readonly entries: Map<string, Node>;
}

type Node =
  | DirectoryNode
  | { readonly kind: "file"; readonly executable: boolean }
  | { readonly kind: "symlink"; readonly target: string };

export interface TreeLimits {
  readonly entriesMax: number;
  readonly bytesMax: number;
}

export class TreeBuilder {
  readonly #root: string;
  readonly #limits: TreeLimits;
  readonly #tree: DirectoryNode = { kind: "directory", entries: new Map() };
  readonly #hardlinks = new Map<string, { readonly path: readonly string[]; readonly target: readonly string[] }>();
  #entryCount = 0;
  #byteCount = 0;

  /** `root` is an ordinary path where nothing is yet. */
  constructor(root: string, limits: TreeLimits) {
    this.#root = root;
    this.#limits = limits;
    fs.mkdirSync(root, 0o755);
  }

  directory(path: readonly string[]): void {
    if (path.length === 0) return;
    const { parent, name } = this.#parentOf(path);
    if (!parent.entries.has(name)) this.#addDirectory(parent, path, name);
  }

  symlink(path: readonly string[], target: string): void {
    const { parent, name } = this.#parentOf(path);
    if (parent.entries.has(name)) return;
    this.#count(path);
    parent.entries.set(name, { kind: "symlink", target });
  }

  /** Made at the end, when what it names has come. */
  hardlink(path: readonly string[], target: readonly string[]): void {
    this.#count(path);
    this.#hardlinks.set(path.join("/"), { path, target });
  }

  /** A file takes the place of whatever was there. */
  async file(path: readonly string[], executable: boolean, contents: AsyncIterable<Uint8Array>): Promise<void> {
    const { parent, name } = this.#parentOf(path);
    const at = this.#at(path);
    this.#count(path);
    if (parent.entries.has(name)) fs.rmSync(at, { recursive: true, force: true });
    parent.entries.set(name, { kind: "file", executable });
    const fd = fs.openSync(at, "wx", executable ? 0o755 : 0o644);
    try {
      for await (const chunk of contents) {
        this.#byteCount += chunk.length;
        if (this.#byteCount > this.#limits.bytesMax) throw tooLarge(`more than ${this.#limits.bytesMax} bytes`);
        for (let offset = 0; offset < chunk.length;) offset += fs.writeSync(fd, chunk, offset);
      }
      fs.fchmodSync(fd, executable ? 0o755 : 0o644);
    } finally {
      fs.closeSync(fd);
    }
  }

  /** Makes the links; answers the name of the one directory that is all there is, if so it is. */
  finish(): string | undefined {
    for (const key of [...this.#hardlinks.keys()].toSorted()) this.#makeHardlink(this.#hardlinks.get(key)!);
    this.#makeSymlinks([], this.#tree);
    const [only, ...others] = this.#tree.entries;
    return only?.[1].kind === "directory" && others.length === 0 ? only[0] : undefined;
  }

  #makeHardlink(link: { readonly path: readonly string[]; readonly target: readonly string[] }): void {
    const shown = `/${link.path.join("/")}`;
    if (link.target.length === 0) return;
    const { parent: from, name: fromName } = this.#parentOf(link.target, { mustExist: true });
    const node = from.entries.get(fromName);
    if (node === undefined) throw badMember(shown, `path '/${link.target.join("/")}' does not exist`);
    if (node.kind === "directory") throw badMember(shown, "cannot create a hard link to a directory");
    const { parent, name } = this.#parentOf(link.path);
    if (parent.entries.has(name)) return;
    parent.entries.set(name, node);
    if (node.kind === "file") fs.copyFileSync(this.#at(link.target), this.#at(link.path));
  }

  #makeSymlinks(path: readonly string[], directory: DirectoryNode): void {
    for (const [name, node] of directory.entries) {
      const below = [...path, name];
      if (node.kind === "directory") this.#makeSymlinks(below, node);
      else if (node.kind === "symlink") fs.symlinkSync(Buffer.from(node.target, "latin1"), this.#at(below));
    }
  }

  #parentOf(
    path: readonly string[],
    options: { readonly mustExist?: boolean } = {},
  ): { readonly parent: DirectoryNode; readonly name: string } {
    const name = path.at(-1);
    const shown = `/${path.join("/")}`;
    if (name === undefined) throw badMember("/", "the archive has a file instead of a directory at its root");
    let parent = this.#tree;
    for (const [index, part] of path.slice(0, -1).entries()) {
      let next = parent.entries.get(part);
      if (next === undefined && options.mustExist === true) throw badMember(shown, `path '${shown}' does not exist`);
      next ??= this.#addDirectory(parent, path.slice(0, index + 1), part);
      if (next.kind !== "directory") throw badMember(shown, `path '${shown}' has a non-directory parent`);
      parent = next;
    }
    return { parent, name };
  }

  #addDirectory(parent: DirectoryNode, path: readonly string[], name: string): DirectoryNode {
    this.#count(path);
    const made: DirectoryNode = { kind: "directory", entries: new Map() };
    fs.mkdirSync(this.#at(path), 0o755);
    parent.entries.set(name, made);
    return made;
  }

  #count(path: readonly string[]): void {
    if (++this.#entryCount > this.#limits.entriesMax) throw tooLarge(`more than ${this.#limits.entriesMax} members`);
    const name = path.at(-1) ?? "";
    if (name.length > NAME_BYTES_MAX || path.length > DEPTH_MAX) {
      throw badMember(`/${path.join("/")}`.slice(0, SHOWN_CHARS_MAX), "its path is too long");
    }
  }

  #at(path: readonly string[]): Buffer {
    return Buffer.from(`${byteStringOfText(this.#root)}/${path.join("/")}`, "latin1");
  }
}

const NAME_BYTES_MAX = 255;
const DEPTH_MAX = 512;
const SHOWN_CHARS_MAX = 200;

function tooLarge(what: string): OperationError {
  return new OperationError("ARCHIVE_TOO_LARGE", `the archive unpacks to ${what}`);
}

function badMember(path: string, reason: string): OperationError {
  return new OperationError("ARCHIVE_INVALID", `member '${path}' of the archive: ${reason}`);
}
