import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeNarTree, type MemoryTree, memoryTreeSource, MemoryTreeSink } from "./memory-tree.ts";
import { encodeNar, narHash, narToken, narTokens } from "./nar.ts";
import { decodeNar, NarDecoder, NULL_SINK } from "./nar-decoder.ts";

const file = (contents: string, executable = false): MemoryTree => ({
  type: "regular",
  executable,
  contents: Buffer.from(contents),
});
const link = (target: string): MemoryTree => ({ type: "symlink", target });
const directory = (entries: Record<string, MemoryTree>): MemoryTree => ({
  type: "directory",
  entries: new Map(Object.entries(entries)),
});

const SAMPLE = directory({
  "b.txt": file("hello world"),
  a: directory({ empty: directory({}), exe: file("#!/bin/sh\n", true), "\xc3\xa9": file("12345678") }),
  B: link("../else where"),
  z: file(""),
});
const SAMPLE_NAR = encodeNar(memoryTreeSource(SAMPLE));

test("hashes are those of real Nix", () => {
  // nix-hash --type sha256 --base32 of the same trees
  assert.equal(
    narHash(memoryTreeSource(SAMPLE)).hash.toNix32(),
    "1vyds5a0bg7dk2ia4vkml8i5ir15ixyziw0mrfdicpvdgf2a76ph",
  );
  assert.equal(
    narHash(memoryTreeSource(file("hello"))).hash.toNix32(),
    "0sg9f58l1jj88w6pdrfdpj5x9b1zrwszk84j81zvby36q9whhhqa",
  );
  assert.equal(narHash(memoryTreeSource(SAMPLE)).size, SAMPLE_NAR.length);
});

test("a filter leaves out entries with what is below them", () => {
  const seen: string[] = [];
  const nar = encodeNar(memoryTreeSource(SAMPLE), (path, type) => {
    seen.push(`${type} ${path}`);
    return path !== "a";
  });
  assert.deepEqual(seen, ["symlink B", "directory a", "regular b.txt", "regular z"]);
  assert.deepEqual(
    nar,
    encodeNar(memoryTreeSource(directory({ B: link("../else where"), "b.txt": file("hello world"), z: file("") }))),
  );
});

test("big files pass through, small ones are gathered", () => {
  const contents = Buffer.alloc(300_001, "x");
  const big: MemoryTree = { type: "regular", executable: false, contents };
  const tree = directory({ big, deep: SAMPLE });
  assert.deepEqual(
    decodeNarTree(encodeNar(memoryTreeSource(tree))),
    directory({ big, deep: decodeNarTree(SAMPLE_NAR) }),
  );
  const many = directory(
    Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`f${i}`, file("y".repeat(i % 50))])),
  );
  const decoded = decodeNarTree(encodeNar(memoryTreeSource(many)));
  assert.ok(decoded.type === "directory");
  assert.equal(decoded.entries.size, 3000);
});

test("decoding takes chunks of any size and says where the archive ends", () => {
  for (const size of [1, 2, 3, 7, 8, 13, 64, 1000]) {
    const sink = new MemoryTreeSink();
    const decoder = new NarDecoder(sink);
    const bytes = Buffer.concat([SAMPLE_NAR, Buffer.from("more")]);
    let taken = 0;
    for (let at = 0; at < bytes.length && !decoder.isDone; at += size)
      taken += decoder.write(bytes.subarray(at, at + size));
    assert.equal(taken, SAMPLE_NAR.length);
    assert.equal(decoder.size, SAMPLE_NAR.length);
    assert.deepEqual(Buffer.from(encodeNar(memoryTreeSource(sink.tree))), Buffer.from(SAMPLE_NAR));
  }
});

test("an archive cut anywhere is refused", () => {
  for (let end = 0; end < SAMPLE_NAR.length; end++) {
    assert.throws(() => decodeNar(SAMPLE_NAR.subarray(0, end), NULL_SINK), /nar: ends too early/);
  }
  assert.throws(() => decodeNar(Buffer.concat([SAMPLE_NAR, Buffer.alloc(8)]), NULL_SINK), /bytes after the end/);
});

test("an archive with any byte changed gives the same structure or an error of the format", () => {
  for (let at = 0; at < SAMPLE_NAR.length; at++) {
    const bytes = Uint8Array.from(SAMPLE_NAR);
    bytes[at] = bytes[at]! ^ 0x81;
    try {
      decodeNar(bytes, NULL_SINK);
    } catch (error) {
      assert.equal((error as Error).name, "FormatError");
    }
  }
});

const nar = (...texts: string[]): Buffer => narTokens("nix-archive-1", ...texts);
const entry = (name: string): string[] => [
  "entry",
  "(",
  "name",
  name,
  "node",
  "(",
  "type",
  "symlink",
  "target",
  "x",
  ")",
  ")",
];
const root = ["(", "type", "directory"];
const hostile: Record<string, readonly [Buffer, RegExp]> = {
  "another magic": [narTokens("nix-archive-2", "(", "type", "directory", ")"), /expected 'nix-archive-1'/],
  dot: [nar(...root, ...entry("."), ")"), /bad file name/],
  dotdot: [nar(...root, ...entry(".."), ")"), /bad file name/],
  "a name with a slash": [nar(...root, ...entry("a/b"), ")"), /bad file name/],
  "a name with NUL": [nar(...root, ...entry("a\0b"), ")"), /bad file name/],
  "an empty name": [nar(...root, ...entry(""), ")"), /bad file name/],
  "a long name": [nar(...root, ...entry("x".repeat(256)), ")"), /name of 256 bytes is too long/],
  "names out of order": [nar(...root, ...entry("b"), ...entry("a"), ")"), /'a' is out of order/],
  "a name twice": [nar(...root, ...entry("a"), ...entry("a"), ")"), /'a' is out of order/],
  "an empty target": [nar("(", "type", "symlink", "target", "", ")"), /bad link target/],
  "a target with NUL": [nar("(", "type", "symlink", "target", "a\0", ")"), /bad link target/],
  "a long target": [nar("(", "type", "symlink", "target", "x".repeat(4096), ")"), /too long/],
  "an unknown type": [nar("(", "type", "fifo", ")"), /unknown type of file 'fifo'/],
  "executable after contents": [nar("(", "type", "regular", "contents", "x", "executable", "", ")"), /expected '\)'/],
  "a file without contents": [nar("(", "type", "regular", ")"), /expected 'contents'/],
  "node before name": [nar(...root, "entry", "(", "node"), /expected '\( name'/],
  "padding that is not zero": [
    Buffer.concat([
      nar("(", "type", "symlink", "target").subarray(),
      Buffer.from([1, 0, 0, 0, 0, 0, 0, 0, 120, 1, 0, 0, 0, 0, 0, 0]),
      narToken(")"),
    ]),
    /padding of target/,
  ],
  "a huge length": [Buffer.concat([nar("(", "type", "regular", "contents"), Buffer.alloc(8, 0xff)]), /too large/],
  "a huge keyword": [Buffer.concat([nar("(", "type"), Buffer.from([0, 0, 0, 0x7f, 0, 0, 0, 0])]), /too long/],
};
for (const [name, [bytes, reason]] of Object.entries(hostile)) {
  test(`hostile archive: ${name}`, () => assert.throws(() => decodeNar(bytes, NULL_SINK), reason));
}

test("hostile archive: bottomless", () => {
  const level = ["(", "type", "directory", "entry", "(", "name", "a", "node"];
  const bytes = nar(...Array.from({ length: 5000 }, () => level).flat());
  assert.throws(() => decodeNar(bytes, NULL_SINK), /nested too deeply/);
});

const arbitraryTree = fc.letrec<{ tree: MemoryTree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    fc
      .tuple(fc.boolean(), fc.uint8Array({ maxLength: 40 }))
      .map(([executable, bytes]): MemoryTree => ({ type: "regular", executable, contents: Buffer.from(bytes) })),
    fc.stringMatching(/^[ -~]{1,20}$/).map(link),
    fc
      .dictionary(fc.stringMatching(/^[a-zA-Z0-9\xe0-\xff-]{1,8}$/), tie("tree"), { maxKeys: 5 })
      .map((entries) => directory(Object.fromEntries(Object.entries(entries).sort(([a], [b]) => (a < b ? -1 : 1))))),
  ),
})).tree;

test("decoding undoes encoding", () => {
  fc.assert(
    fc.property(arbitraryTree, (value) => assert.deepEqual(decodeNarTree(encodeNar(memoryTreeSource(value))), value)),
  );
});
