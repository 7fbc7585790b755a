/** The store contract, kept by every store that can be had without another program. */

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { after } from "node:test";
import { BinaryCacheStore } from "../../src/store/binary-cache-store.ts";
import { LocalStore } from "../../src/store/local-store.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { removeTree } from "../../src/system/files.ts";
import { serveDirectory, writeBinaryCache } from "../support/binary-cache.ts";
import { readStoreContract, storeContract } from "./store-contract.ts";

storeContract("memory", async () => new MemoryStore());

const roots: string[] = [];
const stores: LocalStore[] = [];
storeContract("local", async () => {
  const root = mkdtempSync(`${tmpdir()}/store-contract-`);
  roots.push(root);
  const store = await LocalStore.open(root);
  stores.push(store);
  return store;
});

const servers: { close(): Promise<void> }[] = [];
for (const scheme of ["file", "http"] as const) {
  readStoreContract(`binary cache, ${scheme}`, async (objects, signal) => {
    const root = mkdtempSync(`${tmpdir()}/store-contract-`);
    roots.push(root);
    writeBinaryCache(root, objects, { compression: "zstd" });
    if (scheme === "file") return await BinaryCacheStore.open(`file://${root}`, {}, signal);
    const server = await serveDirectory(root);
    servers.push(server);
    return await BinaryCacheStore.open(server.url, {}, signal);
  });
}

after(async () => {
  for (const server of servers) await server.close();
  for (const store of stores) await store.close();
  for (const root of roots) await removeTree(root);
});
