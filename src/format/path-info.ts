/** What a store knows of a valid path besides its contents. */

import type { Hash } from "./hash.ts";
import { compareStorePaths, type StorePath } from "./store-path.ts";

export interface PathInfo {
  readonly path: StorePath;
  readonly narHash: Hash;
  readonly narSize: number;
  readonly references: readonly StorePath[];
  readonly deriver?: StorePath;
  /** `key-name:base64`, see `signature.ts`. */
  readonly signatures: readonly string[];
  /** See `content-address.ts`. */
  readonly contentAddress?: string;
  /** Whether the path was built here, so that it is trusted without a signature. */
  readonly ultimate: boolean;
  /** Seconds since 1970. */
  readonly registrationTime: number;
}

/** References as they are written everywhere: in order, each once. */
export function sortedReferences(info: PathInfo): StorePath[] {
  const byBaseName = new Map(info.references.map((path) => [path.baseName, path]));
  return [...byBaseName.values()].sort(compareStorePaths);
}
