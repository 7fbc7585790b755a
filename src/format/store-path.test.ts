import assert from "node:assert/strict";
import { test } from "node:test";
import { fixedOutputPath, parseContentAddress, renderContentAddress, sourcePath, textPath } from "./content-address.ts";
import { Hash } from "./hash.ts";
import { splitStorePath, StorePath } from "./store-path.ts";

const D = "g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q";

function show(input: string): string {
  const parsed = StorePath.parse(input);
  if (parsed.ok) return `ok ${parsed.value.name}${parsed.value.isDerivation ? " (derivation)" : ""}`;
  const { error } = parsed;
  return error.kind === "bad-name" ? `${error.kind} ${error.reason}` : error.kind;
}

const cases: Record<string, string> = {
  [`${D}-hello-2.12`]: "ok hello-2.12",
  [`${D}-hello.drv`]: "ok hello.drv (derivation)",
  [D]: "missing-dash",
  [`${D.replace("g", "e")}-hello`]: "bad-digest",
  [`${D.replace("g", "G")}-hello`]: "bad-digest",
  [`${D}-`]: "bad-name empty",
  [`${D}-a/b`]: "bad-name bad-character",
  [`${D}-a\nb`]: "bad-name bad-character",
  [`${D}-a\n`]: "bad-name bad-character",
  [`${D}-ä`]: "bad-name bad-character",
  [`${D}-.`]: "bad-name dots",
  [`${D}-..`]: "bad-name dots",
  [`${D}-.-x`]: "bad-name dots",
  [`${D}-..-x`]: "bad-name dots",
  [`${D}-.x`]: "ok .x",
  [`${D}-...`]: "ok ...",
  [`${D}-${"x".repeat(211)}`]: `ok ${"x".repeat(211)}`,
  [`${D}-${"x".repeat(212)}`]: "bad-name too-long",
};
for (const [input, expected] of Object.entries(cases)) {
  test(`StorePath.parse ${JSON.stringify(input)}`, () => assert.equal(show(input), expected));
}

test("paths of text, sources and fixed outputs are those of real Nix", () => {
  assert.equal(textPath("/nix/store", "x", Buffer.from("hello")).baseName, "4g4g9i669dl63abpww0djbl2jxl6bwiz-x");
  const z = textPath("/nix/store", "z", Buffer.from("z"));
  const y = textPath("/nix/store", "y", Buffer.from(`hello ${z.render("/nix/store")}`), [z]);
  assert.equal(y.baseName, "dn40xrgpk0yxl7igsqqmdxf9z4jsfcza-y");
  const empty = Hash.parse("sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
  const sha1 = Hash.parse("da39a3ee5e6b4b0d3255bfef95601890afd80709", "sha1");
  assert.ok(empty.ok && sha1.ok);
  assert.equal(fixedOutputPath("/nix/store", "fixed", "flat", empty.value).baseName, FLAT);
  assert.equal(fixedOutputPath("/nix/store", "fixedr", "nar", sha1.value).baseName, NAR_SHA1);
  assert.equal(fixedOutputPath("/nix/store", "fixedrs", "nar", empty.value).baseName, NAR_SHA256);
  assert.equal(sourcePath("/nix/store", "fixedrs", empty.value).baseName, NAR_SHA256);
});

const FLAT = "6d1hby0aacgwa2jg1dw7xhnqc9ywf9bj-fixed";
const NAR_SHA1 = "76nhjlhqcllr7d6nsmv6gaxvs9q95w0y-fixedr";
const NAR_SHA256 = "zy60m0jgyrjy8fhnzk813zcrq3flzj7c-fixedrs";

for (const text of [
  "text:sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73",
  "fixed:sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73",
  "fixed:r:sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73",
  "fixed:git:sha1:143xibwh31h9bvxzalr0sjvbbvpa6ffs",
]) {
  test(`content address ${text}`, () => assert.equal(renderContentAddress(parseContentAddress(text)), text));
}
for (const text of ["", "fixed", "fixed:", "text:md5:x", "other:sha256:0", "fixed:r:r:sha256:0"]) {
  test(`content address ${JSON.stringify(text)} is refused`, () =>
    assert.throws(() => parseContentAddress(text), { name: "FormatError" }));
}

test("a path below a store object", () => {
  const [path, rest] = splitStorePath(`/nix/store/${D}-a/bin/sh`, "/nix/store") ?? assert.fail();
  assert.deepEqual([path.name, rest], ["a", "/bin/sh"]);
  assert.equal(splitStorePath("/nix/storex/a", "/nix/store"), undefined);
});
