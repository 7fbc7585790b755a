/** Reading a system from a host that may say anything. */

import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { hashBytes } from "../format/hash.ts";
import { type MemoryTree, memoryTreeSource } from "../format/memory-tree.ts";
import { encodeNar } from "../format/nar.ts";
import type { PathInfo } from "../format/path-info.ts";
import { StorePath } from "../format/store-path.ts";
import { LocalStore } from "../store/local-store.ts";
import { MemoryStore } from "../store/memory-store.ts";
import type { ReadStore } from "../store/store.ts";
import { removeTree } from "../system/files.ts";
import { openSystemTree } from "./system-tree.ts";

test("a system of the host is read into memory, and never more of it than was announced", async () => {
  const signal = AbortSignal.timeout(30_000);
  const root = mkdtempSync(`${tmpdir()}/system-tree-`);
  const local = await LocalStore.open(root);
  try {
    const path = StorePath.of(`${"a".repeat(32)}-system-web`);
    const contents = Buffer.alloc(100_000, "x");
    const tree: MemoryTree = {
      type: "directory",
      entries: new Map([["init", { type: "regular", executable: true, contents }]]),
    };
    const nar = encodeNar(memoryTreeSource(tree));
    const info: PathInfo = {
      path,
      narHash: hashBytes("sha256", nar),
      narSize: nar.length,
      references: [],
      signatures: [],
      ultimate: false,
      registrationTime: 1,
    };
    const host = new MemoryStore();
    await host.addMany([{ info, nar: () => inPieces(nar) }], signal);
    const system = path.render("/nix/store");
    const opened = await openSystemTree(system, local, host, signal);
    assert.deepEqual(opened.list(system), ["init"]);
    assert.equal(opened.readFile(`${system}/init`)?.length, contents.length);

    let sent = 0;
    const liar: Pick<ReadStore, "pathInfo" | "nar"> = {
      pathInfo: async () => ({ ...info, narSize: 2_000 }),
      nar: async function* () {
        for (; ; sent += 1_000) yield Buffer.alloc(1_000);
      },
    };
    await assert.rejects(openSystemTree(system, local, liar, signal), { code: "NAR_HASH_MISMATCH" });
    assert.equal(sent, 2_000);
  } finally {
    await local.close();
    await removeTree(root);
  }
});

async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += 1_000) yield bytes.subarray(start, start + 1_000);
}
