/** Path metadata in its written forms: fingerprints, signatures, narinfo; and the graph of references. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { closureOf, topologicalOrder } from "./closure-graph.ts";
import { hashByteString } from "./hash.ts";
import { parseNarInfo, renderNarInfo } from "./narinfo.ts";
import type { PathInfo } from "./path-info.ts";
import {
  fingerprint,
  generateKeyPair,
  hasTrustedSignature,
  isSignedBy,
  parsePublicKey,
  parseSigningKey,
  sign,
} from "./signature.ts";
import { StorePath } from "./store-path.ts";

const STORE = "/nix/store";
const path = (digit: string, name: string): StorePath => StorePath.of(`${digit.repeat(32)}-${name}`);

const INFO: PathInfo = {
  path: path("1", "top"),
  narHash: hashByteString("sha256", ""),
  narSize: 4242,
  references: [path("3", "b"), path("2", "a"), path("2", "a")],
  deriver: path("4", "top.drv"),
  signatures: [],
  ultimate: false,
  registrationTime: 0,
};

test("the fingerprint names references in order, each once", () => {
  assert.equal(
    fingerprint(INFO, STORE),
    `1;/nix/store/${"1".repeat(32)}-top;sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73;4242;` +
      `/nix/store/${"2".repeat(32)}-a,/nix/store/${"3".repeat(32)}-b`,
  );
});

test("signatures hold for their key and their contents only", () => {
  const pair = generateKeyPair("test-1");
  const other = parsePublicKey(generateKeyPair("test-1").public);
  const key = parsePublicKey(pair.public);
  const signature = sign(INFO, STORE, parseSigningKey(pair.secret));
  assert.ok(isSignedBy(INFO, STORE, signature, [other, key]));
  assert.ok(!isSignedBy(INFO, STORE, signature, [other]));
  assert.ok(!isSignedBy({ ...INFO, narSize: 4243 }, STORE, signature, [key]));
  assert.ok(!isSignedBy(INFO, STORE, "nonsense", [key]));
  assert.ok(!isSignedBy(INFO, STORE, "test-1:AAAA", [key]));
  assert.ok(hasTrustedSignature({ ...INFO, signatures: ["x:AAAA", signature] }, STORE, [key]));
  assert.throws(() => parseSigningKey(pair.public), { name: "FormatError" });
});

test("parsing a narinfo undoes rendering", () => {
  const narInfo = {
    info: {
      ...INFO,
      references: [path("2", "a"), path("3", "b")],
      signatures: ["a:b", "c:d"],
      contentAddress: "text:sha256:0",
    },
    url: "nar/x.nar.xz",
    compression: "xz",
    fileHash: hashByteString("sha256", "x"),
    fileSize: 17,
  };
  assert.deepEqual(parseNarInfo(renderNarInfo(narInfo, STORE), STORE), narInfo);
});

const GOOD = renderNarInfo({ info: { ...INFO, references: [] }, url: "nar/x", compression: "none" }, STORE);
const bad: Record<string, readonly [string, RegExp]> = {
  "no lines": ["", /StorePath is missing|References is missing/],
  "a line without field": [`${GOOD}junk\n`, /line without a field/],
  "a field twice": [`${GOOD}NarSize: 1\n`, /NarSize is given twice/],
  "a size that is no number": [GOOD.replace("4242", "4e2"), /NarSize is not a size/],
  "a path elsewhere": [GOOD.replace("/nix/store/1", "/etc/1"), /not a direct child/],
  "a path with a step up": [GOOD.replace("-top\n", "-../top\n"), /contains a character/],
  "a hash that is none": [GOOD.replace("sha256:0", "sha256:e"), /NarHash is not a hash/],
};
for (const [name, [text, reason]] of Object.entries(bad)) {
  test(`a narinfo with ${name} is refused`, () => assert.throws(() => parseNarInfo(text, STORE), reason));
}

test("a narinfo without references may lack the blank after the colon", () => {
  assert.deepEqual(parseNarInfo(GOOD.replace("References: ", "References:"), STORE).info.references, []);
});

test("closures and their order", () => {
  const [a, b, c, d] = ["a", "b", "c", "d"].map((name, i) => path(String(i), name)) as [
    StorePath,
    StorePath,
    StorePath,
    StorePath,
  ];
  const graph = new Map([
    [a.baseName, [a, b, c]],
    [b.baseName, [d]],
    [c.baseName, [d, b]],
    [d.baseName, []],
  ]);
  const references = (of: StorePath): StorePath[] => graph.get(of.baseName) ?? [];
  assert.deepEqual([...closureOf([c], references).keys()].sort(), [b, c, d].map(String));
  assert.deepEqual(topologicalOrder([a, b, c, d], references).map(String), [d, b, c, a].map(String));
  assert.deepEqual(topologicalOrder([c, a], references).map(String), [c, a].map(String));
  graph.set(d.baseName, [a]);
  assert.throws(() => topologicalOrder([a, b, c, d], references), /form a cycle: 0+-a -> 1+-b -> 3+-d -> 0+-a/);
});

test("a chain of a hundred thousand paths is ordered", () => {
  const chain = Array.from({ length: 100_000 }, (_, i) => StorePath.of(`${String(i).padStart(32, "0")}-n`));
  const order = topologicalOrder(chain, (of) => chain.slice(Number(of.digest) + 1, Number(of.digest) + 2));
  assert.equal(order[0], chain.at(-1));
  assert.equal(order.length, chain.length);
});
