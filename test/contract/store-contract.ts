/** What every store must do, and every writable one. A new store is tested by one line that names it. */

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { hashBytes } from "../../src/format/hash.ts";
import { type MemoryTree, memoryTreeSource } from "../../src/format/memory-tree.ts";
import { encodeNar } from "../../src/format/nar.ts";
import type { PathInfo } from "../../src/format/path-info.ts";
import { StorePath } from "../../src/format/store-path.ts";
import { copyClosure, closureInfos } from "../../src/store/copy.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import type { ReadStore, StoreItem, WriteStore } from "../../src/store/store.ts";

export interface StoredObject extends StoreItem {
  readonly bytes: Uint8Array;
}

/** A small object with a given letter as its digest. */
export function objectOf(letter: string, tree: MemoryTree, references: readonly StorePath[] = []): StoredObject {
  const bytes = encodeNar(memoryTreeSource(tree));
  const info: PathInfo = {
    path: StorePath.of(`${letter.repeat(32)}-object-${letter}`),
    narHash: hashBytes("sha256", bytes),
    narSize: bytes.length,
    references: [...references],
    signatures: [],
    ultimate: false,
    registrationTime: 1_700_000_000,
  };
  return {
    info,
    bytes,
    nar: async function* () {
      // In uneven pieces, as a network delivers them.
      for (let start = 0; start < bytes.length; start += 1001) yield bytes.subarray(start, start + 1001);
    },
  };
}

const file = (text: string): MemoryTree => ({ type: "regular", executable: false, contents: Buffer.from(text) });

export const HELLO: StoredObject = objectOf("a", file("hello"));
export const TREE: StoredObject = objectOf(
  "b",
  {
    type: "directory",
    entries: new Map<string, MemoryTree>([
      [
        "bin",
        {
          type: "directory",
          entries: new Map([["run", { type: "regular", executable: true, contents: Buffer.from("#!") }]]),
        },
      ],
      ["empty", { type: "directory", entries: new Map() }],
      ["large", { type: "regular", executable: false, contents: Buffer.alloc(300_000, 7) }],
      ["link", { type: "symlink", target: "bin/run" }],
      ["na\xefve\xff", file("bytes, not text")],
    ]),
  },
  [HELLO.info.path],
);
export const TOP: StoredObject = objectOf("c", { type: "symlink", target: "/nix/store/b" }, [
  TREE.info.path,
  StorePath.of(`${"c".repeat(32)}-object-c`),
]);

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(Uint8Array.from(chunk));
  return Buffer.concat(all);
}

/** What every store must do that objects are read from; `open` answers one with these objects. */
export function readStoreContract(
  name: string,
  open: (objects: readonly StoredObject[], signal: AbortSignal) => Promise<ReadStore>,
): void {
  suite(`read store contract: ${name}`, () => {
    const signal = AbortSignal.timeout(30_000);
    const absent = StorePath.of(`${"z".repeat(32)}-absent`);

    test("objects are read as they are", async () => {
      const store = await open([HELLO, TREE, TOP], signal);
      for (const { info, bytes } of [TOP, HELLO, TREE]) {
        const found = await store.pathInfo(info.path, signal);
        assert.deepEqual({ ...found, registrationTime: 0 }, { ...info, registrationTime: 0 });
        assert.deepEqual(await collect(store.nar(info.path, signal)), Buffer.from(bytes));
      }
    });

    test("many are asked about at once, also what is absent", async () => {
      const store = await open([HELLO, TREE, TOP], signal);
      const paths = [TOP.info.path, absent, HELLO.info.path];
      const present = [HELLO.info.path.baseName, TOP.info.path.baseName];
      assert.deepEqual([...(await store.pathInfos(paths, signal)).keys()].sort(), present);
      assert.deepEqual([...(await store.validPaths(paths, signal))].sort(), present);
      assert.equal(await store.pathInfo(absent, signal), undefined);
      await assert.rejects(collect(store.nar(absent, signal)), { code: "PATH_INVALID" });
    });

    test("closures are copied out of it", async () => {
      const to = new MemoryStore();
      await copyClosure({ from: await open([HELLO, TREE, TOP], signal), to, roots: [TOP.info.path], signal });
      assert.equal((await closureInfos(to, [TOP.info.path], signal)).size, 3);
    });
  });
}

/** What every writable store must do. A new store is tested by one line that names it. */
export function storeContract(name: string, open: () => Promise<WriteStore>): void {
  readStoreContract(name, async (objects, signal) => {
    const store = await open();
    await store.addMany(objects, signal);
    return store;
  });
  suite(`store contract: ${name}`, () => {
    const signal = AbortSignal.timeout(30_000);
    const absent = StorePath.of(`${"z".repeat(32)}-absent`);

    test("what was added is read back unchanged", async () => {
      const store = await open();
      await store.add(HELLO.info, HELLO.nar(), signal);
      assert.deepEqual(await store.pathInfo(HELLO.info.path, signal), HELLO.info);
      assert.deepEqual(await collect(store.nar(HELLO.info.path, signal)), Buffer.from(HELLO.bytes));
      await store.add(TREE.info, TREE.nar(), signal);
      assert.deepEqual(await collect(store.nar(TREE.info.path, signal)), Buffer.from(TREE.bytes));
    });

    test("what is absent is not valid and cannot be read", async () => {
      const store = await open();
      assert.equal(await store.pathInfo(absent, signal), undefined);
      assert.equal((await store.pathInfos([absent], signal)).size, 0);
      assert.equal((await store.validPaths([absent], signal)).size, 0);
      await assert.rejects(collect(store.nar(absent, signal)), { code: "PATH_INVALID" });
    });

    test("many are added references first, and again without effect", async () => {
      const store = await open();
      const seen: number[] = [];
      await store.addMany([HELLO, TREE, TOP], signal, (progress) => seen.push(progress.pathsDone));
      assert.deepEqual(seen.at(-1), 3);
      const unread = (item: StoreItem): StoreItem => ({
        info: item.info,
        nar: () => {
          throw new Error("contents of a valid path were opened");
        },
      });
      await store.addMany([HELLO, TREE, TOP].map(unread), signal);
      const infos = await store.pathInfos([TOP.info.path, absent, HELLO.info.path], signal);
      assert.deepEqual([...infos.keys()].sort(), [HELLO.info.path.baseName, TOP.info.path.baseName]);
      assert.deepEqual(
        infos
          .get(TOP.info.path.baseName)
          ?.references.map((path) => path.baseName)
          .sort(),
        [TREE.info.path.baseName, TOP.info.path.baseName],
      );
    });

    test("contents that differ from what was announced are refused", async () => {
      const store = await open();
      const other = { ...HELLO.info, narHash: hashBytes("sha256", Buffer.from("other")) };
      await assert.rejects(store.add(other, HELLO.nar(), signal), { code: "NAR_HASH_MISMATCH" });
      assert.equal(await store.pathInfo(HELLO.info.path, signal), undefined);
      await store.add(HELLO.info, HELLO.nar(), signal);
    });

    test("an archive that is cut short is refused", async () => {
      const store = await open();
      const cut = async function* (): AsyncGenerator<Uint8Array> {
        yield TREE.bytes.subarray(0, TREE.bytes.length - 8);
      };
      await assert.rejects(store.add({ ...TREE.info, references: [] }, cut(), signal));
      assert.equal(await store.pathInfo(TREE.info.path, signal), undefined);
    });

    test("a path whose reference is absent is refused", async () => {
      const store = await open();
      await assert.rejects(store.add(TREE.info, TREE.nar(), signal));
      assert.equal(await store.pathInfo(TREE.info.path, signal), undefined);
    });

    test("closures are copied, only what is missing", async () => {
      const store = await open();
      const source = new MemoryStore();
      await source.addMany([HELLO, TREE, TOP], signal);
      await store.add(HELLO.info, HELLO.nar(), signal);
      const { copied } = await copyClosure({ from: source, to: store, roots: [TOP.info.path], signal });
      assert.deepEqual(
        copied.map((info) => info.path.baseName),
        [TREE.info.path.baseName, TOP.info.path.baseName],
      );
      assert.deepEqual((await copyClosure({ from: source, to: store, roots: [TOP.info.path], signal })).copied, []);
      const back = new MemoryStore();
      await copyClosure({ from: store, to: back, roots: [TOP.info.path], signal });
      assert.equal((await closureInfos(back, [TOP.info.path], signal)).size, 3);
    });
  });
}
