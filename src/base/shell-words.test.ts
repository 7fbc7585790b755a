/** Quoting for a POSIX shell. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { quoteWord, renderArgv } from "./shell-words.ts";

test("commands are rendered for pasting", () => {
  assert.equal(renderArgv(["ssh", "a@b", "it's", "x y", ""]), "ssh a@b 'it'\\''s' 'x y' ''");
});

test("a word can be quoted whatever it contains", () => {
  assert.equal(quoteWord("plain"), "'plain'");
});
