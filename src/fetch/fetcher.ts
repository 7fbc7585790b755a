/**
 * Fetches inputs: the one entrance of this layer.
 *
 * What comes from elsewhere is kept in a cache by its contents and read from there; the store is not written to.
 */

import { OperationError } from "../base/errors.ts";
import { textOfByteString } from "../base/byte-string.ts";
import { sourcePath } from "../format/content-address.ts";
import type { Hash } from "../format/hash.ts";
import { type InputAttribute, type InputAttrs } from "../format/input/attributes.ts";
import type { FetchClosureRequest, FetchedObject, FetchedTree, FetchFileRequest } from "../format/input/request.ts";
import { fetchPath } from "./path-input.ts";

export interface FetcherOptions {
  readonly storeDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A tree on disk, and what its input has become. */
export interface InputTree {
  readonly localPath: string;
  readonly narHash: Hash;
  readonly attrs: InputAttrs;
  readonly warnings?: readonly string[];
}

export class Fetcher {
  readonly #options: FetcherOptions;

  constructor(options: FetcherOptions) {
    this.#options = options;
  }

  async tree(input: InputAttrs, signal: AbortSignal): Promise<FetchedObject & FetchedTree> {
    const { storeDir } = this.#options;
    const fetched = await this.#inputTree(input, signal);
    const narHash = fetched.narHash.toSri();
    const attrs = new Map<string, InputAttribute>(fetched.attrs);
    attrs.set("narHash", narHash);
    const name = attrs.get("name");
    return {
      storePath: sourcePath(storeDir, typeof name === "string" ? name : "source", fetched.narHash).render(storeDir),
      localPath: fetched.localPath,
      narHash,
      attrs,
      warnings: fetched.warnings ?? [],
    };
  }

  async #inputTree(input: InputAttrs, signal: AbortSignal): Promise<InputTree> {
    signal.throwIfAborted();
    const type = String(input.get("type"));
    switch (type) {
      case "path":
        return fetchPath(input);
      default:
        throw new OperationError("FETCH_UNSUPPORTED", `inputs of type '${textOfByteString(type)}' cannot be fetched`);
    }
  }

  async file(request: FetchFileRequest, signal: AbortSignal): Promise<FetchedObject> {
    signal.throwIfAborted();
    throw new OperationError("FETCH_UNSUPPORTED", `'${textOfByteString(request.url)}' cannot be fetched`);
  }

  async closure(request: FetchClosureRequest, signal: AbortSignal): Promise<FetchedObject> {
    signal.throwIfAborted();
    throw new OperationError("FETCH_UNSUPPORTED", `'${textOfByteString(request.fromPath)}' cannot be fetched`);
  }
}
