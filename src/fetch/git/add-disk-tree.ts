/** Copies what lies on disk into a tree that is being built. */

import { diskTree, type DiskTree } from "../../system/tree.ts";
import type { TreeBuilder } from "../../system/tree-builder.ts";

/** Adds the tree at `root` below `path`. */
export async function addDiskTree(
  builder: TreeBuilder,
  path: readonly string[],
  root: string,
  signal: AbortSignal,
): Promise<void> {
  const tree = diskTree(root);
  const visit = async (below: string): Promise<void> => {
    signal.throwIfAborted();
    const at = [...path, ...(below === "" ? [] : below.split("/"))];
    const node = tree.node(below);
    if (node.type !== "directory") return await addDiskFile(builder, at, tree, below);
    builder.directory(at);
    for (const name of node.names) await visit(below === "" ? name : `${below}/${name}`);
  };
  await visit("");
}

/** Adds one file or link, which is at `from` in `tree`; anything else is passed over. */
export async function addDiskFile(
  builder: TreeBuilder,
  path: readonly string[],
  tree: DiskTree,
  from: string,
): Promise<void> {
  const node = tree.node(from);
  if (node.type === "symlink") builder.symlink(path, node.target);
  else if (node.type === "regular") await builder.file(path, node.executable, asAsync(tree.read(from, node.size)));
}

async function* asAsync(chunks: Iterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  yield* chunks;
}
