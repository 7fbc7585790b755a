/**
 * Collection: deletes what no root reaches.
 *
 * The reference graph is read once and marked in memory. Paths become invalid in the database before their files go,
 * so an interruption leaves files that are not valid, which the next collection removes.
 */

import { OperationError } from "../base/errors.ts";
import { StorePath } from "../format/store-path.ts";
import { topologicalOrder } from "../format/closure-graph.ts";
import { namesIn, removeFile, removeTree, statusOf } from "../system/files.ts";
import { lockFile, tryLockFile } from "../system/flock.ts";
import { findRoots } from "./gc-roots.ts";
import type { StoreDatabase } from "./store-database.ts";
import type { StoreLayout } from "./store-layout.ts";
import type { CollectOutcome } from "./store.ts";
import { readTempRoots } from "./temp-roots.ts";

export interface CollectOptions {
  readonly dryRun?: boolean | undefined;
  /** Keep the derivations that live paths were made from, as Nix does by default. */
  readonly keepDerivations?: boolean | undefined;
  /** Only these, and none of them unless all can go. */
  readonly only?: readonly StorePath[] | undefined;
  readonly signal: AbortSignal;
}

/** Invalidated together: one transaction, and little lost when interrupted. */
const BATCH_PATHS = 1_000;
const DIGEST_CHARS = 32;
const LINKS_DIRECTORY = ".links";

export async function collectGarbage(
  layout: StoreLayout,
  database: StoreDatabase,
  options: CollectOptions,
): Promise<CollectOutcome> {
  const { signal } = options;
  const dryRun = options.dryRun ?? false;
  // While this is held nobody can add temporary roots.
  const lock = await lockFile(layout.gcLock, { signal });
  try {
    const tempRoots = await readTempRoots(layout);
    const roots = [...(await findRoots(layout, { dryRun })).map((root) => root.path), ...tempRoots];
    const graph = database.graph();
    const live = mark(graph, roots, options.keepDerivations ?? true);
    const wanted = options.only?.map((path) => path.baseName);
    if (wanted !== undefined) requireDeletable(layout, graph, live, wanted);
    const dead = topologicalOrder(
      (wanted ?? [...graph.keys()])
        .filter((name) => graph.has(name) && !live.has(name))
        .map((name) => StorePath.of(name)),
      (path) =>
        (graph.get(path.baseName)?.references ?? [])
          .filter((name) => !live.has(name))
          .map((name) => StorePath.of(name)),
    ).reverse();
    const deleted = dead.map((path) => path.baseName);
    const deadBytes = dead.reduce((sum, path) => sum + (graph.get(path.baseName)?.narSize ?? 0), 0);
    if (dryRun) return { deleted, freedBytes: deadBytes, keptCount: live.size };

    let freedBytes = 0;
    for (let start = 0; start < dead.length; start += BATCH_PATHS) {
      signal.throwIfAborted();
      const batch = dead.slice(start, start + BATCH_PATHS);
      database.invalidate(batch);
      for (const path of batch) freedBytes += await removeTree(layout.realPath(path));
    }
    if (wanted !== undefined) return { deleted, freedBytes, keptCount: graph.size - dead.length };
    freedBytes += await removeLeftovers(layout, live, new Set(tempRoots.map((path) => path.digest)), signal);
    freedBytes += await removeUnusedLinks(layout, signal);
    if (dead.length > 0) database.checkpoint();
    return { deleted, freedBytes, keptCount: live.size };
  } finally {
    lock.release();
  }
}

type Graph = ReturnType<StoreDatabase["graph"]>;

function mark(graph: Graph, roots: readonly StorePath[], keepDerivations: boolean): Set<string> {
  const live = new Set<string>();
  const stack = roots.map((path) => path.baseName);
  for (let name = stack.pop(); name !== undefined; name = stack.pop()) {
    const node = graph.get(name);
    if (node === undefined || live.has(name)) continue;
    live.add(name);
    stack.push(...node.references);
    if (keepDerivations && node.deriver !== undefined) stack.push(node.deriver);
  }
  return live;
}

/** Refuses to delete what is alive, or what something refers to that is not deleted with it. */
function requireDeletable(
  layout: StoreLayout,
  graph: Graph,
  live: ReadonlySet<string>,
  wanted: readonly string[],
): void {
  const deleted = new Set(wanted);
  const kept = new Set<string>(live);
  for (const [name, { references }] of graph) {
    if (!deleted.has(name)) for (const reference of references) kept.add(reference);
  }
  const refused = wanted.find((name) => kept.has(name));
  if (refused === undefined) return;
  throw new OperationError(
    "PATH_ALIVE",
    `Cannot delete path '${layout.storeDir}/${refused}' since it is still alive. ` +
      "To find out why, use: nix-store --query --roots and nix-store --query --referrers",
  );
}

/** Removes what lies in the store directory without being valid, unless a living process is making it. */
async function removeLeftovers(
  layout: StoreLayout,
  live: ReadonlySet<string>,
  inUse: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<number> {
  let freedBytes = 0;
  for (const name of await namesIn(layout.realStoreDir)) {
    signal.throwIfAborted();
    if (live.has(name) || name === LINKS_DIRECTORY || inUse.has(name.slice(0, DIGEST_CHARS))) continue;
    const at = `${layout.realStoreDir}/${name}`;
    if (!name.endsWith(".lock")) freedBytes += await removeTree(at);
    else tryLockFile(at)?.release({ remove: true });
  }
  return freedBytes;
}

/** Removes files of the deduplication directory that no object shares any more. */
async function removeUnusedLinks(layout: StoreLayout, signal: AbortSignal): Promise<number> {
  let freedBytes = 0;
  const directory = `${layout.realStoreDir}/${LINKS_DIRECTORY}`;
  for (const name of await namesIn(directory)) {
    signal.throwIfAborted();
    const status = await statusOf(`${directory}/${name}`);
    if (status?.kind !== "file" || status.linkCount !== 1) continue;
    await removeFile(`${directory}/${name}`);
    freedBytes += status.size;
  }
  return freedBytes;
}
