/** Copies a closure under other paths, which follow from the contents. */

import { topologicalOrder } from "../format/closure-graph.ts";
import { type ContentAddress, contentAddressedPath, renderContentAddress } from "../format/content-address.ts";
import { ContentHasher } from "../format/content-hasher.ts";
import { Hasher } from "../format/hash.ts";
import type { PathInfo } from "../format/path-info.ts";
import { replaceInChunks } from "../format/replace-bytes.ts";
import type { StorePath } from "../format/store-path.ts";
import { temporaryDirectory } from "../system/directories.ts";
import { createFile, makeTemporaryDirectory, readChunks, removeTree } from "../system/files.ts";
import { closureInfos } from "./copy.ts";
import type { ReadStore, WriteStore } from "./store.ts";

/**
 * Makes the closure of `root` valid in `to` with paths that follow from the contents; answers the new path of `root`.
 * What refers to a path that changed is changed alike.
 */
export async function makeContentAddressed(options: {
  readonly from: ReadStore;
  readonly to: WriteStore;
  readonly root: StorePath;
  readonly signal: AbortSignal;
}): Promise<StorePath> {
  const { from, to, root, signal } = options;
  const closure = await closureInfos(from, [root], signal);
  const order = topologicalOrder(
    [...closure.values()].map((info) => info.path),
    (path) => closure.get(path.baseName)?.references ?? [],
  );
  const renamed = new Map<string, StorePath>();
  const directory = await makeTemporaryDirectory(`${temporaryDirectory()}/pristine-rewrite-`);
  try {
    for (const path of order) {
      const info = closure.get(path.baseName)!;
      renamed.set(path.baseName, await rewrite({ from, to, info, renamed, file: `${directory}/nar`, signal }));
    }
  } finally {
    await removeTree(directory);
  }
  return renamed.get(root.baseName)!;
}

interface Rewriting {
  readonly from: ReadStore;
  readonly to: WriteStore;
  readonly info: PathInfo;
  /** New paths of what it refers to. */
  readonly renamed: ReadonlyMap<string, StorePath>;
  /** Where the archive is kept between finding out its path and writing it. */
  readonly file: string;
  readonly signal: AbortSignal;
}

async function rewrite({ from, to, info, renamed, file, signal }: Rewriting): Promise<StorePath> {
  const { storeDir } = to;
  const others: StorePath[] = [];
  const replacements = new Map<string, string>();
  for (const reference of info.references) {
    if (reference.equals(info.path)) continue;
    const replacement = renamed.get(reference.baseName) ?? reference;
    others.push(replacement);
    if (!replacement.equals(reference)) {
      replacements.set(reference.render(from.storeDir), replacement.render(storeDir));
    }
  }
  const hasher = new ContentHasher("nar", "sha256", info.path);
  {
    using archive = createFile(file);
    for await (const chunk of replaceInChunks(from.nar(info.path, signal), replacements)) {
      hasher.update(chunk);
      archive.write(chunk);
    }
  }
  const address: ContentAddress = { method: "nar", hash: hasher.digest() };
  const self = info.references.some((reference) => reference.equals(info.path));
  const path = contentAddressedPath(storeDir, info.path.name, address, { others, self });
  const nar = (): AsyncIterable<Uint8Array> =>
    replaceInChunks(readChunks(file), new Map([[info.path.digest, path.digest]]));
  const present = await to.pathInfo(path, signal);
  if (present !== undefined) {
    // Kept from collectors like what is new.
    await to.addMany([{ info: present, nar }], signal);
    return path;
  }
  const narHasher = new Hasher("sha256");
  let narSize = 0;
  for await (const chunk of nar()) {
    narHasher.update(chunk);
    narSize += chunk.length;
  }
  const rewritten: PathInfo = {
    path,
    narHash: narHasher.digest(),
    narSize,
    references: self ? [...others, path] : others,
    signatures: [],
    contentAddress: renderContentAddress(address),
    ultimate: false,
    registrationTime: 0,
  };
  await to.add(rewritten, nar(), signal);
  return path;
}
