/** Replacing in a stream is replacing in its whole, however the stream is cut. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BytesReplacer } from "./replace-bytes.ts";

test("a stream in pieces comes to what the whole comes to", () => {
  const letters = fc.stringMatching(/^[abc]{0,60}$/);
  fc.assert(
    fc.property(letters, fc.array(fc.integer({ min: 1, max: 7 })), (text, sizes) => {
      // Neither contains the other, nor do they begin as the other ends.
      const replacer = new BytesReplacer(
        new Map([
          ["aab", "xyz"],
          ["cc", "--"],
        ]),
      );
      let found = "";
      for (let at = 0, piece = 0; at < text.length; piece++) {
        const size = sizes[piece % Math.max(1, sizes.length)] ?? 5;
        found += Buffer.from(replacer.write(Buffer.from(text.slice(at, at + size)))).toString();
        at += size;
      }
      found += Buffer.from(replacer.end()).toString();
      assert.equal(found, text.replaceAll("aab", "xyz").replaceAll("cc", "--"));
    }),
  );
});

test("a text is not replaced by one of another length", () => {
  assert.throws(() => new BytesReplacer(new Map([["a", "bb"]])), /another length/);
});
