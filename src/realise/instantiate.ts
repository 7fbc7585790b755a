/** Writes what an evaluation made into a store: derivations, and the sources and texts they need. */

import { InvariantError, OperationError } from "../base/errors.ts";
import { type ContentAddress, contentAddressedPath, renderContentAddress } from "../format/content-address.ts";
import { hashBytes } from "../format/hash.ts";
import { memoryTreeSource } from "../format/memory-tree.ts";
import { narChunks, narHash, type SyncTreeSource, type TreeFilter } from "../format/nar.ts";
import type { PathInfo } from "../format/path-info.ts";
import { StorePath } from "../format/store-path.ts";
import type { StoreItem, WriteStore } from "../store/store.ts";
import { diskTree } from "../system/tree.ts";
import type { EvaluationResult, SourcePath } from "./evaluation-request.ts";

type Made = Pick<EvaluationResult, "derivations" | "sources" | "evaluateAgain">;

/**
 * Adds the closures of some of an evaluation's derivations (full paths; also `DRV!OUTPUT`) and sources to a store.
 * What is valid there already is neither read nor written.
 */
export async function instantiate(
  made: Made,
  roots: readonly string[],
  store: WriteStore,
  signal: AbortSignal,
): Promise<void> {
  const rootPaths = [...new Set(roots.map((root) => root.replace(/![^!/]*$/, "")))];
  const atHand = await makeAtHand(made, rootPaths, store, signal);
  if (atHand !== undefined) await addClosures(atHand, rootPaths, store, signal);
}

/** What an evaluation made, evaluated again when it was remembered; `undefined` when the store has all that is needed. */
async function makeAtHand(
  made: Made,
  rootPaths: readonly string[],
  store: WriteStore,
  signal: AbortSignal,
): Promise<Made | undefined> {
  if (made.evaluateAgain === undefined) return made;
  const parsed = rootPaths.map((path) => StorePath.ofFull(path, store.storeDir));
  const valid = await store.validPaths(parsed, signal);
  if (parsed.every((path) => valid.has(path.baseName))) return undefined;
  return (await isWhole(made, rootPaths, store, signal)) ? made : await made.evaluateAgain(signal);
}

/** Whether the store has all that a partial result lacks. */
async function isWhole(
  made: Made,
  rootPaths: readonly string[],
  store: WriteStore,
  signal: AbortSignal,
): Promise<boolean> {
  if (made.derivations.size === 0) return false;
  const lacking = new Set<string>();
  const order = referencesFirst(made, rootPaths, (path) => lacking.add(path));
  if (order.length === 0) return false;
  const parsed = [...lacking].map((path) => StorePath.ofFull(path, store.storeDir));
  const valid = await store.validPaths(parsed, signal);
  return parsed.every((path) => valid.has(path.baseName));
}

async function addClosures(
  made: Made,
  rootPaths: readonly string[],
  store: WriteStore,
  signal: AbortSignal,
): Promise<void> {
  const order = referencesFirst(made, rootPaths);
  const parsed = order.map((path) => StorePath.ofFull(path, store.storeDir));
  const valid = await store.validPaths(parsed, signal);
  const items: StoreItem[] = [];
  for (const [index, path] of parsed.entries()) {
    if (!valid.has(path.baseName)) items.push(storeItem(made, order[index]!, path, store.storeDir));
  }
  if (items.length > 0) await store.addMany(items, signal);
}

/** The paths of this evaluation that the roots need, each after what it refers to. */
function referencesFirst(made: Made, roots: readonly string[], onLacking?: (path: string) => void): readonly string[] {
  const order: string[] = [];
  const entered = new Set<string>();
  const stack: { readonly path: string; readonly references: readonly string[]; next: number }[] = [];
  const enter = (path: string): void => {
    if (entered.has(path)) return;
    entered.add(path);
    const references = referencesOf(made, path);
    // What this evaluation did not make is in the store already.
    if (references !== undefined) stack.push({ path, references, next: 0 });
    else onLacking?.(path);
  };
  for (const root of roots) {
    enter(root);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const reference = top.references[top.next++];
      if (reference !== undefined) enter(reference);
      else order.push(stack.pop()!.path);
    }
  }
  return order;
}

function referencesOf(made: Made, path: string): readonly string[] | undefined {
  const drv = made.derivations.get(path);
  if (drv !== undefined) return drv.references;
  const source = made.sources.get(path);
  if (source === undefined) return undefined;
  return source.kind === "text" ? source.references : [];
}

function storeItem(made: Made, full: string, path: StorePath, storeDir: string): StoreItem {
  const drv = made.derivations.get(full);
  if (drv !== undefined) return textItem(path, drv.aterm, drv.references, storeDir);
  const source = made.sources.get(full);
  if (source === undefined) throw new InvariantError(`nothing is known of '${full}'`);
  if (source.kind === "text") return textItem(path, source.contents, source.references, storeDir);
  return sourceItem(path, source, storeDir);
}

/** Refuses a source that is no longer what it was when evaluation hashed it. */
function checkUnchanged(path: StorePath, source: LocalSource, address: ContentAddress, storeDir: string): void {
  if (contentAddressedPath(storeDir, path.name, address).equals(path)) return;
  throw new OperationError("SOURCE_CHANGED", `'${source.localPath}' changed after it was evaluated`, {
    hint: "run the same command again",
    retryable: true,
  });
}

function infoOf(path: StorePath, tree: SyncTreeSource, filter: TreeFilter | undefined): PathInfo {
  const { hash, size } = narHash(tree, filter === undefined ? {} : { filter });
  return {
    path,
    narHash: hash,
    narSize: size,
    references: [],
    signatures: [],
    ultimate: false,
    registrationTime: Math.floor(Date.now() / 1000),
  };
}

function textItem(path: StorePath, contents: Uint8Array, references: readonly string[], storeDir: string): StoreItem {
  const tree = memoryTreeSource({ type: "regular", executable: false, contents });
  const info: PathInfo = {
    ...infoOf(path, tree, undefined),
    references: references.map((reference) => StorePath.ofFull(reference, storeDir)),
    contentAddress: renderContentAddress({ method: "text", hash: hashBytes("sha256", contents) }),
  };
  return { info, nar: () => asAsync(narChunks(tree)) };
}

type LocalSource = Extract<SourcePath, { readonly kind: "path" }>;

function sourceItem(path: StorePath, source: LocalSource, storeDir: string): StoreItem {
  const tree = formerTree(diskTree(source.localPath), source.former);
  const included = source.included === undefined ? undefined : new Set(source.included);
  const filter = included === undefined ? undefined : (entry: string): boolean => included.has(entry);
  if (!source.recursive) return fileItem(path, source, tree, storeDir);
  const info = infoOf(path, tree, filter);
  const address: ContentAddress = { method: "nar", hash: info.narHash };
  checkUnchanged(path, source, address, storeDir);
  return {
    info: { ...info, contentAddress: renderContentAddress(address) },
    nar: () => asAsync(narChunks(tree, filter)),
  };
}

/** A tree as it was before one of its files was replaced. */
function formerTree(tree: SyncTreeSource, former: LocalSource["former"]): SyncTreeSource {
  if (former === undefined) return tree;
  const { path, contents } = former;
  const parent = path.slice(0, Math.max(path.lastIndexOf("/"), 0));
  const name = path.slice(path.lastIndexOf("/") + 1);
  return {
    node(at) {
      const node = tree.node(at);
      if (at === path && contents !== undefined) return { type: "regular", executable: false, size: contents.length };
      if (at !== parent || contents !== undefined || node.type !== "directory") return node;
      return { ...node, names: node.names.filter((entry) => entry !== name) };
    },
    read: (at, size) => (at === path && contents !== undefined ? [contents] : tree.read(at, size)),
  };
}

/** One file whose bytes are the object: what it may do is not part of it. */
function fileItem(path: StorePath, source: LocalSource, tree: SyncTreeSource, storeDir: string): StoreItem {
  const node = tree.node("");
  if (node.type !== "regular") throw new InvariantError(`'${path.baseName}' is no longer a file`);
  const contents = Buffer.concat([...tree.read("", node.size)]);
  const plain = memoryTreeSource({ type: "regular", executable: false, contents });
  const address: ContentAddress = { method: "flat", hash: hashBytes("sha256", contents) };
  checkUnchanged(path, source, address, storeDir);
  return {
    info: { ...infoOf(path, plain, undefined), contentAddress: renderContentAddress(address) },
    nar: () => asAsync(narChunks(plain)),
  };
}

async function* asAsync(chunks: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* chunks;
}
