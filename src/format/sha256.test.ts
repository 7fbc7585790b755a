/** SHA-256 of our own against OpenSSL's. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { sha256 } from "./sha256.ts";

const check = (bytes: Uint8Array): void => {
  assert.equal(Buffer.from(sha256(bytes)).toString("hex"), createHash("sha256").update(bytes).digest("hex"));
};

test("every length around the ends of blocks", () => {
  for (let length = 0; length <= 260; length++) check(Uint8Array.from({ length }, (_, i) => (i * 37) & 0xff));
});

test("any bytes", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 1000 }), check));
});
