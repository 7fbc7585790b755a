/** Binary caches on disk, made for tests. */

import { execFileSync } from "node:child_process";
import { createServer, type Server } from "node:http";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { brotliCompressSync, gzipSync, zstdCompressSync } from "node:zlib";
import { renderCacheInfo } from "../../src/format/cache-info.ts";
import { contentAddressedPath, renderContentAddress } from "../../src/format/content-address.ts";
import { hashBytes } from "../../src/format/hash.ts";
import { type MemoryTree, memoryTreeSource } from "../../src/format/memory-tree.ts";
import { encodeNar } from "../../src/format/nar.ts";
import { renderNarInfo } from "../../src/format/narinfo.ts";
import type { PathInfo } from "../../src/format/path-info.ts";
import { parseSigningKey, sign } from "../../src/format/signature.ts";
import { StorePath } from "../../src/format/store-path.ts";

export type Compression = "none" | "gzip" | "zstd" | "br" | "xz" | "bzip2";

/** An object of a cache. */
export interface CachedObject {
  readonly info: PathInfo;
  readonly bytes: Uint8Array;
}

const STORE_DIR = "/nix/store";

function objectAt(path: StorePath, tree: MemoryTree, rest: Partial<PathInfo>): CachedObject {
  const bytes = encodeNar(memoryTreeSource(tree));
  const info = {
    path,
    narHash: hashBytes("sha256", bytes),
    narSize: bytes.length,
    references: [],
    signatures: [],
    ultimate: false,
    registrationTime: 0,
    ...rest,
  };
  return { info, bytes };
}

export function fileOf(text: string): MemoryTree {
  return { type: "regular", executable: false, contents: Buffer.from(text) };
}

/** An object whose path does not follow from its contents; it may refer to itself. */
export function inputAddressed(
  baseName: string,
  tree: MemoryTree,
  references: readonly StorePath[] = [],
): CachedObject {
  return objectAt(StorePath.of(baseName), tree, { references: [...references] });
}

/** An object whose path follows from its contents. */
export function contentAddressed(name: string, tree: MemoryTree, references: readonly StorePath[] = []): CachedObject {
  const address = { method: "nar", hash: hashBytes("sha256", encodeNar(memoryTreeSource(tree))) } as const;
  const path = contentAddressedPath(STORE_DIR, name, address, { others: references, self: false });
  return objectAt(path, tree, { references: [...references], contentAddress: renderContentAddress(address) });
}

/** A text, as `builtins.toFile` makes it. */
export function textObject(name: string, text: string, references: readonly StorePath[] = []): CachedObject {
  const address = { method: "text", hash: hashBytes("sha256", Buffer.from(text)) } as const;
  const path = contentAddressedPath(STORE_DIR, name, address, { others: references, self: false });
  return objectAt(path, fileOf(text), { references: [...references], contentAddress: renderContentAddress(address) });
}

/** The object with a signature by a secret key. */
export function signed({ info, bytes }: CachedObject, secretKey: string): CachedObject {
  return { info: { ...info, signatures: [sign(info, STORE_DIR, parseSigningKey(secretKey))] }, bytes };
}

function compress(bytes: Uint8Array, compression: Compression): Uint8Array {
  switch (compression) {
    case "none":
      return bytes;
    case "gzip":
      return gzipSync(bytes);
    case "zstd":
      return zstdCompressSync(bytes);
    case "br":
      return brotliCompressSync(bytes);
    case "xz":
    case "bzip2":
      return execFileSync(compression, ["-c"], { input: bytes });
  }
}

/** Writes a cache to a directory; `altered` changes the text of each narinfo. */
export function writeBinaryCache(
  directory: string,
  objects: readonly CachedObject[],
  options: {
    readonly compression?: Compression;
    readonly storeDir?: string;
    readonly altered?: (text: string) => string;
  } = {},
): void {
  const { compression = "none", storeDir = STORE_DIR, altered = (text) => text } = options;
  mkdirSync(join(directory, "nar"), { recursive: true });
  writeFileSync(join(directory, "nix-cache-info"), renderCacheInfo({ storeDir, wantsMassQuery: true, priority: 30 }));
  for (const { info, bytes } of objects) {
    const file = compress(bytes, compression);
    const fileHash = hashBytes("sha256", file);
    const url = `nar/${fileHash.toNix32()}.nar${compression === "none" ? "" : `.${compression}`}`;
    writeFileSync(join(directory, url), file);
    const text = renderNarInfo({ info, url, compression, fileHash, fileSize: file.length }, storeDir);
    writeFileSync(join(directory, `${info.path.digest}.narinfo`), altered(text));
  }
}

/** Serves a directory over HTTP, to those who show `login` when there is one; counts the requests. */
export async function serveDirectory(
  directory: string,
  options: { readonly login?: string } = {},
): Promise<{ readonly url: string; readonly requests: string[]; close(): Promise<void> }> {
  const requests: string[] = [];
  const server: Server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://x").pathname;
    requests.push(path);
    const shown = Buffer.from(/^Basic (.*)$/.exec(request.headers.authorization ?? "")?.[1] ?? "", "base64").toString();
    if (options.login !== undefined && shown !== options.login) return void response.writeHead(401).end();
    try {
      response.end(readFileSync(join(directory, path)));
    } catch {
      // A bucket that cannot be listed says that what is absent is forbidden.
      response.writeHead(path.startsWith("/bucket/") ? 403 : 404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    close: () => new Promise((resolve) => server.close(() => resolve()).closeAllConnections()),
  };
}
