import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { StorePath } from "../format/store-path.ts";
import { ReferenceScanner } from "./reference-scanner.ts";

const A = StorePath.of("0abcdfghijklmnpqrsvwxyz0123456ab-a");
const B = StorePath.of("zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz-b");
const C = StorePath.of("11111111111111111111111111111112-c");

function scan(chunks: readonly string[]): string[] {
  const scanner = new ReferenceScanner([A, B, C]);
  for (const chunk of chunks) scanner.update(Buffer.from(chunk, "latin1"));
  return scanner.references().map((path) => path.name);
}

suite("references", () => {
  const cases: [string, string, readonly string[]][] = [
    ["as part of a path", `x /nix/store/${A.baseName}/bin`, ["a"]],
    ["without a name", `\0${B.digest}\xff`, ["b"]],
    ["inside a longer run of digits", `1111111111${C.digest}1`, ["c"]],
    ["more than z's", "z".repeat(33), ["b"]],
    ["cut short", A.digest.slice(1), []],
    ["interrupted by a letter that is no digit", `${A.digest.slice(0, 16)}e${A.digest.slice(16)}`, []],
    ["several", `${A.digest}${B.digest} ${C.digest}`, ["a", "c", "b"]],
    ["nothing", "", []],
  ];
  for (const [name, text, found] of cases) {
    test(name, () => {
      assert.deepEqual(scan([text]), found);
      assert.deepEqual(scan(text.split("")), found);
    });
  }

  test("how the bytes are cut into chunks does not matter", () => {
    const piece = fc.oneof(
      fc.constantFrom(A.digest, B.digest, C.digest, A.digest.slice(0, 20), "1".repeat(31), "z"),
      fc.string({ maxLength: 5 }),
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 8 }),
        fc.array(fc.nat({ max: 40 }), { maxLength: 20 }),
        (pieces, cuts) => {
          const text = pieces.join("").replace(/[^\0-\xff]/g, "?");
          const chunks: string[] = [];
          let rest = text;
          for (const cut of cuts) {
            chunks.push(rest.slice(0, cut));
            rest = rest.slice(cut);
          }
          const expected = [A, B, C].filter((path) => text.includes(path.digest)).map((path) => path.name);
          assert.deepEqual(scan([...chunks, rest]).sort(), expected);
        },
      ),
    );
  });
});
