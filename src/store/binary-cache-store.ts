/**
 * A binary cache: store objects as files behind `http:`, `https:` or `file:`, each described by a `.narinfo`.
 *
 * Nothing it says is trusted here: who adds an object to a store checks its contents, and whether anybody vouches for
 * them (`trust.ts`).
 */

import { fileURLToPath } from "node:url";
import { mapConcurrently } from "../base/concurrency.ts";
import { FormatError, OperationError } from "../base/errors.ts";
import { CACHE_INFO_BYTES_MAX, type CacheInfo, parseCacheInfo } from "../format/cache-info.ts";
import { type NarInfo, NARINFO_BYTES_MAX, parseNarInfo } from "../format/narinfo.ts";
import type { PathInfo } from "../format/path-info.ts";
import { DEFAULT_STORE_DIR, type StorePath } from "../format/store-path.ts";
import { decompressedAs } from "../system/decompress.ts";
import { temporaryDirectory } from "../system/directories.ts";
import { download } from "../system/download.ts";
import { fetchBytes } from "../system/fetch-bytes.ts";
import { makeTemporaryDirectory, readChunks, removeTree } from "../system/files.ts";
import { HttpStatusError } from "../system/http.ts";
import type { ReadStore } from "./store.ts";

export interface BinaryCacheOptions {
  /** The store directory that its paths must have. */
  readonly storeDir?: string;
  readonly attemptsMax?: number;
  /** `USER:PASSWORD` for a host, when the address names none. */
  readonly loginOf?: (host: string) => Promise<string | undefined>;
}

/** Questions at the same time, as many as Nix asks by default. */
const REQUESTS_MAX = 25;
const FORBIDDEN = 403;

export class BinaryCacheStore implements ReadStore {
  readonly uri: string;
  readonly storeDir: string;
  readonly cacheInfo: CacheInfo;
  readonly #source: CacheSource;
  readonly #known = new Map<string, NarInfo>();

  private constructor(source: CacheSource, cacheInfo: CacheInfo, storeDir: string) {
    this.uri = source.shown;
    this.storeDir = storeDir;
    this.cacheInfo = cacheInfo;
    this.#source = source;
  }

  /** Opens the cache at an address. Throws `CACHE_NOT_FOUND` when there is none. */
  static async open(address: string, options: BinaryCacheOptions, signal: AbortSignal): Promise<BinaryCacheStore> {
    const { storeDir = DEFAULT_STORE_DIR } = options;
    const source = await CacheSource.open(address, options);
    const text = await source.file("nix-cache-info", CACHE_INFO_BYTES_MAX, signal);
    if (text === undefined) {
      throw new OperationError("CACHE_NOT_FOUND", `'${source.shown}' does not appear to be a binary cache`);
    }
    const info = parseCacheInfo(text.toString("latin1"));
    if (info.storeDir !== undefined && info.storeDir !== storeDir) {
      throw new OperationError(
        "STORE_DIR_DIFFERS",
        `binary cache '${source.shown}' is for Nix stores with prefix '${info.storeDir}', not '${storeDir}'`,
      );
    }
    return new BinaryCacheStore(source, info, storeDir);
  }

  async pathInfo(path: StorePath, signal: AbortSignal): Promise<PathInfo | undefined> {
    return (await this.#narInfo(path, signal))?.info;
  }

  async pathInfos(paths: readonly StorePath[], signal: AbortSignal): Promise<Map<string, PathInfo>> {
    const found = await mapConcurrently(paths, REQUESTS_MAX, async (path) => await this.pathInfo(path, signal));
    const infos = new Map<string, PathInfo>();
    for (const info of found) if (info !== undefined) infos.set(info.path.baseName, info);
    return infos;
  }

  async validPaths(paths: readonly StorePath[], signal: AbortSignal): Promise<Set<string>> {
    return new Set((await this.pathInfos(paths, signal)).keys());
  }

  async *nar(path: StorePath, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    const narInfo = await this.#narInfo(path, signal);
    if (narInfo === undefined) {
      throw new OperationError("PATH_INVALID", `${path.render(this.storeDir)} is not valid in the store ${this.uri}`);
    }
    const compressed = this.#source.chunks(narInfo.url, signal);
    let size = 0;
    for await (const chunk of decompressedAs(narInfo.compression, compressed, signal)) {
      size += chunk.length;
      // A small file can stand for more than any disk holds.
      if (size > narInfo.info.narSize) {
        throw new FormatError("nar", `${path.render(this.storeDir)} is larger than '${this.uri}' says`);
      }
      yield chunk;
    }
  }

  async #narInfo(path: StorePath, signal: AbortSignal): Promise<NarInfo | undefined> {
    const known = this.#known.get(path.baseName);
    if (known !== undefined) return known;
    const name = `${path.digest}.narinfo`;
    const text = await this.#source.file(name, NARINFO_BYTES_MAX, signal);
    if (text === undefined) return undefined;
    const narInfo = this.#parse(name, text);
    // Asked by digest: what has another name is another object.
    if (!narInfo.info.path.equals(path)) return undefined;
    this.#known.set(path.baseName, narInfo);
    return narInfo;
  }

  #parse(name: string, text: Buffer): NarInfo {
    try {
      return parseNarInfo(text.toString("latin1"), this.storeDir);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      throw new OperationError(
        "NARINFO_CORRUPT",
        `NAR info file '${name}' of '${this.uri}' is corrupt: ${error.reason}`,
        {
          cause: error,
        },
      );
    }
  }
}

/** The files of a cache. */
class CacheSource {
  /** Its address, without a login. */
  readonly shown: string;
  /** Ends in a slash, so that names are relative to it. */
  readonly #root: URL;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #attemptsMax: number | undefined;

  private constructor(root: URL, headers: Readonly<Record<string, string>>, attemptsMax: number | undefined) {
    this.#root = root;
    this.#headers = headers;
    this.#attemptsMax = attemptsMax;
    this.shown = root.href.replace(/\/$/, "");
  }

  static async open(address: string, options: BinaryCacheOptions): Promise<CacheSource> {
    const root = URL.canParse(address) ? new URL(address) : undefined;
    if (root === undefined || !/^(https?|file):$/.test(root.protocol) || root.search !== "" || root.hash !== "") {
      throw new OperationError("STORE_ADDRESS_UNKNOWN", `'${address}' is not the address of a binary cache`, {
        hint: "use http://, https:// or file://, without a query",
      });
    }
    root.pathname = `${root.pathname.replace(/\/+$/, "")}/`;
    const named =
      root.username === "" ? undefined : `${decodeURIComponent(root.username)}:${decodeURIComponent(root.password)}`;
    const login = root.protocol === "file:" ? undefined : (named ?? (await options.loginOf?.(root.hostname)));
    root.username = "";
    root.password = "";
    const authorization =
      login === undefined ? {} : { authorization: `Basic ${Buffer.from(login).toString("base64")}` };
    return new CacheSource(root, authorization, options.attemptsMax);
  }

  /** The contents of a small file; `undefined` when there is none. */
  async file(name: string, sizeMax: number, signal: AbortSignal): Promise<Buffer | undefined> {
    const url = this.#urlOf(name);
    try {
      const headers = this.#headersFor(url);
      return await fetchBytes(url.href, { signal, sizeMax, headers, attemptsMax: this.#attemptsMax });
    } catch (error) {
      if (error instanceof OperationError && isAbsence(error)) return undefined;
      throw error;
    }
  }

  /** A large file, which is continued when the connection breaks. */
  async *chunks(name: string, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    const url = this.#urlOf(name);
    if (url.protocol === "file:") {
      yield* readChunks(fileURLToPath(url));
      return;
    }
    const directory = await makeTemporaryDirectory(`${temporaryDirectory()}/pristine-nar-`);
    try {
      const file = `${directory}/nar`;
      const headers = this.#headersFor(url);
      await download({ urls: [url.href], file, signal, headers, attemptsMax: this.#attemptsMax });
      yield* readChunks(file);
    } finally {
      await removeTree(directory);
    }
  }

  /** Where a file is; a cache cannot name files of this machine that do not belong to it. */
  #urlOf(name: string): URL {
    const url = URL.canParse(name, this.#root.href) ? new URL(name, this.#root) : undefined;
    const isLocal = this.#root.protocol === "file:";
    const isAllowed = isLocal
      ? url?.href.startsWith(this.#root.href)
      : url !== undefined && /^https?:$/.test(url.protocol);
    if (url === undefined || isAllowed !== true) {
      throw new OperationError("NARINFO_CORRUPT", `'${this.shown}' names a file outside of itself: '${name}'`);
    }
    return url;
  }

  /** A login is for the cache's own server. */
  #headersFor(url: URL): Readonly<Record<string, string>> {
    return url.origin === this.#root.origin ? this.#headers : {};
  }
}

/** Buckets that cannot be listed say "forbidden" of what is not there. */
function isAbsence(error: OperationError): boolean {
  if (error.code === "DOWNLOAD_NOT_FOUND") return true;
  return error.cause instanceof HttpStatusError && error.cause.status === FORBIDDEN;
}
