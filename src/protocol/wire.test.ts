/** The codec: whole, in pieces, cut, and hostile. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { hashByteString } from "../format/hash.ts";
import type { PathInfo } from "../format/path-info.ts";
import { StorePath } from "../format/store-path.ts";
import { EndOfStreamError, WireSource } from "./wire-source.ts";
import { decodeWire, readBytes, readList, readString, readStrings, readUint, type Wire, WireWriter } from "./wire.ts";
import { clientHello, readServerHello } from "./worker/handshake.ts";
import { type Frame, readFrame } from "./worker/log-frames.ts";
import {
  readKeyedBuildResult,
  readMissing,
  readPathInfo,
  readStorePath,
  renderTarget,
  writePathInfo,
} from "./worker/values.ts";

const STORE = "/nix/store";
const path = (digit: string, name: string): StorePath => StorePath.of(`${digit.repeat(32)}-${name}`);

const INFO: PathInfo = {
  path: path("1", "top"),
  narHash: hashByteString("sha256", ""),
  narSize: 2 ** 40,
  references: [path("2", "a"), path("3", "b")],
  deriver: path("4", "top.drv"),
  signatures: ["a:b", "c:d"],
  contentAddress: "text:sha256:0",
  ultimate: true,
  registrationTime: 1_800_000_000,
};

function infoBytes(): Buffer {
  const writer = new WireWriter();
  writePathInfo(writer, INFO, STORE);
  return writer.take();
}

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

test("decoding undoes encoding: whole, in pieces, and with what follows left alone", async () => {
  const bytes = infoBytes();
  assert.deepEqual(decodeWire(bytes, readPathInfo(INFO.path, STORE)), INFO);
  for (const size of [1, 3, 8, 100, 4096]) {
    const source = new WireSource(pieces(Buffer.concat([bytes, new WireWriter().string("more").take()]), size));
    assert.deepEqual(await source.read(readPathInfo(INFO.path, STORE)), INFO);
    assert.equal((await source.peek(8)).readUInt32LE(0), 4);
    assert.equal(await source.read(readString("more")), "more");
    await assert.rejects(source.read(readUint("end")), EndOfStreamError);
  }
});

test("cut anywhere it is refused", async () => {
  const bytes = infoBytes();
  for (let end = 0; end < bytes.length; end++) {
    assert.throws(() => decodeWire(bytes.subarray(0, end), readPathInfo(INFO.path, STORE)), /ends too early/);
  }
  assert.throws(() => decodeWire(Buffer.concat([bytes, bytes]), readPathInfo(INFO.path, STORE)), /left over/);
  await assert.rejects(new WireSource(pieces(bytes.subarray(0, 50), 7)).read(readPathInfo(INFO.path, STORE)));
});

test("chunks can be taken and given back", async () => {
  const source = new WireSource(pieces(Buffer.from("abcdefghijkl"), 5));
  assert.equal(String(await source.chunk()), "abcde");
  source.unread(2);
  assert.equal(String(await source.chunk()), "de");
  assert.equal(String(await source.peek(6)), "fghijk");
  assert.equal(String(await source.chunk()), "fghijkl");
});

const u64 = (value: bigint): Buffer => new WireWriter().uint(value).take();
const hostile: Record<string, readonly [Buffer, () => Wire<unknown>, RegExp]> = {
  "a number beyond 2^53": [u64(2n ** 63n), () => readUint("n"), /n of 9223372036854776000 is more than/],
  "a huge string": [u64(2n ** 40n), () => readString("s"), /length of s of 1099511627776 is more than/],
  "a huge list": [u64(2n ** 32n), () => readList("l", () => readUint("item")), /count of l/],
  "padding that is not zero": [Buffer.concat([u64(1n), Buffer.from("abcdefgh")]), () => readBytes("s"), /padding of s/],
  "a long list that is not there": [u64(1_000_000n), () => readStrings("l"), /ends too early/],
  "an unknown frame": [u64(0x1234n), () => readFrame(38), /unknown frame 0x1234/],
  "another magic": [u64(0x5452eecbn), () => readServerHello(), /not a Nix daemon/],
  "a daemon of long ago": [
    Buffer.concat([u64(0x6478696fn), u64(0x10an)]),
    () => readServerHello(),
    /1\.10 of the daemon is older/,
  ],
  "a path elsewhere": [new WireWriter().string("/etc/passwd").take(), () => readStorePath(STORE), /not a direct child/],
  "a hash that is none": [
    new WireWriter().string("").string("zz").take(),
    () => readPathInfo(INFO.path, STORE),
    /not a hash/,
  ],
};
for (const [name, [bytes, wire, reason]] of Object.entries(hostile)) {
  test(`hostile bytes: ${name}`, () => assert.throws(() => decodeWire(bytes, wire()), reason));
}

test("hello", () => {
  assert.equal(clientHello().toString("hex"), "6378696e000000002601000000000000");
  assert.deepEqual(decodeWire(new WireWriter().uint(0x6478696f).uint(0x126).take(), readServerHello()), { minor: 38 });
  assert.deepEqual(decodeWire(new WireWriter().uint(0x6478696f).uint(0x1ff).take(), readServerHello()), { minor: 38 });
  assert.deepEqual(decodeWire(new WireWriter().uint(0x6478696f).uint(0x115).take(), readServerHello()), { minor: 21 });
});

const frames: readonly (readonly [Buffer, number, Frame])[] = [
  [new WireWriter().uint(0x616c7473).take(), 38, { kind: "last" }],
  [new WireWriter().uint(0x6f6c6d67).string("hello\n").take(), 38, { kind: "message", text: "hello" }],
  [
    new WireWriter()
      .uint(0x63787470)
      .string("Error")
      .uint(0)
      .string("")
      .string("bad")
      .uint(0)
      .uint(1)
      .uint(0)
      .string("while")
      .take(),
    26,
    { kind: "error", message: "bad", traces: ["while"] },
  ],
  [new WireWriter().uint(0x63787470).string("bad").uint(1).take(), 25, { kind: "error", message: "bad", traces: [] }],
  [
    new WireWriter()
      .uint(0x53545254)
      .uint(2n ** 60n + 1n)
      .uint(3)
      .uint(105)
      .string("building")
      .uint(2)
      .uint(1)
      .string("x")
      .uint(0)
      .uint(7)
      .uint(0)
      .take(),
    38,
    { kind: "start", id: 2n ** 60n + 1n, level: 3, type: 105, text: "building", fields: ["x", 7n], parent: 0n },
  ],
  [new WireWriter().uint(0x53544f50).uint(9).take(), 38, { kind: "stop", id: 9n }],
  [
    new WireWriter().uint(0x52534c54).uint(9).uint(101).uint(1).uint(1).string("line").take(),
    38,
    { kind: "result", id: 9n, type: 101, fields: ["line"] },
  ],
  [new WireWriter().uint(0x64617461).uint(100).take(), 21, { kind: "want", size: 100 }],
];
for (const [bytes, minor, frame] of frames) {
  test(`frame ${frame.kind} at 1.${minor}`, () => assert.deepEqual(decodeWire(bytes, readFrame(minor)), frame));
}

test("build results of all versions", () => {
  const realisation = JSON.stringify({ id: "sha256:00!out", outPath: `${"5".repeat(32)}-x`, signatures: [] });
  const result = (minor: number): Buffer => {
    const writer = new WireWriter().string("/nix/store/x.drv!out").uint(0).string("");
    if (minor >= 29) writer.uint(1).bool(false).uint(100).uint(200);
    if (minor >= 37) writer.uint(1).uint(5).uint(0);
    if (minor >= 28) writer.uint(1).string("sha256:00!out").string(realisation);
    return writer.take();
  };
  for (const minor of [27, 28, 29, 37, 38]) {
    const { status, succeeded, outputs } = decodeWire(result(minor), readKeyedBuildResult(minor));
    assert.deepEqual([status, succeeded], ["built", true]);
    assert.equal(outputs.get("out")?.name, minor >= 28 ? "x" : undefined);
  }
  const failed = new WireWriter().string("t").uint(99).string("odd").take();
  assert.deepEqual(decodeWire(failed, readKeyedBuildResult(27)).status, "misc-failure");
});

test("what is missing", () => {
  const bytes = new WireWriter()
    .strings([INFO.path.render(STORE)])
    .strings([])
    .strings([])
    .uint(1)
    .uint(2)
    .take();
  const missing = decodeWire(bytes, readMissing(STORE));
  assert.deepEqual(
    [missing.willBuild.map(String), missing.downloadSize, missing.narSize],
    [[INFO.path.baseName], 1, 2],
  );
});

test("targets by version", () => {
  const drvPath = path("4", "x.drv");
  const full = drvPath.render(STORE);
  const render = (minor: number, outputs: "all" | string[]): string =>
    renderTarget({ kind: "outputs", drvPath, outputs }, { minor, storeDir: STORE });
  assert.deepEqual(
    [render(30, "all"), render(29, "all"), render(38, ["out", "dev"])],
    [`${full}!*`, full, `${full}!dev,out`],
  );
});
