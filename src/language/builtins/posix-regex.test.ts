import assert from "node:assert/strict";
import { test } from "node:test";
import { compileRegex, type RegexGroups } from "./posix-regex.ts";

function show(groups: RegexGroups): string {
  return groups.map((group) => (group === undefined ? "-" : `'${group}'`)).join(",");
}

/** The groups of a match of the whole text, then all matches; or what is wrong with the pattern. */
function outcome(pattern: string, text: string): string {
  const regex = compileRegex(pattern);
  if (!regex.ok) return regex.error;
  const whole = regex.value.matchWhole(text);
  const all = regex.value.matchAll(text).map(({ start, end, groups }) => {
    return ` ${String(start)}-${String(end)}(${show(groups)})`;
  });
  return `${whole === undefined ? "none" : `[${show(whole)}]`}${all.join("")}`;
}

// Every expectation is what Nix gives.
const cases: readonly (readonly [string, string, string])[] = [
  ["ab", "abc", "none 0-2()"],
  ["a(b)(c)", "abc", "['b','c'] 0-3('b','c')"],
  ["[[:space:]]+([[:upper:]]+)[[:space:]]+", "  FOO   ", "['FOO'] 0-8('FOO')"],
  // All branches are tried, the longest wins; among equals the first.
  ["(a|ab)(c|bcd)(d*)", "abcd", "['a','bcd',''] 0-4('a','bcd','')"],
  ["a|ab", "ab", "[] 0-2()"],
  // A repetition takes what it can, even if less would match more.
  ["a*(ab)?", "aab", "['ab'] 0-2(-) 2-2(-) 3-3(-)"],
  // Empty rounds, and groups that keep what an earlier round matched.
  ["(a*)*", "b", "none 0-0('') 1-1('')"],
  ["(a*)*", "", "[''] 0-0('')"],
  ["((a)|b)*", "ab", "['b','a'] 0-2('b','a') 2-2(-,-)"],
  ["(a|b|)*", "ab", "[''] 0-2('') 2-2('')"],
  ["", "abc", "none 0-0() 1-1() 2-2() 3-3()"],
  ["x*", "axb", "none 0-0() 1-2() 2-2() 3-3()"],
  ["^a", "aaa", "none 0-1()"],
  ["a$", "aa", "none 1-2()"],
  [".*\n.*", "a\nb", "[] 0-3()"],
  ["a{2,3}", "aaaa", "none 0-3()"],
  ["[]a]+", "]a", "[] 0-2()"],
  ["[^]a]", "b", "[] 0-1()"],
  ["[--a]", "5", "[] 0-1()"],
  ["[a-]", "-", "[] 0-1()"],
  ["[[=a=]]", "A", "[] 0-1()"],
  ["[[.hyphen.]]", "-", "[] 0-1()"],
  ["[[:ALPHA:]]", "x", "[] 0-1()"],
  ["[\\n]", "\\", "[] 0-1()"],
  ["\\.\\(", ".(", "[] 0-2()"],
  ["a**", "aa", "[] 0-2() 2-2()"],
  ["x{0}", "", "[] 0-0()"],
  ["(|a)", "a", "['a'] 0-1('a') 1-1('')"],
  ["[\x80-\xff]+", "\xc3\xa9", "[] 0-2()"],
  ["[a-\xff]", "b", "invalid"],
  ["\\d", "1", "invalid"],
  ["(a)\\1", "aa", "invalid"],
  ["\\", "", "invalid"],
  ["*a", "", "invalid"],
  ["a|*b", "", "invalid"],
  ["^*", "", "invalid"],
  ["a{,2}", "", "invalid"],
  ["a{2", "", "invalid"],
  ["a{2,1}", "", "invalid"],
  ["(a", "", "invalid"],
  ["a)", "", "invalid"],
  ["[b-a]", "", "invalid"],
  ["[a-c-e]", "", "invalid"],
  ["[[.-.]]", "", "invalid"],
  ["[[:foo:]]", "", "invalid"],
  ["[[:alpha:]-z]", "", "invalid"],
  ["[]", "", "invalid"],
  ["[^", "", "invalid"],
  ["x{100001}", "", "too-large"],
  ["(((a{100}){100}){100})", "", "too-large"],
];
for (const [pattern, text, expected] of cases) {
  test(`${JSON.stringify(pattern)} on ${JSON.stringify(text)}`, () => assert.equal(outcome(pattern, text), expected));
}

test("patterns that make a backtracking matcher explode stay fast", () => {
  assert.equal(outcome("(a*)*b", "a".repeat(300)).slice(0, 4), "none");
  assert.equal(outcome("(a|aa)+$", `${"a".repeat(2000)}b`), "none");
  assert.equal(
    outcome("((a?){20})(a{20})", "a".repeat(20)),
    `['','','${"a".repeat(20)}'] 0-20('','','${"a".repeat(20)}')`,
  );
});

test("long texts need no stack", () => {
  assert.equal(outcome(".*(foo).*", `${"x".repeat(100_000)}foo${"y".repeat(100_000)}`).slice(0, 7), "['foo']");
});
