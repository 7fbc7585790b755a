/** The hash function BLAKE3 with its usual 32 bytes, which Node's own cryptography lacks. */

const BLOCK_BYTES = 64;
const CHUNK_BYTES = 1024;
const CHUNK_START = 1;
const CHUNK_END = 2;
const PARENT = 4;
const ROOT = 8;

const IV: readonly number[] = [
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
];
/** Where each message word goes from one round to the next. */
const PERMUTATION: readonly number[] = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const ROUNDS = 7;

type Words = Uint32Array;

/** The order in which each round takes the words of the message. */
const SCHEDULE: readonly (readonly number[])[] = scheduleOf();

function scheduleOf(): readonly (readonly number[])[] {
  const rounds = [PERMUTATION.map((_, index) => index)];
  while (rounds.length < ROUNDS) {
    const last = rounds.at(-1)!;
    rounds.push(PERMUTATION.map((from) => last[from]!));
  }
  return rounds;
}

const state = new Uint32Array(16);

function mix(a: number, b: number, c: number, d: number, x: number, y: number): void {
  const v = state;
  v[a] = v[a]! + v[b]! + x;
  let turned = v[d]! ^ v[a]!;
  v[d] = (turned >>> 16) | (turned << 16);
  v[c] = v[c]! + v[d]!;
  turned = v[b]! ^ v[c]!;
  v[b] = (turned >>> 12) | (turned << 20);
  v[a] = v[a]! + v[b]! + y;
  turned = v[d]! ^ v[a]!;
  v[d] = (turned >>> 8) | (turned << 24);
  v[c] = v[c]! + v[d]!;
  turned = v[b]! ^ v[c]!;
  v[b] = (turned >>> 7) | (turned << 25);
}

/** Compresses one block into a chaining value. */
function compress(chaining: ArrayLike<number>, block: Words, counter: number, size: number, flags: number): Words {
  const v = state;
  for (let i = 0; i < 8; i++) v[i] = chaining[i]!;
  for (let i = 0; i < 4; i++) v[8 + i] = IV[i]!;
  v[12] = counter >>> 0;
  v[13] = Math.floor(counter / 2 ** 32);
  v[14] = size;
  v[15] = flags;
  for (const order of SCHEDULE) {
    mix(0, 4, 8, 12, block[order[0]!]!, block[order[1]!]!);
    mix(1, 5, 9, 13, block[order[2]!]!, block[order[3]!]!);
    mix(2, 6, 10, 14, block[order[4]!]!, block[order[5]!]!);
    mix(3, 7, 11, 15, block[order[6]!]!, block[order[7]!]!);
    mix(0, 5, 10, 15, block[order[8]!]!, block[order[9]!]!);
    mix(1, 6, 11, 12, block[order[10]!]!, block[order[11]!]!);
    mix(2, 7, 8, 13, block[order[12]!]!, block[order[13]!]!);
    mix(3, 4, 9, 14, block[order[14]!]!, block[order[15]!]!);
  }
  const result = new Uint32Array(8);
  for (let i = 0; i < 8; i++) result[i] = v[i]! ^ v[i + 8]!;
  return result;
}

function wordsOf(bytes: Uint8Array, offset: number, size: number): Words {
  const words = new Uint32Array(16);
  for (let i = 0; i < size; i++) words[i >> 2] = words[i >> 2]! | (bytes[offset + i]! << ((i & 3) * 8));
  return words;
}

/** A node that is compressed when it is known whether it is the root. */
interface Node {
  readonly chaining: ArrayLike<number>;
  readonly block: Words;
  readonly counter: number;
  readonly size: number;
  readonly flags: number;
}

function valueOf(node: Node, extra: number): Words {
  return compress(node.chaining, node.block, node.counter, node.size, node.flags | extra);
}

function chunkNode(bytes: Uint8Array, index: number): Node {
  let chaining: ArrayLike<number> = IV;
  const lastStart = Math.max(0, Math.ceil(bytes.length / BLOCK_BYTES) - 1) * BLOCK_BYTES;
  for (let offset = 0; offset < lastStart; offset += BLOCK_BYTES) {
    const flags = offset === 0 ? CHUNK_START : 0;
    chaining = compress(chaining, wordsOf(bytes, offset, BLOCK_BYTES), index, BLOCK_BYTES, flags);
  }
  const size = bytes.length - lastStart;
  const flags = CHUNK_END | (lastStart === 0 ? CHUNK_START : 0);
  return { chaining, block: wordsOf(bytes, lastStart, size), counter: index, size, flags };
}

function parentNode(left: Words, right: Words): Node {
  const block = new Uint32Array(16);
  block.set(left, 0);
  block.set(right, 8);
  return { chaining: IV, block, counter: 0, size: BLOCK_BYTES, flags: PARENT };
}

/** Hashes what arrives in pieces. */
export class Blake3 {
  readonly #chunk = new Uint8Array(CHUNK_BYTES);
  #used = 0;
  #chunks = 0;
  /** Values of complete subtrees, the largest first. */
  readonly #subtrees: Words[] = [];

  update(bytes: Uint8Array): this {
    for (let offset = 0; offset < bytes.length;) {
      if (this.#used === CHUNK_BYTES) this.#finishChunk();
      const taken = Math.min(CHUNK_BYTES - this.#used, bytes.length - offset);
      this.#chunk.set(bytes.subarray(offset, offset + taken), this.#used);
      this.#used += taken;
      offset += taken;
    }
    return this;
  }

  /** More is to come: the chunk is no root, and completes as many subtrees as its number has zeros at the end. */
  #finishChunk(): void {
    let value = valueOf(chunkNode(this.#chunk, this.#chunks), 0);
    this.#chunks++;
    this.#used = 0;
    for (let count = this.#chunks; count % 2 === 0; count /= 2) {
      value = valueOf(parentNode(this.#subtrees.pop()!, value), 0);
    }
    this.#subtrees.push(value);
  }

  digest(): Uint8Array {
    let node = chunkNode(this.#chunk.subarray(0, this.#used), this.#chunks);
    for (const left of this.#subtrees.toReversed()) node = parentNode(left, valueOf(node, 0));
    const words = valueOf(node, ROOT);
    const bytes = new Uint8Array(32);
    const view = new DataView(bytes.buffer);
    for (const [index, word] of words.entries()) view.setUint32(index * 4, word, true);
    return bytes;
  }
}
