import assert from "node:assert/strict";
import { test } from "node:test";
import { safeText } from "./safe-text.ts";

const UNSAFE: Readonly<Record<string, string>> = {
  plain: "plain",
  "two\nlines\tand a tab": "two\nlines\tand a tab",
  "\u001b[31mred\u001b[0m": "\\x1b[31mred\\x1b[0m",
  "over\rwritten": "over\\x0dwritten",
  "\u0000\u0008\u007f\u009b": "\\x00\\x08\\x7f\\x9b",
  "a\u202eb": "a\\u202eb",
  "http://user:word@mirror/pool": "http://[redacted]@mirror/pool",
  "http://user:w@rd@mirror/pool": "http://[redacted]@mirror/pool",
  "ssh-ng://root@host": "ssh-ng://[redacted]@host",
  "https://mirror/a@b": "https://mirror/a@b",
  "https://mirror?mail=a@b": "https://mirror?mail=a@b",
  "mail a@b, see http://c": "mail a@b, see http://c",
};
for (const [text, expected] of Object.entries(UNSAFE)) {
  test(`safe text: ${JSON.stringify(text)}`, () => {
    assert.equal(safeText(text), expected);
    assert.equal(safeText(safeText(text)), expected, "twice is as once");
  });
}
