/** Nix's own test data: `NIX_UPSTREAM_SRC` is a checkout of Nix. Derivations, archives and wire forms, byte by byte. */

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { suite, test } from "node:test";
import { decodeDerivation, encodeDerivation } from "../../src/format/derivation-aterm.ts";
import { decodeNar, NULL_SINK } from "../../src/format/nar-decoder.ts";
import type { PathInfo } from "../../src/format/path-info.ts";
import { decodeWire, readString, type Wire, WireWriter } from "../../src/protocol/wire.ts";
import {
  readBuildResult,
  readKeyedBuildResult,
  readPathInfo,
  readStorePath,
  writePathInfo,
} from "../../src/protocol/worker/values.ts";

const SOURCE = process.env["NIX_UPSTREAM_SRC"] ?? "";
const skip = SOURCE === "" ? "NIX_UPSTREAM_SRC is not set" : false;
const STORE = "/nix/store";

function files(pattern: string): string[] {
  return SOURCE === "" ? [] : globSync(join(SOURCE, pattern)).sort();
}

/** Their digests were replaced for a benchmark, so that their inputs are out of order. */
const OUT_OF_ORDER = /\/(?:firefox|hello)\.drv$/;

/** What has no meaning here yet: derivations whose inputs are outputs of derivations. */
const NOT_SUPPORTED = /dyn-dep|bad-/;

// Suites that are left out are not counted: this is.
test("Nix's own test data is compared", { skip }, () => undefined);

suite("Nix's derivations", { skip }, () => {
  for (const path of files("src/libstore-tests/data/derivation/**/*.drv")) {
    test(basename(path), () => {
      const bytes = readFileSync(path);
      if (NOT_SUPPORTED.test(path)) {
        assert.throws(() => decodeDerivation(bytes, "x", STORE), { name: "FormatError" });
        return;
      }
      // The file's name is not the derivation's: the variable `name` is, where there is one.
      const { env } = decodeDerivation(bytes, "x", STORE);
      const structured = JSON.parse(env.get("__json") ?? "{}") as { readonly name?: string };
      const name = env.get("name") ?? structured.name ?? basename(path, ".drv");
      const encoded = Buffer.from(encodeDerivation(decodeDerivation(bytes, name, STORE), STORE));
      if (OUT_OF_ORDER.test(path)) assert.deepEqual(Buffer.from(encoded).sort(), Buffer.from(bytes).sort());
      else assert.deepEqual(encoded, bytes);
    });
  }
});

suite("Nix's malformed archives", { skip }, () => {
  for (const path of files("src/libutil-tests/data/nars/*.nar")) {
    test(basename(path), () => assert.throws(() => decodeNar(readFileSync(path), NULL_SINK), { name: "FormatError" }));
  }
});

/** Values in a row up to the end. */
function* all<T>(size: number, item: () => Wire<T>): Wire<T[]> {
  const items: T[] = [];
  let left = size;
  while (left > 0) {
    const wire = item();
    let step = wire.next(Buffer.alloc(0));
    while (step.done !== true) {
      left -= step.value;
      step = wire.next(Buffer.from(yield step.value));
    }
    items.push(step.value);
  }
  return items;
}

const wires: readonly (readonly [string, () => Wire<unknown>, number])[] = [
  ["store-path", () => readStorePath(STORE), 2],
  ["string", () => readString("string"), 5],
  ["build-result-1.27", () => readBuildResult("", 27), 3],
  ["build-result-1.28", () => readBuildResult("", 28), 3],
  ["build-result-1.29", () => readBuildResult("", 29), 3],
  ["build-result-1.37", () => readBuildResult("", 37), 3],
  ["keyed-build-result-1.29", () => readKeyedBuildResult(29), 2],
];

suite("Nix's wire forms", { skip }, () => {
  for (const [name, wire, count] of wires) {
    test(name, () => {
      const bytes = readFileSync(join(SOURCE, `src/libstore-tests/data/worker-protocol/${name}.bin`));
      assert.equal(decodeWire(bytes, all(bytes.length, wire)).length, count);
    });
  }

  test("valid-path-info-1.16, there and back", () => {
    const bytes = readFileSync(join(SOURCE, "src/libstore-tests/data/worker-protocol/valid-path-info-1.16.bin"));
    const infos = decodeWire(
      bytes,
      all(bytes.length, function* (): Wire<PathInfo> {
        return yield* readPathInfo(yield* readStorePath(STORE), STORE);
      }),
    );
    const writer = new WireWriter();
    for (const info of infos) writePathInfo(writer.string(info.path.render(STORE)), info, STORE);
    assert.deepEqual(Buffer.from(writer.take()), bytes);
  });
});
