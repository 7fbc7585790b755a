/** Binary caches: what they say is read, bounded and not believed. */

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  type CachedObject,
  type Compression,
  contentAddressed,
  fileOf,
  inputAddressed,
  serveDirectory,
  signed,
  textObject,
  writeBinaryCache,
} from "../../test/support/binary-cache.ts";
import { unmetNeed } from "../../test/support/needs.ts";
import { hashBytes } from "../format/hash.ts";
import { generateKeyPair, parsePublicKey } from "../format/signature.ts";
import { StorePath } from "../format/store-path.ts";
import { BinaryCacheStore } from "./binary-cache-store.ts";
import { copyClosure } from "./copy.ts";
import { MemoryStore } from "./memory-store.ts";
import type { Trust } from "./trust.ts";

const directory = mkdtempSync(join(tmpdir(), "pristine-binary-cache-"));
after(() => rmSync(directory, { recursive: true, force: true }));
const signal = AbortSignal.timeout(60_000);

const leaf = textObject("leaf", "a leaf\n");
const branch = inputAddressed(`${"b".repeat(32)}-branch`, fileOf(`${leaf.info.path.render("/nix/store")}\n`), [
  leaf.info.path,
]);
const large = contentAddressed("large", fileOf("0123456789abcdef".repeat(40_000)));
const objects = [leaf, branch, large];

let caches = 0;
function cacheOf(...[content, options]: [readonly CachedObject[], Parameters<typeof writeBinaryCache>[2]?]): string {
  const at = join(directory, `cache-${caches++}`);
  writeBinaryCache(at, content, options);
  return at;
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(Uint8Array.from(chunk));
  return Buffer.concat(all);
}

async function open(at: string): Promise<BinaryCacheStore> {
  return await BinaryCacheStore.open(at.includes("://") ? at : `file://${at}`, { attemptsMax: 1 }, signal);
}

const compressions: readonly Compression[] = ["none", "gzip", "zstd", "br", "xz", "bzip2"];
for (const compression of compressions) {
  const skip = compression === "xz" || compression === "bzip2" ? unmetNeed(compression) : false;
  test(`objects compressed by ${compression} are read back, from disk and over HTTP`, { skip }, async () => {
    const at = cacheOf(objects, { compression });
    const server = await serveDirectory(at);
    try {
      for (const address of [at, server.url]) {
        const cache = await open(address);
        for (const { info, bytes } of objects) {
          assert.deepEqual(await cache.pathInfo(info.path, signal), info);
          assert.deepEqual(await collect(cache.nar(info.path, signal)), Buffer.from(bytes));
        }
      }
    } finally {
      await server.close();
    }
  });
}

test("what the cache says of itself is read", async () => {
  const { cacheInfo, storeDir, uri } = await open(`file://${cacheOf([])}//`);
  assert.deepEqual(cacheInfo, { storeDir: "/nix/store", wantsMassQuery: true, priority: 30 });
  assert.deepEqual([storeDir, uri.startsWith("file:///"), uri.endsWith("/")], ["/nix/store", true, false]);
});

test("what is described is asked for once", async () => {
  const server = await serveDirectory(cacheOf(objects));
  try {
    const cache = await open(server.url);
    await copyClosure({ from: cache, to: new MemoryStore(), roots: [branch.info.path], signal });
    assert.equal(server.requests.length, new Set(server.requests).size, server.requests.join(" "));
  } finally {
    await server.close();
  }
});

test("a server that says 'forbidden' of what is absent is understood", async () => {
  const at = join(directory, "served");
  mkdirSync(at);
  symlinkSync(cacheOf([leaf]), join(at, "bucket"));
  const server = await serveDirectory(at);
  try {
    const cache = await open(`${server.url}/bucket`);
    assert.deepEqual(
      [...(await cache.validPaths([branch.info.path, leaf.info.path], signal))],
      [leaf.info.path.baseName],
    );
  } finally {
    await server.close();
  }
});

test("a login is shown, from the address or from the caller", async () => {
  const server = await serveDirectory(cacheOf([leaf]), { login: "me:se cret" });
  try {
    const address = server.url.replace("//", "//me:se%20cret@");
    const cache = await open(address);
    assert.equal(cache.uri, server.url);
    assert.deepEqual(await collect(cache.nar(leaf.info.path, signal)), Buffer.from(leaf.bytes));
    const asked = await BinaryCacheStore.open(server.url, { loginOf: async () => "me:se cret" }, signal);
    assert.ok(await asked.pathInfo(leaf.info.path, signal));
    await assert.rejects(open(server.url), /401/);
  } finally {
    await server.close();
  }
});

test("what is no cache, or one for another store directory, is refused", async () => {
  const empty = mkdtempSync(join(directory, "empty-"));
  await assert.rejects(open(empty), { code: "CACHE_NOT_FOUND" });
  await assert.rejects(open(cacheOf([], { storeDir: "/other" })), {
    code: "STORE_DIR_DIFFERS",
    message: /is for Nix stores with prefix '\/other', not '\/nix\/store'/,
  });
  for (const address of ["/some/where", "ftp://x/y", "https://x/?a=b"]) {
    await assert.rejects(BinaryCacheStore.open(address, {}, signal), { code: "STORE_ADDRESS_UNKNOWN" });
  }
});

test("another object with the same digest is not the one asked for", async () => {
  const cache = await open(cacheOf([leaf]));
  assert.equal(await cache.pathInfo(StorePath.ofParts(leaf.info.path.digest, "other"), signal), undefined);
});

const corruptions: Readonly<Record<string, (text: string) => string>> = {
  "no hash": (text) => text.replace(/NarHash: .*\n/, ""),
  "a newline in a field": (text) => text.replace("Compression", "Compres\nsion"),
  "a size that is none": (text) => text.replace(/NarSize: .*/, "NarSize: -1"),
  "a path of another directory": (text) => text.replace("StorePath: /nix/store", "StorePath: /etc"),
};
for (const [name, altered] of Object.entries(corruptions)) {
  test(`a description with ${name} is refused`, async () => {
    const cache = await open(cacheOf([leaf], { altered }));
    await assert.rejects(cache.pathInfo(leaf.info.path, signal), { code: "NARINFO_CORRUPT" });
  });
}

test("a file outside of the cache is not read", async () => {
  writeFileSync(join(directory, "outside"), leaf.bytes);
  const altered = (text: string): string => text.replace(/URL: .*/, "URL: ../outside");
  const at = cacheOf([leaf], { altered });
  const local = await open(at);
  await assert.rejects(collect(local.nar(leaf.info.path, signal)), { code: "NARINFO_CORRUPT" });
  const named = cacheOf([leaf], { altered: (text) => text.replace(/URL: .*/, `URL: file://${directory}/outside`) });
  const server = await serveDirectory(named);
  try {
    const remote = await open(server.url);
    await assert.rejects(collect(remote.nar(leaf.info.path, signal)), { code: "NARINFO_CORRUPT" });
  } finally {
    await server.close();
  }
});

test("a file that stands for more than was announced is not read to its end", async () => {
  const altered = (text: string): string => text.replace(/NarSize: .*/, "NarSize: 1000");
  const cache = await open(cacheOf([large], { altered, compression: "gzip" }));
  await assert.rejects(collect(cache.nar(large.info.path, signal)), /is larger than/);
});

test("a way to compress that is not known is named", async () => {
  const altered = (text: string): string => text.replace(/Compression: .*/, "Compression: magic");
  const cache = await open(cacheOf([leaf], { altered }));
  await assert.rejects(collect(cache.nar(leaf.info.path, signal)), { code: "DECOMPRESSION_FAILED", message: /magic/ });
});

const key = generateKeyPair("test-1");
const trusting: Trust = { requiresSignatures: true, keys: [parsePublicKey(key.public)] };

async function copied(content: readonly CachedObject[], root: CachedObject, trust: Trust): Promise<number> {
  const to = new MemoryStore();
  const outcome = await copyClosure({ from: await open(cacheOf(content)), to, roots: [root.info.path], trust, signal });
  return outcome.copied.length;
}

test("what has no signature enters only where none is needed", async () => {
  const refusal = { code: "SIGNATURE_MISSING", message: /cannot add path '.*-branch' because it lacks a signature/ };
  await assert.rejects(copied(objects, branch, trusting), refusal);
  assert.equal(await copied(objects, branch, { ...trusting, requiresSignatures: false }), 2);
});

test("a signature by a trusted key lets it in, another key's does not", async () => {
  assert.equal(await copied([leaf, signed(branch, key.secret)], branch, trusting), 2);
  const other = signed(branch, generateKeyPair("test-1").secret);
  await assert.rejects(copied([leaf, other], branch, trusting), { code: "SIGNATURE_MISSING" });
});

test("a content address needs no signature, and is checked", async () => {
  assert.equal(await copied(objects, large, trusting), 1);
  // The path follows from the address, but the contents have another one.
  const bytes = textObject("leaf", "not a leaf\n").bytes;
  const forged = { info: { ...leaf.info, narHash: hashBytes("sha256", bytes), narSize: bytes.length }, bytes };
  await assert.rejects(copied([forged], forged, trusting), { code: "CONTENT_ADDRESS_MISMATCH" });
  // The address is that of the contents, but it leads to another path.
  const moved = { ...leaf, info: { ...leaf.info, path: StorePath.of(`${"c".repeat(32)}-leaf`) } };
  await assert.rejects(copied([moved], moved, trusting), { code: "SIGNATURE_MISSING" });
});
