/**
 * Replaces texts in a stream of bytes by others of the same length: the digests by which store objects refer to
 * themselves and to each other.
 */

import { InvariantError } from "../base/errors.ts";

/** Replacements as they are searched for. */
interface Replacement {
  readonly from: Buffer;
  readonly to: Buffer;
}

export class BytesReplacer {
  readonly #replacements: readonly Replacement[];
  /** So many bytes at the end of a chunk may be the beginning of something to replace. */
  readonly #lookahead: number;
  #tail: Buffer = Buffer.alloc(0);

  /** Texts are byte strings; what replaces one is as long as it is. */
  constructor(replacements: ReadonlyMap<string, string>) {
    this.#replacements = [...replacements].map(([from, to]) => ({
      from: Buffer.from(from, "latin1"),
      to: Buffer.from(to, "latin1"),
    }));
    if (this.#replacements.some(({ from, to }) => from.length !== to.length || from.length === 0)) {
      throw new InvariantError("a text is replaced by one of another length");
    }
    this.#lookahead = Math.max(0, ...this.#replacements.map(({ from }) => from.length - 1));
  }

  /** Takes bytes; answers those that are settled. */
  write(chunk: Uint8Array): Uint8Array {
    if (this.#lookahead === 0) return chunk;
    const bytes = Buffer.concat([this.#tail, chunk]);
    for (const { from, to } of this.#replacements) {
      for (let at = bytes.indexOf(from); at >= 0; at = bytes.indexOf(from, at + from.length)) to.copy(bytes, at);
    }
    const settled = Math.max(0, bytes.length - this.#lookahead);
    this.#tail = bytes.subarray(settled);
    return bytes.subarray(0, settled);
  }

  /** The rest, when nothing follows. */
  end(): Uint8Array {
    const rest = this.#tail;
    this.#tail = Buffer.alloc(0);
    return rest;
  }
}

/** A stream with everything replaced. */
export async function* replaceInChunks(
  chunks: AsyncIterable<Uint8Array>,
  replacements: ReadonlyMap<string, string>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const replacer = new BytesReplacer(replacements);
  for await (const chunk of chunks) {
    const settled = replacer.write(chunk);
    if (settled.length > 0) yield settled;
  }
  const rest = replacer.end();
  if (rest.length > 0) yield rest;
}
