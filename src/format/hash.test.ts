import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeBase32, encodeBase32 } from "./base32.ts";
import { Hash, Hasher, hashBytes, hashByteString } from "./hash.ts";

const EMPTY16 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const EMPTY32 = "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73";
const EMPTY64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

const cases: readonly (readonly [string, "sha256" | "md5" | undefined, string])[] = [
  [`sha256:${EMPTY16}`, undefined, "ok"],
  [`sha256:${EMPTY16.toUpperCase()}`, undefined, "ok"],
  [`sha256:${EMPTY32}`, undefined, "ok"],
  [`sha256:${EMPTY64}`, undefined, "ok"],
  [`sha256-${EMPTY64}`, undefined, "ok"],
  [EMPTY32, "sha256", "ok"],
  [EMPTY64, "sha256", "ok"],
  [EMPTY32, undefined, "no-algorithm"],
  [`sha256-${EMPTY64.slice(0, -1)}`, undefined, "ok"],
  [`sha256-${EMPTY64.slice(0, 9)}\n${EMPTY64.slice(9)}=`, undefined, "ok"],
  [`sha256:${EMPTY64.slice(0, -1)}`, undefined, "bad-length"],
  [`sha256-${EMPTY64.slice(0, -2)}`, undefined, "bad-digits"],
  [`sha256-${EMPTY64.slice(0, 9)}?${EMPTY64.slice(10)}`, undefined, "bad-digits"],
  [`sha256-${EMPTY16}`, undefined, "bad-digits"],
  [`sha256:${EMPTY32}`, "md5", "algorithm-mismatch"],
  [`sha3:${EMPTY32}`, undefined, "unknown-algorithm"],
  [`toString:${EMPTY32}`, undefined, "unknown-algorithm"],
  [`sha256:${EMPTY32}0`, undefined, "bad-length"],
  [`sha256:e${EMPTY32.slice(1)}`, undefined, "bad-digits"],
  [`sha256:z${EMPTY32.slice(1)}`, undefined, "bad-digits"],
  [`sha256:g${EMPTY16.slice(1)}`, undefined, "bad-digits"],
];

for (const [text, expected, outcome] of cases) {
  test(`Hash.parse ${text} (${expected ?? "any"})`, () => {
    const parsed = Hash.parse(text, expected);
    assert.equal(parsed.ok ? "ok" : parsed.error.kind, outcome);
    if (parsed.ok) assert.equal(parsed.value.toBase16(), EMPTY16);
  });
}

test("all notations of one hash", () => {
  const hash = hashByteString("sha256", "");
  assert.equal(hash.render("base16"), `sha256:${EMPTY16}`);
  assert.equal(hash.render("nix32"), `sha256:${EMPTY32}`);
  assert.equal(hash.toSri(), `sha256-${EMPTY64}`);
});

test("hashing in pieces is hashing the whole", () => {
  const bytes = Buffer.from("The quick brown fox jumps over the lazy dog");
  for (const algorithm of ["md5", "sha1", "sha256", "sha512"] as const) {
    const hasher = new Hasher(algorithm);
    for (const byte of bytes) hasher.update(Uint8Array.of(byte));
    assert.ok(hasher.digest().equals(hashBytes(algorithm, bytes)));
  }
});

test("decoding base 32 undoes encoding", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
      assert.deepEqual(decodeBase32(encodeBase32(bytes), bytes.length), bytes);
    }),
  );
});
