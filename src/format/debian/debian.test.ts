/** Debian's formats. Version orders are those that `dpkg --compare-versions` gives. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { controlStanzas, parseControl } from "./control.ts";
import { dataMember, parseArIndex } from "./deb.ts";
import { parseDependencies, parseProvides, renderClause } from "./dependency.ts";
import { tarEntries } from "./tar.ts";
import { compareVersions, satisfies } from "./version.ts";

const ORDERS: readonly (readonly [string, "<" | "=" | ">", string])[] = [
  ["1.0", "=", "1.0"],
  ["1.0", "=", "1.0-0"],
  ["1.0", "=", "0:1.0"],
  ["1.0-1", "<", "1.0-2"],
  ["1.0", "<", "1:0.1"],
  ["2.10", ">", "2.9"],
  ["1.0~rc1", "<", "1.0"],
  ["1.0~~", "<", "1.0~"],
  ["1.0~~a", "<", "1.0~"],
  ["1.0a", ">", "1.0"],
  ["1.0+b1", ">", "1.0"],
  ["1.0+", ">", "1.0a"],
  ["1.0-1+deb13u1", ">", "1.0-1"],
  ["1.0-1~bpo12+1", "<", "1.0-1"],
  ["1.002", "=", "1.2"],
  ["1.0.0", ">", "1.0"],
  ["a", "<", "b"],
  ["1-1-1", ">", "1-1"],
  ["3.0.17-1~deb12u2", "<", "3.0.17-1"],
  ["0.99999999999999999999", "<", "0.100000000000000000000"],
];
for (const [a, order, b] of ORDERS) {
  test(`version ${a} ${order} ${b}`, () => {
    const sign = { "<": -1, "=": 0, ">": 1 }[order];
    assert.equal(Math.sign(compareVersions(a, b)), sign);
    assert.equal(Math.sign(compareVersions(b, a)), sign === 0 ? 0 : -sign);
  });
}

test("version constraints", () => {
  const holds = (["<<", "<=", "=", ">=", ">>"] as const).filter((relation) =>
    satisfies("2.0", { relation, version: "2.0" }),
  );
  assert.deepEqual(holds, ["<=", "=", ">="]);
});

test("dependency fields", () => {
  const text = "libc6 (>= 2.41), init | systemd-sysv , python3:any (<< 4~), foo(=1:2-3)";
  assert.deepEqual(parseDependencies(text).map(renderClause), [
    "libc6 (>= 2.41)",
    "init | systemd-sysv",
    "python3:any (<< 4~)",
    "foo (= 1:2-3)",
  ]);
  assert.deepEqual(parseDependencies(" , "), []);
  assert.deepEqual(parseProvides("mail-transport-agent, foo (= 2)"), [
    { name: "mail-transport-agent" },
    { name: "foo", version: "2" },
  ]);
  for (const bad of ["a b", "(>= 1)", "a (~ 1)", "a (>= 1", "a (>= )", "../x"]) {
    assert.throws(() => parseDependencies(bad), { name: "FormatError" }, bad);
  }
});

test("control stanzas", () => {
  const text = "Package: a\nDescription: one\n two\n .\n three\n\n\n# comment\nPackage:b\n\tc\n \nX: 1";
  assert.deepEqual(parseControl(text), [
    new Map([
      ["package", "a"],
      ["description", "one\ntwo\n.\nthree"],
    ]),
    new Map([["package", "b\nc"]]),
    new Map([["x", "1"]]),
  ]);
  assert.deepEqual(
    [...controlStanzas(text, new Set(["package"]))],
    [new Map([["package", "a"]]), new Map([["package", "b\nc"]])],
  );
  assert.throws(() => parseControl(" x\n"), /continuation without a field/);
  assert.throws(() => parseControl("x\n"), /line without a field/);
});

const DEB = Buffer.from(
  `!<arch>\n${arMember("debian-binary", "2.0\n")}${arMember("control.tar.xz", "odd")}${arMember("data.tar.xz", "data")}`,
);

function arMember(name: string, contents: string): string {
  const fields = [name.padEnd(16), "0".padEnd(12), "0".padEnd(6), "0".padEnd(6), "100644".padEnd(8)];
  return `${fields.join("")}${String(contents.length).padEnd(10)}\`\n${contents}${contents.length % 2 === 1 ? "\n" : ""}`;
}

test("the members of a package", () => {
  const { offset, size, name } = dataMember(DEB);
  assert.deepEqual([name, DEB.toString("latin1", offset, offset + size)], ["data.tar.xz", "data"]);
  assert.deepEqual(
    parseArIndex(DEB).map((found) => found.name),
    ["debian-binary", "control.tar.xz", "data.tar.xz"],
  );
  assert.throws(() => parseArIndex(DEB.subarray(0, DEB.length - 1)), /cut off/);
  assert.throws(() => parseArIndex(DEB.subarray(0, 30)), /ends in a member's header/);
  assert.throws(() => parseArIndex(Buffer.from("zip")), /not an ar archive/);
});

test("tar archives with long names, cut or changed", () => {
  const long = `${"d".repeat(120)}/file`;
  const archive = Buffer.concat([
    tarBlock("./usr/bin/x", "0", "hello"),
    tarBlock("././@LongLink", "L", `${long}\0`),
    tarBlock(long.slice(0, 100), "0", "long"),
    tarBlock("pax", "x", "22 path=from/pax/name\n"),
    tarBlock("short", "2", ""),
    Buffer.alloc(1024),
  ]);
  const found = [...tarEntries(archive)].map(
    (entry) => `${entry.type} ${entry.path} ${Buffer.from(entry.contents).toString()}`,
  );
  assert.deepEqual(found, ["file usr/bin/x hello", `file ${long} long`, "symlink from/pax/name "]);
  assert.throws(() => [...tarEntries(archive.subarray(0, 512))], /within an entry/);
  assert.throws(() => [...tarEntries(archive.subarray(0, 1024))], /no end mark/);
  const changed = Buffer.from(archive);
  changed[3] = 65;
  assert.throws(() => [...tarEntries(changed)], /checksum/);
});

function tarBlock(path: string, flag: string, contents: string): Buffer {
  const header = Buffer.alloc(512);
  header.write(path.slice(0, 100), 0);
  header.write("0000755\0", 100);
  header.write(`${contents.length.toString(8).padStart(11, "0")}\0`, 124);
  header.write("        ", 148);
  header.write(flag, 156);
  header.write("ustar  \0", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  const body = Buffer.alloc(Math.ceil(contents.length / 512) * 512);
  body.write(contents);
  return Buffer.concat([header, body]);
}
