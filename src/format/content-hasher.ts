/** The hash in an object's content address, from its NAR: its references to itself count as zeros. */

import { FormatError } from "../base/errors.ts";
import type { ContentAddressMethod } from "./content-address.ts";
import { type Hash, type HashAlgorithm, Hasher } from "./hash.ts";
import { NarDecoder, NULL_SINK } from "./nar-decoder.ts";
import { BytesReplacer } from "./replace-bytes.ts";
import { DIGEST_CHARS, type StorePath } from "./store-path.ts";

export class ContentHasher {
  readonly #hasher: Hasher;
  readonly #replacer: BytesReplacer;
  readonly #decoder: NarDecoder | undefined;

  constructor(method: ContentAddressMethod, algorithm: HashAlgorithm, path: StorePath) {
    if (method === "git") throw new FormatError("content address", "contents hashed as git does cannot be checked");
    this.#hasher = new Hasher(algorithm);
    this.#replacer = new BytesReplacer(new Map([[path.digest, "\0".repeat(DIGEST_CHARS)]]));
    if (method === "nar") return;
    const refuse = (): never => {
      throw new FormatError("content address", `${path.baseName} is no file, but hashed as one`);
    };
    const data = (chunk: Uint8Array): void => this.#take(chunk);
    this.#decoder = new NarDecoder({ ...NULL_SINK, directory: refuse, symlink: refuse, data });
  }

  /** Takes a part of the NAR. */
  update(chunk: Uint8Array): void {
    if (this.#decoder === undefined) this.#take(chunk);
    else this.#decoder.write(chunk);
  }

  digest(): Hash {
    this.#hasher.update(this.#replacer.end());
    return this.#hasher.digest();
  }

  #take(chunk: Uint8Array): void {
    const settled = this.#replacer.write(chunk);
    if (settled.length > 0) this.#hasher.update(settled);
  }
}
