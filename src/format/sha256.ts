/**
 * SHA-256 without OpenSSL, for the few short texts that a small evaluation hashes: loading Node's own module takes longer
 * than hashing them here does. `hash.ts` decides.
 */

const INITIAL = [
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
] as const;

const BLOCK_BYTES = 64;
const ROUNDS = 64;
/** The end of a text: a one bit, zeros, and eight bytes that tell its length. */
const LENGTH_BYTES = 8;

let constants: Int32Array | undefined;

/** The first bits of the fractional parts of the cube roots of the first primes. */
function roundConstants(): Int32Array {
  if (constants !== undefined) return constants;
  const made = new Int32Array(ROUNDS);
  let count = 0;
  for (let candidate = 2; count < ROUNDS; candidate++) {
    let isPrime = true;
    for (let divisor = 2; divisor * divisor <= candidate && isPrime; divisor++) isPrime = candidate % divisor !== 0;
    if (isPrime) made[count++] = ((Math.cbrt(candidate) % 1) * 2 ** 32) | 0;
  }
  return (constants = made);
}

/** The digest of `bytes`. */
export function sha256(bytes: Uint8Array): Uint8Array {
  const state = Int32Array.from(INITIAL);
  const words = new Int32Array(ROUNDS);
  const whole = bytes.length - (bytes.length % BLOCK_BYTES);
  for (let start = 0; start < whole; start += BLOCK_BYTES) addBlock(state, words, bytes, start);
  const rest = bytes.length - whole;
  const end = new Uint8Array(rest + 1 + LENGTH_BYTES <= BLOCK_BYTES ? BLOCK_BYTES : 2 * BLOCK_BYTES);
  end.set(bytes.subarray(whole));
  end[rest] = 0x80;
  const bits = new DataView(end.buffer);
  bits.setUint32(end.length - 8, Math.floor(bytes.length / 2 ** 29));
  bits.setUint32(end.length - 4, (bytes.length << 3) >>> 0);
  for (let start = 0; start < end.length; start += BLOCK_BYTES) addBlock(state, words, end, start);
  const digest = new DataView(new ArrayBuffer(32));
  for (let i = 0; i < 8; i++) digest.setInt32(4 * i, state[i]!);
  return new Uint8Array(digest.buffer);
}

function addBlock(state: Int32Array, words: Int32Array, bytes: Uint8Array, start: number): void {
  const k = roundConstants();
  for (let i = 0; i < 16; i++) {
    const at = start + 4 * i;
    words[i] = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
  }
  for (let i = 16; i < ROUNDS; i++) {
    const x = words[i - 15]!;
    const y = words[i - 2]!;
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    words[i] = (words[i - 16]! + s0 + words[i - 7]! + s1) | 0;
  }
  let [a, b, c, d, e, f, g, h] = state as unknown as [number, number, number, number, number, number, number, number];
  for (let i = 0; i < ROUNDS; i++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + k[i]! + words[i]!) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  const sums = [a, b, c, d, e, f, g, h];
  for (let i = 0; i < 8; i++) state[i] = (state[i]! + sums[i]!) | 0;
}
