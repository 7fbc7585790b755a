/** Bytes and text, there and back. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { byteStringOfText, textOfByteString } from "./byte-string.ts";

const cases: Readonly<Record<string, readonly [bytes: string, text: string]>> = {
  ascii: ["plain", "plain"],
  "two, three and four bytes": ["\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "é€😀"],
  "bytes that are no UTF-8": ["a\xffb\xc3", "a\udcffb\udcc3"],
  "a surrogate in UTF-8's form is none": ["\xed\xa0\x80", "\udced\udca0\udc80"],
  "a real replacement character": ["\xef\xbf\xbd\x80", "\ufffd\udc80"],
};

for (const [name, [bytes, text]] of Object.entries(cases)) {
  test(name, () => {
    assert.equal(textOfByteString(bytes), text);
    assert.equal(byteStringOfText(text), bytes);
  });
}
