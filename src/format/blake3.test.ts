/** BLAKE3 of texts that end within blocks, chunks and trees; the digests are a real Nix's. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Blake3 } from "./blake3.ts";

const digests: readonly (readonly [size: number, digest: string])[] = [
  [0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"],
  [1, "17762fddd969a453925d65717ac3eea21320b66b54342fde15128d6caf21215f"],
  [63, "db02afe872971023f2f0e0b5e2f1b39e347623636a7e80c960ce6565f81f9872"],
  [64, "6cd30c9d9d9ca30f29b722964b491cfd90ba15db7536d64fbef8ae4c9406b641"],
  [65, "1a6873996c35afb330f48ce933a6e1e88276a4e4367399f8239e6d9e90602573"],
  [1023, "a953eb9f73726de404aac0c17273be85a09a2a9a889d42d2cd058e563c046256"],
  [1024, "70c5927b0ca4e480980b9758e524deed0565a173a381133544898b4e40213d26"],
  [1025, "199ca3cb28a4b0a989b931aeda1eb479bc41e746070df120e9655e4ff9b960a3"],
  [2048, "85aea74f0bda76b13e3e923ae0f78e6832fb41b341bff01d4273f7e080dbfe9f"],
  [2049, "18787dd472a916ab2615626387a9accb25f9908320da036286c1fe2c5ca0d7fd"],
  [3072, "1f3f8eab68e86f725d975f6b58a5887d2434fbc7a0a61fc03ed9c8e467093486"],
  [3073, "3e516e9ff918282ba8706374c54b0d7d42397886fc6d8cab62f699c74945c9d6"],
  [4097, "26760b705be8a20f606313d9d19f48398606297e2592239b53474f0f6e39f4bb"],
  [10000, "8939895a49b13bfa06b3b13882b80637dd3d81f5e48d9de5d7586888216e5370"],
  [100000, "da4812522c1555c7cbbb8530844922d7b08874b3db7c6edb4d71892304d09c6c"],
];

const text = (size: number): Uint8Array => Uint8Array.from({ length: size }, (_, index) => 97 + (index % 23));

for (const [size, digest] of digests) {
  test(`${size} bytes, in two pieces`, () => {
    const bytes = text(size);
    const hash = new Blake3().update(bytes.subarray(0, size >> 1)).update(bytes.subarray(size >> 1));
    assert.equal(Buffer.from(hash.digest()).toString("hex"), digest);
  });
}
