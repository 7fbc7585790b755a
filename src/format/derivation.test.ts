/** Derivations against `.drv` files that real Nix wrote (`test/vectors/derivation`). */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { type Derivation, downstreamPlaceholder, outputPlaceholder } from "./derivation.ts";
import { decodeDerivation, encodeDerivation, parseDerivation, renderDerivation } from "./derivation-aterm.ts";
import { DerivationHasher, derivationPath } from "./derivation-hash.ts";
import { StorePath } from "./store-path.ts";

const STORE = "/nix/store";
const DIR = new URL("../../test/vectors/derivation/", import.meta.url);
const FILES = readdirSync(DIR).filter((name) => name.endsWith(".drv"));

function read(path: StorePath): Derivation {
  return decodeDerivation(readFileSync(new URL(path.baseName, DIR)), path.name.slice(0, -4), STORE);
}

function show(drv: Derivation): string {
  return Buffer.from(encodeDerivation(drv, STORE)).toString("latin1");
}

for (const file of FILES) {
  test(`decoding and encoding ${file} gives its bytes and its path`, () => {
    const path = StorePath.of(file);
    const drv = read(path);
    assert.deepEqual(Buffer.from(encodeDerivation(drv, STORE)), readFileSync(new URL(file, DIR)));
    assert.equal(derivationPath(drv, STORE).path.baseName, file);
  });

  test(`output paths of ${file} follow from its inputs`, () => {
    const drv = read(StorePath.of(file));
    const blank: Derivation = {
      ...drv,
      outputs: new Map(
        [...drv.outputs].map(([name, output]) => [
          name,
          output.kind === "input-addressed" ? { kind: "deferred" as const } : output,
        ]),
      ),
      env: new Map(
        [...drv.env].map(([key, value]) => [
          key,
          drv.outputs.has(key) && drv.outputs.get(key)?.kind !== "floating" ? "" : value,
        ]),
      ),
    };
    assert.equal(show(new DerivationHasher(STORE, read).fillOutputs(blank)), show(drv));
  });

  test(`${file} cut anywhere is refused`, () => {
    const text = readFileSync(new URL(file, DIR)).toString("latin1");
    for (let end = 0; end < text.length; end++) {
      assert.throws(() => parseDerivation(text.slice(0, end), "x", STORE), { name: "FormatError" });
    }
    assert.throws(() => parseDerivation(`${text} `, "x", STORE), { name: "FormatError" });
  });
}

test("placeholders", () => {
  assert.equal(outputPlaceholder("out"), "/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9");
  const file = FILES.find((name) => name.endsWith("-ca.drv"));
  const user = FILES.map((name) => readFileSync(new URL(name, DIR), "latin1")).find((text) => text.includes("-ca.drv"));
  assert.ok(file !== undefined && user !== undefined);
  for (const output of ["out", "lib"]) assert.ok(user.includes(downstreamPlaceholder(StorePath.of(file), output)));
});

const DYNAMIC =
  'DrvWithVersion("xp-dyn-drv",[("out","","","")],[("/nix/store/PATH-a.drv",(["dev"],[("out",["lib","out"]),("src",([],[("out",["out"])]))])),("/nix/store/PATH-b.drv",["out"])],[],"x","b",[],[("name","n")])'.replaceAll(
    "PATH",
    "a".repeat(32),
  );

test("what is used of outputs that are derivations is read, and written the same", () => {
  const drv = parseDerivation(DYNAMIC, "n", "/nix/store");
  assert.equal(drv.inputDerivations[0]?.ofOutputs?.get("src")?.ofOutputs?.get("out")?.outputs[0], "out");
  assert.equal(renderDerivation(drv, "/nix/store"), DYNAMIC);
});

test("only a derivation that says so may nest what it uses, and not endlessly", () => {
  const plain = DYNAMIC.replace('DrvWithVersion("xp-dyn-drv",', "Derive(");
  assert.throws(() => parseDerivation(plain, "n", "/nix/store"), /derivation: expected/);
  const deep = `${'([],[("out",'.repeat(5000)}[]${")])".repeat(5000)}`;
  const nested = DYNAMIC.replace('(["dev"],[("out",["lib","out"]),("src",([],[("out",["out"])]))])', deep);
  assert.throws(() => parseDerivation(nested, "n", "/nix/store"), /nested too deeply/);
});
