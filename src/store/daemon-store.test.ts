/**
 * The daemon store against a real Nix daemon: `PRISTINE_TEST_NIX_DAEMON` is a command that speaks the protocol on its
 * standard input and output, such as `nix-daemon --stdio`, with a store that may be written to. It must find the
 * program in `PRISTINE_TEST_NIX_BUILDER` (`/bin/sh` when unset) and build without a sandbox if it is not in the store.
 */

import assert from "node:assert/strict";
import { after, suite, test } from "node:test";
import { DerivationHasher, derivationPath } from "../format/derivation-hash.ts";
import { hashBytes } from "../format/hash.ts";
import { decodeNarTree, type MemoryTree, memoryTreeSource } from "../format/memory-tree.ts";
import { encodeNar, narHash } from "../format/nar.ts";
import type { PathInfo } from "../format/path-info.ts";
import { generateKeyPair, parseSigningKey, sign } from "../format/signature.ts";
import { contentAddressedPath, renderContentAddress, textPath } from "../format/content-address.ts";
import { StorePath } from "../format/store-path.ts";
import { RESULT_BUILD_LOG_LINE } from "../protocol/worker/log-frames.ts";
import { openCommandStore } from "./daemon-transport.ts";
import type { StoreItem } from "./store.ts";

const STORE = "/nix/store";
const COMMAND = process.env["PRISTINE_TEST_NIX_DAEMON"]?.split(" ") ?? [];
const skip = COMMAND.length === 0 ? "PRISTINE_TEST_NIX_DAEMON is not set" : false;
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
    const store = openCommandStore("test", COMMAND, { minorOffered: minor });
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
      await assert.rejects(store.add(wrong, item.nar(), signal), { code: "DAEMON_REFUSED", message: /hash mismatch/ });
      await assert.rejects(store.add({ ...item.info, narSize: 17 }, item.nar(), signal), /not 17 bytes long/);
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
      using adding = openCommandStore("test", COMMAND);
      await adding.add(item.info, item.nar(), signal);
    }
    using store = openCommandStore("test", COMMAND);
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

suite("what is not a daemon", () => {
  const cases: Record<string, readonly [readonly string[], { readonly code: string; readonly message: RegExp }]> = {
    "a program that ends": [
      ["sh", "-c", "echo no such host >&2; exit 255"],
      { code: "DAEMON_UNREACHABLE", message: /no such host[^]*exit code 255/ },
    ],
    "a program that is absent": [["/nonexistent/program"], { code: "DAEMON_UNREACHABLE", message: /not found/ }],
    "a host without Nix": [["sh", "-c", "exit 127"], { code: "DAEMON_UNREACHABLE", message: /has no nix-daemon/ }],
    "a login message": [
      ["sh", "-c", "echo Welcome to the machine; sleep 5"],
      { code: "DAEMON_PROTOCOL", message: /Welcome to the machine/ },
    ],
    silence: [["sleep", "10"], { code: "DAEMON_UNREACHABLE", message: /no answer within 0.3 seconds/ }],
  };
  for (const [name, [argv, expected]] of Object.entries(cases)) {
    test(name, async () => {
      const handshakeTimeoutMs = name === "silence" ? 300 : 5000;
      using store = openCommandStore("here", argv, { handshakeTimeoutMs });
      await assert.rejects(store.greet(AbortSignal.timeout(10_000)), expected);
    });
  }
});
