/** Programs that are very long, very many, or reached by very long ways: the value, or an error of the language, soon. */

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { evaluateMany } from "../support/evaluate-many.ts";

const directory = realpathSync(mkdtempSync(join(tmpdir(), "pristine-sizes-")));
after(() => rmSync(directory, { recursive: true, force: true }));

const MESSAGE_CHARS_MAX = 400;

const numbers = (count: number, show: (index: number) => string): string =>
  Array.from({ length: count }, (_, i) => show(i)).join("");

const FILES: Readonly<Record<string, string>> = {
  "string.nix": `"${"x".repeat(10_000_000)}"`,
  "indented.nix": `''\n${"  line of text\n".repeat(300_000)}''`,
  "comment.nix": `/* ${"x".repeat(10_000_000)} */ 1 # ${"y".repeat(1_000_000)}`,
  "list.nix": `[${numbers(1_000_000, (i) => ` ${i}`)} ]`,
  "set.nix": `{${numbers(100_000, (i) => `a${i} = ${i};`)} }`,
  "recursive-set.nix": `rec {a0 = 0;${numbers(100_000, (i) => `a${i + 1} = a${i - (i % 1000)} + 1;`)} }`,
  "let.nix": `let ${numbers(100_000, (i) => `a${i} = ${i};`)} in a99999`,
  "formals.nix": `({ ${numbers(20_000, (i) => `a${i} ? ${i}, `)} ... }: a19999) { }`,
  "path.nix": `{ ${numbers(9_000, (i) => `a${i}.`)}z = 1; }`,
  "interpolations.nix": `let x = "y"; in builtins.stringLength "${"${x}".repeat(200_000)}"`,
  "sum.nix": `1${" + 1".repeat(9_000)}`,
  "name.nix": `{ ${"n".repeat(1_000_000)} = 1; }.${"n".repeat(1_000_000)}`,
  "digits.nix": "9".repeat(1_000_000),
  "blank.nix": `${" \n\t".repeat(3_000_000)}1`,
  "same.nix": `{ ${"a = 1; ".repeat(100_000)} }`,
};
for (const [name, text] of Object.entries(FILES)) writeFileSync(join(directory, name), text);

// Ten thousand files, each of which imports the next one; the last one is not there.
const FILE_COUNT = 10_000;
mkdirSync(join(directory, "chain"));
for (let i = 0; i < FILE_COUNT; i++) writeFileSync(join(directory, `chain/${i}.nix`), `1 + import ./${i + 1}.nix`);
writeFileSync(join(directory, `chain/${FILE_COUNT}.nix`), "0");

// A file at the end of more links than the system follows.
mkdirSync(join(directory, "links"));
writeFileSync(join(directory, "links/0"), "7");
for (let i = 0; i < 60; i++) symlinkSync(String(i), join(directory, `links/${i + 1}`));

const deep = `${directory}/${"d/".repeat(1_500)}file.nix`;

const socket = createServer().listen(join(directory, "socket"));
await new Promise((resolve) => socket.once("listening", resolve));

/** Brackets of each kind, as deep as may be. */
const BRACKETS: readonly (readonly [expression: (depth: number) => string, value: string])[] = [
  [(depth) => `${"(".repeat(depth)}1${")".repeat(depth)}`, "1"],
  [(depth) => `builtins.length ${"[".repeat(depth)}${"]".repeat(depth)}`, "1"],
  [(depth) => `builtins.attrNames ${"{a=".repeat(depth)}1${";}".repeat(depth)}`, '[ "a" ]'],
  [(depth) => `builtins.isString ${'"${'.repeat(depth)}"x"${'}"'.repeat(depth)}`, "true"],
];
const DEPTH = 9_990;

/** What is evaluated, and the value or `CODE: message`, or how they begin before `…`. */
const CASES: readonly (readonly [expression: string, expected: string])[] = [
  ["builtins.stringLength (import ./string.nix)", "10000000"],
  ["builtins.stringLength (import ./indented.nix)", "3900000"],
  ["import ./comment.nix", "1"],
  ["builtins.foldl' (a: b: a + b) 0 (import ./list.nix)", "499999500000"],
  ["(import ./set.nix).a99999", "99999"],
  ["builtins.length (builtins.attrNames (import ./set.nix))", "100000"],
  ["(import ./recursive-set.nix).a100000", "100"],
  ["import ./let.nix", "99999"],
  ["import ./formals.nix", "19999"],
  ["builtins.attrNames (import ./path.nix)", '[ "a0" ]'],
  ["import ./interpolations.nix", "200000"],
  ["import ./sum.nix", "9001"],
  ["import ./name.nix", "1"],
  ["import ./digits.nix", "EVAL_SYNTAX: invalid integer '999…"],
  ["import ./blank.nix", "1"],
  ["import ./same.nix", "EVAL_SYNTAX: attribute 'a' already defined at…"],
  ["import ./chain/9000.nix", "1000"],
  ["import ./chain/0.nix", "10000"],
  ["builtins.readFile ./links/40", '"7"'],
  ["builtins.readFile ./links/60", "EVAL_WORLD: infinite symlink recursion in path 'DIR/links/60'"],
  ["import ./links/60", "7"],
  ["builtins.pathExists ./links/60", "true"],
  ["builtins.readFileType ./links/60", '"symlink"'],
  [`import ${deep}`, "EVAL_WORLD: path 'DIR/d/d…"],
  [`builtins.pathExists ${deep}`, "false"],
  [`builtins.pathExists ${directory}${"/d".repeat(5_000)}`, 'EVAL_WORLD: getting status of "DIR/d/d…'],
  ["builtins.readFile ./socket", "EVAL_WORLD: opening file 'DIR/socket': No such device or address"],
  ["import ./socket", "EVAL_WORLD: opening file 'DIR/socket': No such device or address"],
  ['"${./socket}"', "EVAL_WORLD: file 'DIR/socket' has an unsupported type"],
  ["(builtins.readDir ./.).socket", '"unknown"'],
  ["import /dev/zero", "EVAL_SYNTAX: syntax error, unexpected end of file"],
  ["import /dev/full", "EVAL_SYNTAX: syntax error, unexpected end of file"],
  ["builtins.readDir /dev/null", 'EVAL_WORLD: cannot read directory "/dev/null": Not a directory'],
  ...BRACKETS.map(([nest, value]): readonly [string, string] => [nest(DEPTH), value]),
];

const outcomes = await evaluateMany(
  CASES.map(([expression]) => ({ expression, baseDir: directory, output: "value", strict: true, env: {} })),
);
socket.close();

for (const [index, [expression, expected]] of CASES.entries()) {
  test(expression.length > 120 ? `${expression.slice(0, 120)}… (${expression.length})` : expression, () => {
    const outcome = outcomes[index]!;
    const shown = (outcome.ok ? outcome.text : `${outcome.code}: ${messageOf(outcome.text)}`).replaceAll(
      directory,
      "DIR",
    );
    if (expected.endsWith("…")) assert.equal(shown.slice(0, expected.length - 1), expected.slice(0, -1));
    else assert.equal(shown.slice(0, MESSAGE_CHARS_MAX), expected);
  });
}

/** The first line of the message, which follows the frames. */
function messageOf(rendered: string): string {
  return /.*^ *error: (?!$)([^\n]*)/msu.exec(rendered)?.[1] ?? rendered;
}
