/** File system trees in memory: as what a NAR is made from, and as what it is decoded to. */

import { FormatError } from "../base/errors.ts";
import type { SyncTreeSource, TreeNode } from "./nar.ts";
import { decodeNar, type NarSink } from "./nar-decoder.ts";

/** A tree; names and targets are byte strings. */
export type MemoryTree =
  | { readonly type: "regular"; readonly executable: boolean; readonly contents: Uint8Array }
  | { readonly type: "symlink"; readonly target: string }
  | { readonly type: "directory"; readonly entries: ReadonlyMap<string, MemoryTree> };

export function memoryTreeSource(tree: MemoryTree): SyncTreeSource {
  const find = (path: string): MemoryTree => {
    let node = tree;
    if (path === "") return node;
    for (const name of path.split("/")) {
      const child = node.type === "directory" ? node.entries.get(name) : undefined;
      if (child === undefined) throw new FormatError("tree", `nothing at '${path}'`);
      node = child;
    }
    return node;
  };
  return {
    node(path): TreeNode {
      const node = find(path);
      if (node.type === "regular") {
        return { type: "regular", executable: node.executable, size: node.contents.length };
      }
      return node.type === "symlink" ? node : { type: "directory", names: [...node.entries.keys()] };
    },
    read(path) {
      const node = find(path);
      if (node.type !== "regular") throw new FormatError("tree", `'${path}' is not a file`);
      return [node.contents];
    },
  };
}

/** Gathers what a decoder tells it. */
export class MemoryTreeSink implements NarSink {
  #root: MemoryTree | undefined;
  readonly #stack: Map<string, MemoryTree>[] = [];
  #chunks: Uint8Array[] = [];
  #file: { readonly path: string; readonly executable: boolean } | undefined;

  /** The tree, once the archive is complete. */
  get tree(): MemoryTree {
    if (this.#root === undefined) throw new FormatError("tree", "is not complete");
    return this.#root;
  }

  directory(path: string): void {
    const entries = new Map<string, MemoryTree>();
    this.#put(path, { type: "directory", entries });
    this.#stack.push(entries);
  }

  symlink(path: string, target: string): void {
    this.#put(path, { type: "symlink", target });
  }

  regular(path: string, file: { readonly executable: boolean; readonly size: number }): void {
    this.#file = { path, executable: file.executable };
    this.#chunks = [];
  }

  data(chunk: Uint8Array): void {
    this.#chunks.push(Uint8Array.from(chunk));
  }

  regularEnd(): void {
    const { path, executable } = this.#file!;
    this.#put(path, { type: "regular", executable, contents: Buffer.concat(this.#chunks) });
  }

  directoryEnd(): void {
    this.#stack.pop();
  }

  #put(path: string, node: MemoryTree): void {
    const parent = this.#stack.at(-1);
    if (parent === undefined) this.#root = node;
    else parent.set(path.slice(path.lastIndexOf("/") + 1), node);
  }
}

/** Decodes an archive to a tree in memory; throws `FormatError`. */
export function decodeNarTree(bytes: Uint8Array): MemoryTree {
  const sink = new MemoryTreeSink();
  decodeNar(bytes, sink);
  return sink.tree;
}
