/** Runs decoders over bytes that arrive in chunks. */

import { FormatError } from "../base/errors.ts";
import type { Wire } from "./wire.ts";

/** The stream ended where something was still to come: closed by the peer, reset, or its program is gone. */
export class EndOfStreamError extends FormatError {
  constructor() {
    super("wire", "the other side closed the connection");
  }
}

export class WireSource {
  readonly #chunks: AsyncIterator<Uint8Array>;
  /** Bytes that have arrived and are not used yet. */
  #buffer: Buffer = Buffer.alloc(0);
  #offset = 0;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Runs a decoder to its end. */
  async read<T>(wire: Wire<T>): Promise<T> {
    for (let step = wire.next(this.#buffer.subarray(0, 0)); ;) {
      if (step.done === true) return step.value;
      const size = step.value;
      if (this.#buffer.length - this.#offset < size) await this.#fill(size);
      const piece = this.#buffer.subarray(this.#offset, this.#offset + size);
      this.#offset += size;
      step = wire.next(piece);
    }
  }

  /** The next bytes without using them up. */
  async peek(size: number): Promise<Buffer> {
    if (this.#buffer.length - this.#offset < size) await this.#fill(size);
    return this.#buffer.subarray(this.#offset, this.#offset + size);
  }

  /** Whatever bytes come next, at least one; those not wanted are given back with `unread`. */
  async chunk(): Promise<Buffer> {
    if (this.#buffer.length === this.#offset) await this.#fill(1);
    const bytes = this.#buffer.subarray(this.#offset);
    this.#offset = this.#buffer.length;
    return bytes;
  }

  /** Gives back the last `size` bytes of the last chunk. */
  unread(size: number): void {
    this.#offset -= size;
  }

  /** The beginning of the bytes that arrived last, used or not: for messages about a wrong peer. */
  preview(sizeMax: number): string {
    return this.#buffer.toString("utf8", 0, sizeMax);
  }

  async #fill(size: number): Promise<void> {
    const parts: Uint8Array[] = [this.#buffer.subarray(this.#offset)];
    let available = this.#buffer.length - this.#offset;
    try {
      while (available < size) {
        // How a stream ends badly is its owner's to explain; here it only ends.
        const next = await this.#chunks.next().catch(() => ({ done: true, value: undefined }) as const);
        if (next.done === true) throw new EndOfStreamError();
        parts.push(next.value);
        available += next.value.length;
      }
    } finally {
      this.#buffer = parts.length === 2 && parts[0]!.length === 0 ? asBuffer(parts[1]!) : Buffer.concat(parts);
      this.#offset = 0;
    }
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
