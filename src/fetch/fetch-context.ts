/** What every fetcher is given, and what it answers. */

import type { Hash } from "../format/hash.ts";
import type { InputAttrs } from "../format/input/attributes.ts";
import type { FetchCache } from "./fetch-cache.ts";
import type { FetchSettings } from "./fetch-settings.ts";

export interface FetchContext {
  readonly cache: FetchCache;
  readonly settings: FetchSettings;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly storeDir: string;
  /** What a relative path is relative to. */
  readonly baseDir: string;
  readonly signal: AbortSignal;
  readonly warn: (text: string) => void;
}

/** A tree on disk, and what its input has become. */
export interface InputTree {
  readonly localPath: string;
  readonly narHash: Hash;
  readonly attrs: InputAttrs;
}
