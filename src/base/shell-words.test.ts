/** Quoting for a POSIX shell. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { quotePosix, quoteWord, renderArgv, splitWords } from "./shell-words.ts";

test("commands are rendered for pasting", () => {
  assert.equal(renderArgv(["ssh", "a@b", "it's", "x y", ""]), "ssh a@b 'it'\\''s' 'x y' ''");
});

test("a word can be quoted whatever it contains", () => {
  assert.equal(quoteWord("plain"), "'plain'");
});

test("a shell gives back every word as it was", () => {
  const arbitrary = fc.string({
    unit: fc.constantFrom(...Array.from("ab01-=~$`\"'\\ \t\n*?[]{}()<>|&;!#%@é\u{1f980}")),
    maxLength: 12,
  });
  for (const quote of [quoteWord, quotePosix]) {
    const words = ["", "'", "\\", "\n", "-n", "$(id)", ...fc.sample(arbitrary, { numRuns: 500, seed: 1 })];
    const script = `printf '%s\\0' ${words.map(quote).join(" ")}`;
    const back = execFileSync("sh", ["-c", script], { encoding: "utf8" }).split("\0").slice(0, -1);
    assert.deepEqual(back, words);
    assert.deepEqual(splitWords(words.map(quote).join(" "), { comments: true }), words);
  }
});

test("a line is taken apart as a shell would", () => {
  const cases: readonly [line: string, words: readonly string[] | undefined][] = [
    [' a\t b="c \\" d" \'e\\\' f\\ g ', ["a", 'b=c " d', "e\\", "f g"]],
    ["a#b c # d", ["a"]],
    ["a '#' \\#b", ["a", "#", "#b"]],
    ["''", [""]],
    ["", []],
    ["a 'b", undefined],
  ];
  for (const [line, words] of cases) assert.deepEqual(splitWords(line, { comments: true }), words, line);
  assert.deepEqual(splitWords("a#b #c", { comments: false }), ["a#b", "#c"]);
});
