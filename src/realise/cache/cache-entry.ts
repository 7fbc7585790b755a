/** The bytes of an entry of the evaluation cache. */

import type { CachedEvaluation } from "./evaluation-cache.ts";
import type { EvaluationRead, NodeRead } from "./world-reads.ts";

const FORMAT = "pristine-evaluation-2";
/** The first line, filled up with spaces: what follows can be read by words. */
const HEAD_BYTES = 64;
const WORD_BYTES = 4;

export interface Entry extends CachedEvaluation {
  readonly writtenMs: number;
}

/** Where a read leads to is left out when that is the path itself, as it mostly is: an entry is mostly reads. */
type ShortRead = Exclude<EvaluationRead, NodeRead> | (Omit<NodeRead, "target"> & { target?: string });

export function encodeEntry({ text, said, reads }: CachedEvaluation): Buffer {
  const short = reads.map((read): ShortRead => {
    if (read.kind !== "node" || read.target !== read.stamp) return read;
    const { kind, path, stamp, answers } = read;
    return { kind, path, stamp, answers };
  });
  const body = JSON.stringify({ text, said, reads: short, writtenMs: Date.now() });
  const size = Buffer.byteLength(body);
  const bytes = Buffer.alloc(HEAD_BYTES + size + ((WORD_BYTES - (size % WORD_BYTES)) % WORD_BYTES), " ");
  bytes.write(body, HEAD_BYTES);
  bytes.write(headOf(bytes), "latin1");
  return bytes;
}

/** `undefined` for what is not as it was written. */
export function decodeEntry(bytes: Buffer): Entry | undefined {
  if (bytes.length < HEAD_BYTES || bytes.length % WORD_BYTES !== 0) return undefined;
  if (bytes.toString("latin1", 0, HEAD_BYTES) !== headOf(bytes)) return undefined;
  const entry = JSON.parse(bytes.toString("utf8", HEAD_BYTES)) as Entry;
  for (const read of entry.reads) if (read.kind === "node") read.target ??= read.stamp;
  return entry;
}

function headOf(bytes: Buffer): string {
  return `${`${FORMAT} ${checksumOf(bytes)}`.padEnd(HEAD_BYTES - 1)}\n`;
}

/**
 * Of what follows the head, against accidents: nobody else can write here. A digest would be as good, and loading the
 * library that computes it takes longer than anything else that a remembered evaluation needs.
 *
 * @source the constants and the mixing of MurmurHash3_x86_32, on two lanes that start differently
 */
function checksumOf(bytes: Buffer): string {
  const body = bytes.subarray(HEAD_BYTES);
  const aligned = body.byteOffset % WORD_BYTES === 0 ? body : Uint8Array.from(body);
  const words = new Int32Array(aligned.buffer, aligned.byteOffset, aligned.length / WORD_BYTES);
  let left = words.length;
  let right = 0x9747b28c | 0;
  for (let i = 0; i < words.length; i++) {
    const word = Math.imul(words[i]!, 0xcc9e2d51 | 0);
    const mixed = Math.imul((word << 15) | (word >>> 17), 0x1b873593);
    left = Math.imul(((left ^ mixed) << 13) | ((left ^ mixed) >>> 19), 5) + (0xe6546b64 | 0);
    right = Math.imul(((right + mixed) << 17) | ((right + mixed) >>> 15), 9) ^ 0x38b34ae5;
  }
  return [left, right].map((lane) => (lane >>> 0).toString(16).padStart(8, "0")).join("");
}
