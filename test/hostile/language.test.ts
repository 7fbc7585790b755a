/**
 * Expressions and files that are made to hurt. Each gives a value or an error of the language, like Nix, whatever the
 * evaluator would run out of: stack, memory, time, or something to read.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { evaluateMany } from "../support/evaluate-many.ts";

const directory = realpathSync(mkdtempSync(join(tmpdir(), "pristine-hostile-")));
after(() => rmSync(directory, { recursive: true, force: true }));

const FILES: Readonly<Record<string, string>> = {
  "nul.nix": "1 + \0 2",
  "nul-after.nix": "1\0)",
  "nul-string.nix": '"a\0b"',
  "nul.txt": "a\0b",
  "not-utf8.nix": "\xff",
  "not-utf8-string.nix": '"\xff"',
  "byte-order-mark.nix": "\xef\xbb\xbf1",
  "crlf.nix": "# a\r\n''a\r\nb\r\n''\r\n",
  "cr.nix": '"a\rb"\r',
  "cycle-a.nix": "import ./cycle-b.nix",
  "cycle-b.nix": "import ./cycle-a.nix",
  "huge.txt": "",
};
for (const [name, text] of Object.entries(FILES)) writeFileSync(join(directory, name), text, "latin1");
truncateSync(join(directory, "huge.txt"), 2 ** 32);
symlinkSync("loop", join(directory, "loop"));
symlinkSync("there", join(directory, "back"));
symlinkSync("back", join(directory, "there"));
mkdirSync(join(directory, "itself"));
symlinkSync(".", join(directory, "itself/self"));
execFileSync("mkfifo", [join(directory, "fifo")]);

/** What is expected: the value, or `CODE: first line of the message`. */
type Case = readonly [expression: string, expected: string];

const SYNTAX = "EVAL_SYNTAX: syntax error, unexpected";
const TOO_DEEP = "EVAL_SYNTAX: expression is nested too deeply";
const OVERFLOW = "EVAL_STACK_OVERFLOW: stack overflow; max-call-depth exceeded";
const ENDLESS = "EVAL_INFINITE_RECURSION: infinite recursion encountered";
const LOOP = (name: string): string => `EVAL_WORLD: infinite symlink recursion in path 'DIR/${name}'`;

const BYTES: readonly Case[] = [
  ["import ./nul.nix", `${SYNTAX} end of file`],
  ["import ./nul-after.nix", "1"],
  [
    "import ./nul-string.nix",
    "EVAL_SYNTAX: input string 'a␀b' cannot be represented as Nix string because it contains null bytes",
  ],
  [
    "builtins.readFile ./nul.txt",
    "EVAL_INVALID: the contents of the file 'DIR/nul.txt' cannot be represented as a Nix string",
  ],
  ["import ./not-utf8.nix", `${SYNTAX} invalid token`],
  ["builtins.stringLength (import ./not-utf8-string.nix)", "1"],
  [
    "builtins.toJSON (import ./not-utf8-string.nix)",
    "EVAL_INVALID: JSON serialization error: [json.exception.type_error.316] invalid UTF-8 byte at index 0: 0xFF",
  ],
  ["import ./byte-order-mark.nix", `${SYNTAX} invalid token`],
  ["import ./crlf.nix", '"a\\r\\nb\\r\\n"'],
  ["import ./cr.nix", '"a\\nb"'],
];

const NUMBERS: readonly Case[] = [
  ["9223372036854775808", "EVAL_SYNTAX: invalid integer '9223372036854775808'"],
  ["1.0e999", "EVAL_SYNTAX: invalid float '1.0e999'"],
  ["9223372036854775807 + 1", "EVAL_INTEGER_OVERFLOW: integer overflow in adding 9223372036854775807 + 1"],
  [
    "(-9223372036854775807 - 1) / (-1)",
    "EVAL_INTEGER_OVERFLOW: integer overflow in dividing -9223372036854775808 / -1",
  ],
  [
    'builtins.fromJSON "9223372036854775808"',
    "EVAL_INVALID: unsigned json number 9223372036854775808 outside of Nix integer range",
  ],
  ['builtins.fromJSON "1e999"', "EVAL_INVALID: [json.exception.out_of_range.406] number overflow parsing '1e999'"],
  ["builtins.floor 1.0e300", "EVAL_INVALID: NixFloat argument 1e+300 is not in the range of NixInt"],
  ["builtins.genList (x: x) 100000000000", "EVAL_OUT_OF_MEMORY: out of memory"],
  [
    "builtins.elemAt [ 1 ] 9223372036854775807",
    "EVAL_INVALID: 'builtins.elemAt' called with index 9223372036854775807 on a list of size 1",
  ],
  ['builtins.substring 9223372036854775807 9223372036854775807 "abc"', '""'],
  ['let f = n: s: if n == 0 then s else f (n - 1) (s + s); in f 62 "a"', "EVAL_OUT_OF_MEMORY: out of memory"],
];

const FILES_AND_LINKS: readonly Case[] = [
  ["import ./cycle-a.nix", ENDLESS],
  ["builtins.readFile ./loop", LOOP("loop")],
  ["builtins.readFile ./there", LOOP("there")],
  ["builtins.readDir ./loop", LOOP("loop")],
  ["builtins.pathExists ./loop", "true"],
  ["builtins.pathExists ./loop/x", LOOP("loop/x")],
  ["import ./loop", "EVAL_WORLD: too many symbolic links encountered while traversing the path 'DIR/loop'"],
  ['builtins.isString "${./itself}"', "true"],
  [
    `builtins.readFile ("/" + ${repeated('"a"', 300)})`,
    `EVAL_WORLD: getting status of "/${"a".repeat(300)}": File name too long`,
  ],
  ["builtins.readFile /dev/zero", '""'],
  ["builtins.readFile /dev/null", '""'],
  ["builtins.readFile /proc/version", '""'],
  ["builtins.readFile ./fifo", '""'],
  ["import ./fifo", `${SYNTAX} end of file`],
  ['builtins.hashFile "sha256" /dev/zero', '"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"'],
  ['"${/dev/zero}"', "EVAL_WORLD: file '/dev/zero' has an unsupported type"],
  ['"${./fifo}"', "EVAL_WORLD: file 'DIR/fifo' has an unsupported type"],
  [
    "builtins.readFile ./huge.txt",
    "EVAL_WORLD: read 'DIR/huge.txt': its 4294967296 bytes are more than a string can have",
  ],
];

/** Text that is nested so and so often. */
const NESTED: readonly ((depth: number) => string)[] = [
  (depth) => `${"(".repeat(depth)}1${")".repeat(depth)}`,
  (depth) => `${"[".repeat(depth)}${"]".repeat(depth)}`,
  (depth) => `${"{a=".repeat(depth)}1${";}".repeat(depth)}`,
  (depth) => `${"let a=".repeat(depth)}1${";in a".repeat(depth)}`,
  (depth) => `${"let a=1;in ".repeat(depth)}a`,
  (depth) => `${"if true then ".repeat(depth)}1${" else 2".repeat(depth)}`,
  (depth) => `${"with {};".repeat(depth)}1`,
  (depth) => `${"{x}:".repeat(depth)}x`,
  (depth) => `[]${" ++ []".repeat(depth)}`,
  (depth) => `${"-".repeat(depth)}1`,
  (depth) => `${"!".repeat(depth)}true`,
  (depth) => `${'"${'.repeat(depth)}"x"${'}"'.repeat(depth)}`,
  (depth) => "(".repeat(depth),
];

const NESTING: readonly Case[] = [
  ...NESTED.flatMap((nest): Case[] => [
    [nest(10_001), TOO_DEEP],
    [nest(100_000), TOO_DEEP],
  ]),
  [`let f = x: x; in f${" f".repeat(10_000)} 1`, "1"],
  [`1${" + 1".repeat(10_000)}`, "10001"],
  [`{}${".a".repeat(10_000)} or 1`, "1"],
  [`(${"x: ".repeat(9_000)}1) 1 == 1`, "false"],
];

/** A list, and a set, in which the same is nested. */
const DEEP: readonly string[] = ["(a: _: [ a ]) [ ]", "(a: _: { inherit a; }) { }"].map(
  (step) => `(builtins.foldl' ${step} (builtins.genList (x: x) 20000))`,
);

/** Sets in which the same is nested twice, the name met first being the later one in byte order. */
const SHARED = (leaf: number): string =>
  `(builtins.foldl' (same: _: { sharedFirst = same; aSharedSecond = same; }) ${leaf} (builtins.genList (x: x) 200))`;

const VALUES: readonly Case[] = [
  [`${SHARED(1)} == ${SHARED(2)}`, "false"],
  ...DEEP.flatMap((value): Case[] => [
    [`builtins.toJSON ${value}`, OVERFLOW],
    [`builtins.toXML ${value}`, OVERFLOW],
    [`builtins.deepSeq ${value} 1`, OVERFLOW],
    [`${value} == ${value}`, OVERFLOW],
    [value, OVERFLOW],
  ]),
  [`builtins.seq (builtins.fromJSON (${repeated('"["', 20_000)} + ${repeated('"]"', 20_000)})) 1`, "1"],
  [
    `builtins.fromTOML ("a = " + ${repeated('"["', 20_000)})`,
    "EVAL_INVALID: while parsing TOML: Invalid TOML document: document contains excessively nested structures. aborting.",
  ],
];

const RECURSION: readonly Case[] = [
  ["let f = n: if n == 0 then 0 else 1 + f (n - 1); in f 100000", OVERFLOW],
  ["let x = x; in x", ENDLESS],
  ["let a = b; b = a; in a", ENDLESS],
  ["let x = { ${x.a} = 1; }; in x.a", ENDLESS],
  ["let a = with a; b; in a", ENDLESS],
  ['let d = derivation { name = "a"; system = "b"; builder = d; }; in d.drvPath', ENDLESS],
  ...[
    "(x: x x) (x: x x)",
    "let x = [ x ]; y = [ y ]; in x == y",
    "let x = { a = x; }; in builtins.toJSON x",
    "let x = { a = x; }; in builtins.toXML x",
    "let x = { outPath = x; }; in toString x",
    "let x = { __toString = self: self; }; in toString x",
    "let x = { __functor = self: self; }; in x 1",
    ...[
      "f x",
      "1 + f x",
      "if f x then 1 else 2",
      "assert f x; 1",
      "with f x; y",
      '"${f x}"',
      "(f x).a",
      "(f x).a or 1",
      "f x // { }",
      "f x ++ [ ]",
      "builtins.tryEval (f x)",
      "builtins.foldl' (_: f) x [ x ]",
      "builtins.head (map f [ x ])",
      "builtins.sort (_: f) [ x x ]",
      "builtins.concatMap f [ x ]",
      "builtins.genericClosure { startSet = [ { key = f x; } ]; operator = _: [ ]; }",
      "builtins.isString (builtins.filterSource (path: _: f path) ./itself)",
    ].map((body) => `let f = x: ${body}; in f 1`),
  ].map((expression): Case => [expression, OVERFLOW]),
];

/** What is too much for a regular expression, with its text. */
const TOO_LARGE = [
  "a{1,65535}",
  "a{1,2147483647}",
  "((a{1,1000}){1,1000}){1,1000}",
  "(".repeat(5000),
  `a${"*".repeat(5000)}`,
];

const PATTERNS: readonly Case[] = [
  ...["(a+)+", "(a|a)*", "(a|aa)+c", "((a*)*)*b", "(a+a+)+b"].map((pattern): Case => [
    `builtins.match "${pattern}" (${repeated('"a"', 60)} + "!")`,
    "null",
  ]),
  ...TOO_LARGE.map((pattern): Case => [
    `builtins.match "${pattern}" "a"`,
    `EVAL_INVALID: memory limit exceeded by regular expression '${pattern}'`,
  ]),
  ...["a{1,99999999999}", "a{2,1}", "*", "[z-a]", "(", "[".repeat(5000)].map((pattern): Case => [
    `builtins.match "${pattern}" "a"`,
    `EVAL_INVALID: invalid regular expression '${pattern}'`,
  ]),
  [`builtins.isList (builtins.match "(a|b)*" ${repeated('"ab"', 50_000)})`, "true"],
];

/** An expression for a text that is made of the same one many times. */
function repeated(text: string, count: number): string {
  return `(builtins.concatStringsSep "" (builtins.genList (_: ${text}) ${count}))`;
}

const groups = { BYTES, NUMBERS, FILES_AND_LINKS, NESTING, VALUES, RECURSION, PATTERNS };
const cases = Object.values(groups).flat();
const outcomes = await evaluateMany(
  cases.map(([expression]) => ({ expression, baseDir: directory, output: "value", strict: true, env: {} })),
);

for (const [index, [expression, expected]] of cases.entries()) {
  test(expression.length > 120 ? `${expression.slice(0, 120)}… (${expression.length})` : expression, () => {
    const outcome = outcomes[index]!;
    const shown = outcome.ok ? outcome.text : `${outcome.code}: ${messageOf(outcome.text)}`;
    // Some messages tell the place in the second half of their line.
    if (expected.startsWith(SYNTAX)) assert.equal(shown.slice(0, expected.length), expected);
    else assert.equal(shown, expected.replaceAll("DIR", directory));
  });
}

/** The first line of the message, which follows the frames. */
function messageOf(rendered: string): string {
  return /.*^ *error: (?!$)([^\n]*)/msu.exec(rendered)?.[1] ?? rendered;
}
