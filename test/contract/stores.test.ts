/** The store contract, kept by every store that can be had without another program. */

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { after } from "node:test";
import { LocalStore } from "../../src/store/local-store.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { removeTree } from "../../src/system/files.ts";
import { storeContract } from "./store-contract.ts";

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

after(async () => {
  for (const store of stores) await store.close();
  for (const root of roots) await removeTree(root);
});
