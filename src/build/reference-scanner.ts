/**
 * Finds references in a stream of bytes: occurrences of the digests of store paths, wherever they stand.
 *
 * A digest has 32 characters out of 32, so nearly every window can be skipped by looking at its end first.
 */

import { isBase32 } from "../format/base32.ts";
import { DIGEST_CHARS, type StorePath } from "../format/store-path.ts";

const IS_DIGIT = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) IS_DIGIT[byte] = isBase32(String.fromCharCode(byte)) ? 1 : 0;

export class ReferenceScanner {
  readonly #candidates: Map<string, StorePath>;
  readonly #found = new Map<string, StorePath>();
  /** The end of the last chunk, in which a digest may have begun. */
  #tail: Buffer = Buffer.alloc(0);

  constructor(candidates: Iterable<StorePath>) {
    this.#candidates = new Map([...candidates].map((path) => [path.digest, path]));
  }

  update(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    // Digests across the border: the old tail with as much of the new chunk as one could need.
    const border = Buffer.concat([this.#tail, bytes.subarray(0, DIGEST_CHARS - 1)]);
    this.#scan(border);
    this.#scan(bytes);
    const kept = bytes.length >= DIGEST_CHARS - 1 ? bytes : border;
    this.#tail = Buffer.from(kept.subarray(Math.max(0, kept.length - (DIGEST_CHARS - 1))));
  }

  /** What was found, in the order of references. */
  references(): StorePath[] {
    return [...this.#found.values()].sort((a, b) => (a.baseName < b.baseName ? -1 : 1));
  }

  #scan(bytes: Buffer): void {
    const last = bytes.length - DIGEST_CHARS;
    for (let start = 0; start <= last;) {
      let at = start + DIGEST_CHARS - 1;
      while (at >= start && IS_DIGIT[bytes[at]!] === 1) at--;
      if (at >= start) {
        // No digest can contain this byte.
        start = at + 1;
        continue;
      }
      const path = this.#candidates.get(bytes.toString("latin1", start, start + DIGEST_CHARS));
      if (path !== undefined) this.#found.set(path.digest, path);
      start++;
    }
  }
}
