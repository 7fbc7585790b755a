/**
 * The bytes of Nix's protocols: 64-bit little-endian numbers, padded strings, lists.
 *
 * Decoders are coroutines that yield how many bytes they want next. So the same decoder reads from memory, from a
 * socket, or one byte at a time in a test, and knows nothing of waiting.
 */

import { FormatError } from "../base/errors.ts";

/** A decoder: yields byte counts, is resumed with that many bytes (valid until it is resumed again), returns a value. */
export type Wire<T> = Generator<number, T, Buffer>;

/** Limits on what a peer may make us hold. */
export const STRING_BYTES_MAX: number = 64 * 1024 * 1024;
export const LIST_ITEMS_MAX = 10_000_000;

export function* readUint(field: string, max: number = Number.MAX_SAFE_INTEGER): Wire<number> {
  const bytes = yield 8;
  const value = bytes.readUInt32LE(4) * 2 ** 32 + bytes.readUInt32LE(0);
  if (value > max) throw new FormatError("wire", `${field} of ${value} is more than ${max}`);
  return value;
}

/** A number that may use all 64 bits, such as an identifier. */
export function* readBigUint(): Wire<bigint> {
  return (yield 8).readBigUInt64LE(0);
}

export function* readBool(field: string): Wire<boolean> {
  return (yield* readUint(field)) !== 0;
}

/** Bytes with a length before and zeros behind; a copy of its own. */
export function* readBytes(field: string, sizeMax: number = STRING_BYTES_MAX): Wire<Buffer> {
  return Buffer.from(yield* readPadded(field, sizeMax));
}

export function* readString(field: string, sizeMax: number = STRING_BYTES_MAX): Wire<string> {
  return (yield* readPadded(field, sizeMax)).toString("utf8");
}

export function* readList<T>(field: string, item: () => Wire<T>): Wire<T[]> {
  const count = yield* readUint(`count of ${field}`, LIST_ITEMS_MAX);
  const items: T[] = [];
  for (let i = 0; i < count; i++) items.push(yield* item());
  return items;
}

export function readStrings(field: string): Wire<string[]> {
  return readList(field, () => readString(field));
}

function* readPadded(field: string, sizeMax: number): Wire<Buffer> {
  const size = yield* readUint(`length of ${field}`, sizeMax);
  if (size === 0) return NOTHING;
  const bytes = yield Math.ceil(size / 8) * 8;
  for (let i = size; i < bytes.length; i++) {
    if (bytes[i] !== 0) throw new FormatError("wire", `padding of ${field} is not zero`);
  }
  return bytes.subarray(0, size);
}

const NOTHING = Buffer.alloc(0);

/** Decodes from memory; throws `FormatError` when bytes are missing or left over. */
export function decodeWire<T>(bytes: Uint8Array, wire: Wire<T>): T {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let offset = 0;
  for (let step = wire.next(NOTHING); ;) {
    if (step.done === true) {
      if (offset !== buffer.length) throw new FormatError("wire", "bytes are left over", offset);
      return step.value;
    }
    if (offset + step.value > buffer.length) throw new FormatError("wire", "ends too early", buffer.length);
    const piece = buffer.subarray(offset, offset + step.value);
    offset += step.value;
    step = wire.next(piece);
  }
}

/** Gathers what is to be sent. */
export class WireWriter {
  #bytes = Buffer.allocUnsafe(1024);
  #used = 0;

  uint(value: number | bigint): this {
    this.#reserve(8);
    if (typeof value === "bigint") this.#bytes.writeBigUInt64LE(value, this.#used);
    else {
      this.#bytes.writeUInt32LE(value % 2 ** 32, this.#used);
      this.#bytes.writeUInt32LE(Math.floor(value / 2 ** 32), this.#used + 4);
    }
    this.#used += 8;
    return this;
  }

  bool(value: boolean): this {
    return this.uint(value ? 1 : 0);
  }

  string(text: string): this {
    return this.bytes(Buffer.from(text, "utf8"));
  }

  /** Bytes with a length before and zeros behind. */
  bytes(bytes: Uint8Array): this {
    this.uint(bytes.length);
    const padded = Math.ceil(bytes.length / 8) * 8;
    this.#reserve(padded);
    this.#bytes.set(bytes, this.#used);
    this.#bytes.fill(0, this.#used + bytes.length, this.#used + padded);
    this.#used += padded;
    return this;
  }

  strings(texts: Iterable<string>): this {
    const all = [...texts];
    this.uint(all.length);
    for (const text of all) this.string(text);
    return this;
  }

  /** What was gathered; the writer is empty afterwards. */
  take(): Buffer {
    const bytes = this.#bytes.subarray(0, this.#used);
    this.#bytes = Buffer.allocUnsafe(1024);
    this.#used = 0;
    return bytes;
  }

  #reserve(size: number): void {
    if (this.#used + size <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#used + size));
    grown.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = grown;
  }
}
