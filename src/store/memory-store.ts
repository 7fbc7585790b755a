/** A store in memory, for tests and for things made on the way. */

import { OperationError } from "../base/errors.ts";
import { hashBytes } from "../format/hash.ts";
import { decodeNar, NULL_SINK } from "../format/nar-decoder.ts";
import type { PathInfo } from "../format/path-info.ts";
import type { StorePath } from "../format/store-path.ts";
import type { AddProgress, StoreItem, WriteStore } from "./store.ts";

export class MemoryStore implements WriteStore {
  readonly uri = "memory";
  readonly storeDir: string;
  readonly #objects = new Map<string, { readonly info: PathInfo; readonly nar: Uint8Array }>();

  constructor(storeDir: string = "/nix/store") {
    this.storeDir = storeDir;
  }

  async pathInfo(path: StorePath): Promise<PathInfo | undefined> {
    return this.#objects.get(path.baseName)?.info;
  }

  async pathInfos(paths: readonly StorePath[]): Promise<Map<string, PathInfo>> {
    const infos = new Map<string, PathInfo>();
    for (const path of paths) {
      const object = this.#objects.get(path.baseName);
      if (object !== undefined) infos.set(path.baseName, object.info);
    }
    return infos;
  }

  async validPaths(paths: readonly StorePath[]): Promise<Set<string>> {
    return new Set(paths.filter((path) => this.#objects.has(path.baseName)).map((path) => path.baseName));
  }

  async *nar(path: StorePath): AsyncGenerator<Uint8Array, void, undefined> {
    const object = this.#objects.get(path.baseName);
    if (object === undefined) {
      throw new OperationError("PATH_INVALID", `${path.render(this.storeDir)} is not valid in the store ${this.uri}`);
    }
    yield object.nar;
  }

  async add(info: PathInfo, nar: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    if (this.#objects.has(info.path.baseName)) return;
    for (const reference of info.references) {
      if (reference.equals(info.path) || this.#objects.has(reference.baseName)) continue;
      throw new OperationError(
        "REFERENCE_INVALID",
        `${info.path.render(this.storeDir)} refers to ${reference.render(this.storeDir)}, which is not valid in this store`,
      );
    }
    const chunks: Uint8Array[] = [];
    for await (const chunk of nar) {
      signal.throwIfAborted();
      chunks.push(Uint8Array.from(chunk));
    }
    const bytes = Buffer.concat(chunks);
    decodeNar(bytes, NULL_SINK);
    if (!hashBytes("sha256", bytes).equals(info.narHash)) {
      throw new OperationError(
        "NAR_HASH_MISMATCH",
        `the contents of ${info.path.render(this.storeDir)} are not what was announced`,
      );
    }
    const registrationTime = info.registrationTime === 0 ? Math.floor(Date.now() / 1000) : info.registrationTime;
    this.#objects.set(info.path.baseName, { info: { ...info, registrationTime }, nar: bytes });
  }

  async addMany(
    items: readonly StoreItem[],
    signal: AbortSignal,
    onProgress?: (progress: AddProgress) => void,
  ): Promise<void> {
    const bytesTotal = items.reduce((sum, { info }) => sum + info.narSize, 0);
    let pathsDone = 0;
    let bytesDone = 0;
    for (const { info, nar } of items) {
      if (!this.#objects.has(info.path.baseName)) await this.add(info, nar(), signal);
      pathsDone++;
      bytesDone += info.narSize;
      onProgress?.({ pathsDone, pathsTotal: items.length, bytesDone, bytesTotal });
    }
  }
}
