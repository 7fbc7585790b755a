/** Which documentation comment belongs to a function: the function is the first thing after `|` in each text. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { docCommentBefore, docCommentOfLambda, stripIndentation } from "./doc-comment.ts";
import { Source } from "./source.ts";

const CASES: readonly (readonly [text: string, comment: string | undefined])[] = [
  ["/** Own. */ |x: x", "Own. \n"],
  ["/* Ordinary. */ |x: x", undefined],
  ["/**/ |x: x", undefined],
  ["/*** Three stars. */ |x: x", undefined],
  ["/** Before others. */ /* ordinary */ # line\n # another\n |x: x", "Before others. \n"],
  ["/** With /* inside. */ |x: x", "With /* inside. \n"],
  ["/** Far. */ 1 + (|x: x) 2", undefined],
  ["{ /** Of the attribute. */ f = |x: x; }", "Of the attribute. \n"],
  ["{ /** Of the path. */ a.b = |x: x; }", "Of the path. \n"],
  ["{ /** Outer. */ f = /** Inner. */ |x: x; }", "Inner. \n"],
  ["{ /** Of f. */ f = x: y: |z: x; }", "Of f. \n"],
  ["{ /** Of f. */ f = x: /** Of y. */ y: |z: x; }", "Of y. \n"],
  ["{ /** Of f. */ f = map (|x: x); }", undefined],
  ["let /** In a let. */ f = |x: x; in f", "In a let. \n"],
  ["/** A definition. */\nf = |x: x;", "A definition. \n"],
  ["{\n  /**\n    Two\n      lines.\n  */\n  f = |{ a }: a;\n}", "\nTwo\n  lines.\n\n"],
];

for (const [marked, comment] of CASES) {
  test(JSON.stringify(marked), () => {
    const offset = marked.indexOf("|");
    const source = new Source("/test.nix", marked.replace("|", ""), { isFile: true });
    assert.equal(docCommentOfLambda(source, offset)?.replace(/[ ]+(?=\n+$)/, ""), comment?.replace(/[ ]+(?=\n+$)/, ""));
  });
}

test("a comment before an attribute is found without reading the program", () => {
  assert.equal(docCommentBefore("{ /** The answer. */ a = 42; }", 21)?.trim(), "The answer.");
  assert.equal(docCommentBefore("{ a = 42; }", 2), undefined);
  assert.equal(docCommentBefore("# only a line comment", 21), undefined);
});

test("indentation that all lines share is removed; blank lines do not count", () => {
  assert.equal(stripIndentation("  a\n\n    b\n  c"), "a\n\n  b\nc\n");
});
