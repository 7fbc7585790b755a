/**
 * The daemon store against a real Nix daemon, over every version of the protocol that it still speaks.
 *
 * The daemon is the oracle's, or a command in `PRISTINE_TEST_NIX_DAEMON` that speaks the protocol on its standard input
 * and output and has a store that may be written to.
 */

import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { oracleCommand } from "../../scripts/oracle.ts";
import { DerivationHasher, derivationPath } from "../../src/format/derivation-hash.ts";
import { hashBytes } from "../../src/format/hash.ts";
import { decodeNarTree, type MemoryTree, memoryTreeSource } from "../../src/format/memory-tree.ts";
import { encodeNar, narHash } from "../../src/format/nar.ts";
import type { PathInfo } from "../../src/format/path-info.ts";
import { generateKeyPair, parseSigningKey, sign } from "../../src/format/signature.ts";
import { contentAddressedPath, renderContentAddress, textPath } from "../../src/format/content-address.ts";
import { StorePath } from "../../src/format/store-path.ts";
import { RESULT_BUILD_LOG_LINE } from "../../src/protocol/worker/log-frames.ts";
import { openCommandStore } from "../../src/store/daemon-transport.ts";
import type { DaemonStore } from "../../src/store/daemon-store.ts";
import { removeTree } from "../../src/system/files.ts";
import { storeContract } from "../contract/store-contract.ts";
import type { StoreItem } from "../../src/store/store.ts";

const STORE = "/nix/store";
const NAMED = process.env["PRISTINE_TEST_NIX_DAEMON"]?.split(" ");
const TREE = process.env["PRISTINE_ORACLE_TREE"];
const skip =
  NAMED === undefined && TREE === undefined
    ? "neither PRISTINE_TEST_NIX_DAEMON nor PRISTINE_ORACLE_TREE is set"
    : false;
const scratch = mkdtempSync(join(tmpdir(), "pristine-daemon-test-"));
after(() => removeTree(scratch));
let stores = 0;

/** A daemon; in the oracle, `fresh` gives it a store of its own. */
function openDaemon(options: { readonly minorOffered?: number; readonly fresh?: boolean } = {}): DaemonStore {
  const { fresh = false, ...rest } = options;
  if (NAMED !== undefined) return openCommandStore("test", NAMED, rest);
  const { argv, env } = oracleCommand(["nix-daemon", "--stdio"], {
    nixDir: join(scratch, fresh ? `nix-${++stores}` : "nix"),
  });
  const defined = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return openCommandStore("test", argv, { ...rest, env: Object.fromEntries(defined) });
}
const SEED = `${process.pid}-${Date.now()}`;

function fileItem(
  name: string,
  contents: string,
  references: readonly StorePath[] = [],
): StoreItem & { readonly nar: () => AsyncIterable<Uint8Array> } {
  const bytes = Buffer.from(contents);
  const path = textPath(STORE, name, bytes, references);
  return itemOf(path, { type: "regular", executable: false, contents: bytes }, references, {
    contentAddress: renderContentAddress({ method: "text", hash: hashBytes("sha256", bytes) }),
  });
}

function itemOf(
  path: StorePath,
  tree: MemoryTree,
  references: readonly StorePath[] = [],
  more: Partial<PathInfo> = {},
): StoreItem {
  const source = memoryTreeSource(tree);
  const { hash, size } = narHash(source);
  const info: PathInfo = {
    path,
    narHash: hash,
    narSize: size,
    references,
    signatures: [],
    ultimate: false,
    registrationTime: 0,
    ...more,
  };
  return {
    info,
    nar: async function* () {
      yield encodeNar(source);
    },
  };
}

function treeItem(name: string, tree: MemoryTree): StoreItem {
  const hash = narHash(memoryTreeSource(tree)).hash;
  const path = contentAddressedPath(STORE, name, { method: "nar", hash });
  return itemOf(path, tree, [], { contentAddress: renderContentAddress({ method: "nar", hash }) });
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(Uint8Array.from(chunk));
  return Buffer.concat(parts);
}

// Suites that are left out are not counted: this is.
test("a real daemon is asked", { skip }, () => undefined);

for (const minor of [38, 37, 35, 34, 32, 27, 25, 22, 21]) {
  suite(`a real daemon, protocol 1.${minor}`, { skip }, () => {
    const signal = AbortSignal.timeout(60_000);
    const store = openDaemon({ minorOffered: minor });
    after(() => store.close());

    const a = fileItem("a", `a ${SEED} ${minor}`);
    const b = fileItem("b", `b ${SEED} ${a.info.path.render(STORE)}`, [a.info.path]);
    const big = treeItem("big", {
      type: "directory",
      entries: new Map<string, MemoryTree>([
        ["link", { type: "symlink", target: "zeros" }],
        ["run", { type: "regular", executable: true, contents: Buffer.from(`#! ${SEED}${minor}`) }],
        ["zeros", { type: "regular", executable: false, contents: Buffer.alloc(3_000_000) }],
      ]),
    });

    test("greets", async () => {
      const { protocol, nixVersion, trust } = await store.greet(signal);
      assert.equal(protocol, `1.${minor}`);
      assert.equal(nixVersion !== undefined, minor >= 33);
      assert.equal(trust, minor >= 35 ? "trusted" : "unknown");
    });

    test("what was added is read back unchanged", async () => {
      const reports: number[] = [];
      await store.addMany([a, b, big], signal, ({ bytesDone, bytesTotal, pathsDone }) => {
        reports.push(bytesDone / bytesTotal);
        if (bytesDone === bytesTotal) assert.ok(pathsDone >= 2);
      });
      assert.equal(reports.at(-1), 1);
      const info = (await store.pathInfo(b.info.path, signal)) ?? assert.fail();
      assert.deepEqual({ ...info, registrationTime: 0 }, b.info);
      assert.ok(info.registrationTime > 1_700_000_000);
      const tree = decodeNarTree(await collect(store.nar(big.info.path, signal)));
      assert.ok(tree.type === "directory");
      assert.deepEqual([...tree.entries.keys()], ["link", "run", "zeros"]);
      // Again, over the same connection: nothing was left in the stream.
      assert.equal((await collect(store.nar(a.info.path, signal))).length, a.info.narSize);
      assert.deepEqual(
        await store.validPaths([a.info.path, StorePath.of(`${"0".repeat(32)}-x`)], signal),
        new Set([a.info.path.baseName]),
      );
      assert.deepEqual((await store.referrers(a.info.path, signal)).map(String), [b.info.path.baseName]);
    });

    test("paths that are there are not opened again", async () => {
      await store.addMany([{ info: a.info, nar: () => assert.fail("opened") }], signal);
    });

    test("questions are pipelined, absent paths are no error", async () => {
      const absent = Array.from({ length: 2000 }, (_, i) => StorePath.of(`${String(i).padStart(32, "0")}-x`));
      const infos = await store.pathInfos([...absent, a.info.path, b.info.path], signal);
      assert.deepEqual([...infos.keys()], [a.info.path.baseName, b.info.path.baseName]);
    });

    test("a path that is absent has no NAR", async () => {
      const absent = StorePath.of(`${"1".repeat(32)}-absent`);
      await assert.rejects(collect(store.nar(absent, signal)), { code: "PATH_INVALID" });
      await assert.rejects(store.addSignatures(absent, ["x:AAAA"], signal), { code: "PATH_INVALID" });
    });

    test("contents with another hash are refused, and the store works on", async () => {
      const item = treeItem("wrong", { type: "symlink", target: `x${SEED}${minor}` });
      const wrong = { ...item.info, narHash: a.info.narHash };
      await assert.rejects(store.add(wrong, item.nar(), signal), { code: "NAR_HASH_MISMATCH" });
      await assert.rejects(store.add({ ...item.info, narSize: 17 }, item.nar(), signal), { code: "NAR_HASH_MISMATCH" });
      assert.equal(await store.pathInfo(item.info.path, signal), undefined);
      await store.add(item.info, item.nar(), signal);
      assert.ok(await store.pathInfo(item.info.path, signal));
    });

    test("a transfer that is given up leaves the store usable", async () => {
      for await (const _ of store.nar(big.info.path, signal)) break;
      assert.equal((await collect(store.nar(big.info.path, signal))).length, big.info.narSize);
      const stop = new AbortController();
      const item = treeItem("slow", { type: "symlink", target: `slow${SEED}${minor}` });
      const slow = async function* (): AsyncGenerator<Uint8Array> {
        yield (await collect(item.nar())).subarray(0, 40);
        stop.abort(new Error("stopped"));
        await new Promise(() => undefined);
      };
      await assert.rejects(
        Promise.race([store.add(item.info, slow(), stop.signal), new Promise((resolve) => setTimeout(resolve, 5000))]),
        /stopped/,
      );
      assert.ok(await store.pathInfo(a.info.path, signal));
    });

    test("signatures and roots", async () => {
      const signature = sign(a.info, STORE, parseSigningKey(generateKeyPair("test").secret));
      await store.addSignatures(a.info.path, [signature], signal);
      assert.deepEqual((await store.pathInfo(a.info.path, signal))?.signatures, [signature]);
      await store.addTempRoots([a.info.path, b.info.path], signal);
      const link = `/nix/var/nix/gcroots/test-${SEED}-${minor}`;
      if (minor >= 36) assert.equal(await store.addPermRoot(a.info.path, link, signal), link);
      else await assert.rejects(store.addPermRoot(a.info.path, link, signal), { code: "DAEMON_TOO_OLD" });
    });

    test("a derivation is built; one that fails says why", async () => {
      const hasher = new DerivationHasher(STORE, () => assert.fail());
      const builder = process.env["PRISTINE_TEST_NIX_BUILDER"] ?? "/bin/sh";
      const make = (name: string, script: string): StoreItem & { readonly outPath: string } => {
        const drv = hasher.fillOutputs({
          name,
          outputs: new Map([["out", { kind: "deferred" }]]),
          inputDerivations: [],
          inputSources: [a.info.path],
          system: "x86_64-linux",
          builder,
          args: ["-c", script],
          env: new Map([
            ["out", ""],
            ["seed", `${SEED}${minor}`],
          ]),
        });
        const { path, aterm, references } = derivationPath(drv, STORE);
        const item = itemOf(path, { type: "regular", executable: false, contents: aterm }, references, {
          contentAddress: renderContentAddress({ method: "text", hash: hashBytes("sha256", aterm) }),
        });
        return { ...item, outPath: drv.env.get("out")! };
      };
      const good = make("good", `echo to the log; echo contents > $out`);
      const bad = make("bad", `echo it went wrong; exit 3`);
      await store.addMany([good, bad], signal);
      const target = { kind: "outputs", drvPath: good.info.path, outputs: ["out"] } as const;
      const missing = await store.queryMissing([target], signal);
      assert.deepEqual(missing.willBuild.map(String), [good.info.path.baseName]);
      const lines: string[] = [];
      const [result] = await store.build([target], {
        signal,
        onLog: (event) => {
          if (event.kind === "result" && event.type === RESULT_BUILD_LOG_LINE) lines.push(String(event.fields[0]));
        },
      });
      assert.ok(result?.succeeded);
      assert.deepEqual(lines, ["to the log"]);
      const out = StorePath.ofFull(good.outPath, STORE);
      if (minor >= 34) assert.deepEqual(result.outputs.get("out")?.baseName, out.baseName);
      const tree = decodeNarTree(await collect(store.nar(out, signal)));
      assert.equal(tree.type === "regular" && Buffer.from(tree.contents).toString(), "contents\n");
      const failing = store.build([{ kind: "outputs", drvPath: bad.info.path, outputs: "all" }], { signal });
      if (minor >= 34) {
        const [failure] = await failing;
        assert.ok(failure !== undefined && !failure.succeeded);
        assert.match(failure.message, /exit code 3/);
      } else await assert.rejects(failing, { code: "DAEMON_REFUSED", message: /exit code 3/ });
      assert.ok(await store.pathInfo(a.info.path, signal));
    });
  });
}

suite("a real daemon, whole stores", { skip }, () => {
  test("collection and verification", async () => {
    const signal = AbortSignal.timeout(60_000);
    const item = treeItem("garbage", { type: "symlink", target: `garbage ${SEED}` });
    {
      // The daemon keeps what a connection adds for as long as the connection lasts.
      using adding = openDaemon();
      await adding.add(item.info, item.nar(), signal);
    }
    using store = openDaemon();
    await new Promise((resolve) => setTimeout(resolve, 500));
    const dead = await store.collect({ dryRun: true, signal });
    assert.ok(dead.deleted.includes(item.info.path.baseName));
    assert.ok((await store.allValidPaths(signal)).some((path) => path.equals(item.info.path)));
    const gone = await store.collect({ signal });
    assert.ok(gone.deleted.includes(item.info.path.baseName));
    assert.equal((await store.allValidPaths(signal)).length, gone.keptCount);
    assert.equal(await store.verify({ checkContents: true, repair: false, signal }), false);
  });
});

// In the oracle each test begins with an empty store.
if (NAMED === undefined && TREE !== undefined) {
  const opened: DaemonStore[] = [];
  after(() => opened.forEach((store) => store.close()));
  for (const minor of [38, 27]) {
    storeContract(`a real daemon, protocol 1.${minor}`, async () => {
      const store = openDaemon({ minorOffered: minor, fresh: true });
      opened.push(store);
      return store;
    });
  }
}
