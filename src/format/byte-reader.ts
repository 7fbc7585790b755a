/** Takes pieces of a chosen size from chunks of any size, as they arrive. */

import { FormatError } from "../base/errors.ts";

/** Bytes by number, from chunks of any size. */
export class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #format: string;
  #rest: Uint8Array = new Uint8Array();
  /** How many bytes have been taken. */
  offset = 0;

  /** `format` is named when the chunks end too early. */
  constructor(chunks: AsyncIterable<Uint8Array>, format: string) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#format = format;
  }

  async #fill(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const next = await this.#chunks.next();
      if (next.done === true) return false;
      this.#rest = next.value;
    }
    return true;
  }

  /** At least one and at most `sizeMax` bytes. */
  async some(sizeMax: number): Promise<Uint8Array> {
    if (!(await this.#fill())) throw new FormatError(this.#format, "ends within a member", this.offset);
    const taken = this.#rest.subarray(0, sizeMax);
    this.#rest = this.#rest.subarray(taken.length);
    this.offset += taken.length;
    return taken;
  }

  /** Exactly `size` bytes; with `mayEnd`, `undefined` when nothing is left. */
  async take(size: number, options: { readonly mayEnd?: boolean } = {}): Promise<Uint8Array | undefined> {
    if (size === 0) return new Uint8Array();
    if (!(await this.#fill()) && options.mayEnd === true) return undefined;
    const pieces: Uint8Array[] = [];
    for (let left = size; left > 0;) {
      const piece = await this.some(left);
      left -= piece.length;
      pieces.push(piece);
    }
    return pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
  }

  /** Lets go of the source; what is left of it is not wanted. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async skip(size: number): Promise<void> {
    for (let left = size; left > 0;) left -= (await this.some(left)).length;
  }

  /** Everything up to a byte, which is taken, too. */
  async takeUntil(byte: number, sizeMax: number): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    for (let size = 0; size <= sizeMax;) {
      if (!(await this.#fill())) throw new FormatError(this.#format, "ends within a line", this.offset);
      const end = this.#rest.indexOf(byte);
      const piece = await this.some(end < 0 ? this.#rest.length : end + 1);
      if (end >= 0) return Buffer.concat([...pieces, piece.subarray(0, -1)]);
      pieces.push(piece);
      size += piece.length;
    }
    throw new FormatError(this.#format, "has a line that is too long", this.offset);
  }
}
