import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Patterns } from "./replace-strings.ts";

/** The rule, character by character. */
function replaceSlowly(patterns: readonly string[], text: string): string {
  let result = "";
  for (let at = 0; at <= text.length;) {
    const index = patterns.findIndex((pattern) => text.startsWith(pattern, at));
    const length = index < 0 ? 0 : patterns[index]!.length;
    if (index >= 0) result += `<${index}>`;
    if (length === 0) result += text.charAt(at++);
    else at += length;
  }
  return result;
}

test("replacing strings follows the rule", () => {
  const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 3 });
  fc.assert(
    fc.property(
      fc.array(word, { maxLength: 4 }),
      fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 12 }),
      (patterns, text) => {
        assert.equal(
          new Patterns(patterns).replaceIn(text, (index) => `<${index}>`),
          replaceSlowly(patterns, text),
        );
      },
    ),
  );
});
