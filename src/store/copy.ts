/** Copies closures between stores: only what is missing, references first. */

import { OperationError } from "../base/errors.ts";
import { topologicalOrder } from "../format/closure-graph.ts";
import type { PathInfo } from "../format/path-info.ts";
import type { StorePath } from "../format/store-path.ts";
import type { AddProgress, ReadStore, WriteStore } from "./store.ts";
import { checkedContents, checkTrust, type Trust } from "./trust.ts";

export interface CopyOutcome {
  /** What was missing, references first. */
  readonly copied: PathInfo[];
  readonly bytes: number;
}

/**
 * Metadata of all that `roots` reach, by base name. One request per level of the graph, not per path, so that a
 * distant store is asked few times.
 */
export async function closureInfos(
  store: ReadStore,
  roots: readonly StorePath[],
  signal: AbortSignal,
): Promise<Map<string, PathInfo>> {
  const closure = new Map<string, PathInfo>();
  let level = distinct(roots);
  while (level.length > 0) {
    const infos = await store.pathInfos(level, signal);
    const next: StorePath[] = [];
    for (const path of level) {
      const info = infos.get(path.baseName);
      if (info === undefined) {
        throw new OperationError(
          "PATH_INVALID",
          `${path.render(store.storeDir)} is not valid in the store ${store.uri}`,
        );
      }
      closure.set(path.baseName, info);
      next.push(...info.references);
    }
    level = distinct(next).filter((path) => !closure.has(path.baseName));
  }
  return closure;
}

/** Makes the closures of `roots` valid in `to`; with `trust`, only what may enter there and is what it claims to be. */
export async function copyClosure(options: {
  readonly from: ReadStore;
  readonly to: WriteStore;
  readonly roots: readonly StorePath[];
  readonly signal: AbortSignal;
  readonly trust?: Trust;
  readonly onProgress?: (progress: AddProgress) => void;
}): Promise<CopyOutcome> {
  const { from, to, roots, signal, trust, onProgress } = options;
  if (from.storeDir !== to.storeDir) {
    throw new OperationError(
      "STORE_DIR_DIFFERS",
      `the stores ${from.uri} and ${to.uri} name their paths differently (${from.storeDir}, ${to.storeDir})`,
    );
  }
  // A valid path's closure is valid: when the roots are there, nothing is to be asked about the rest.
  const present = await to.validPaths(distinct(roots), signal);
  const wanted = distinct(roots).filter((path) => !present.has(path.baseName));
  if (wanted.length === 0) return { copied: [], bytes: 0 };
  const closure = await closureInfos(from, wanted, signal);
  const paths = [...closure.values()].map((info) => info.path);
  const valid = await to.validPaths(paths, signal);
  const missing = topologicalOrder(
    paths.filter((path) => !valid.has(path.baseName)),
    (path) => closure.get(path.baseName)?.references ?? [],
  ).map((path) => closure.get(path.baseName)!);
  if (trust !== undefined) for (const info of missing) checkTrust(info, to.storeDir, trust);
  const narOf = (info: PathInfo): AsyncIterable<Uint8Array> => {
    const nar = from.nar(info.path, signal);
    return trust === undefined ? nar : checkedContents(info, to.storeDir, nar);
  };
  await to.addMany(
    missing.map((info) => ({ info: foreignInfo(info), nar: () => narOf(info) })),
    signal,
    onProgress,
  );
  return { copied: missing, bytes: missing.reduce((sum, info) => sum + info.narSize, 0) };
}

/** What another store says of a path: it was not built there, and it is registered when it arrives. */
function foreignInfo(info: PathInfo): PathInfo {
  return { ...info, ultimate: false, registrationTime: 0 };
}

function distinct(paths: readonly StorePath[]): StorePath[] {
  return [...new Map(paths.map((path) => [path.baseName, path])).values()];
}
