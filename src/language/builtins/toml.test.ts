import assert from "node:assert/strict";
import { test } from "node:test";
import { parseToml, TomlTimestamp, type TomlValue } from "./toml.ts";

function show(value: TomlValue): string {
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "number") return `${Object.is(value, -0) ? "-0" : String(value)}f`;
  if (value instanceof TomlTimestamp) return `<${value.text}>`;
  if (value instanceof Map) return `{ ${[...value].map(([key, item]) => `${key} = ${show(item)}`).join(", ")} }`;
  if (Array.isArray(value)) return `[${value.map(show).join(" ")}]`;
  return JSON.stringify(value);
}

function outcome(text: string, timestamps: boolean): string {
  const parsed = parseToml(text, { timestamps });
  return parsed.ok ? show(parsed.value) : (parsed.error.split("\n")[0] as string);
}

const cases: readonly (readonly [string, boolean, string])[] = [
  ["a = 1\nb = 1.0\nc = -0.0\nd = 0xff", false, "{ a = 1, b = 1f, c = -0f, d = 255 }"],
  ["a.b = [1, 'x', true]\n[t]\n__proto__ = 2", false, '{ a = { b = [1 "x" true] }, t = { __proto__ = 2 } }'],
  ["[[a]]\nb = {}\n[[a]]", false, "{ a = [{ b = {  } } {  }] }"],
  ["a = 9223372036854775807", false, "{ a = 9223372036854775807 }"],
  ["a = 9223372036854775808", false, "[error] toml::parse_dec_integer: too large integer: current max digits = 2^63"],
  ['a = "\\u00e9"', false, '{ a = "Ã©" }'],
  ["a = 1979-05-27", false, "Dates and times are not supported"],
  ["a = 1979-05-27 07:32:00.12345z", true, "{ a = <1979-05-27T07:32:00.123450Z> }"],
  ["a = 1979-05-27t07:32:00-07:00", true, "{ a = <1979-05-27T07:32:00-07:00> }"],
  ["a = [07:32:00.1, 08:00:00]", true, "{ a = [<07:32:00.100> <08:00:00>] }"],
  ["1979-05-27 = 1979-05-27 # 07:32:00", true, "{ 1979-05-27 = <1979-05-27> }"],
  ["a = 07:32:00\nb = '07:32:00'", true, '{ a = <07:32:00>, b = "07:32:00" }'],
  [
    'a = "\\u0000"',
    false,
    "error: input string 'â\u0090\u0080' cannot be represented as Nix string because it contains null bytes",
  ],
];
for (const [text, timestamps, expected] of cases) {
  test(JSON.stringify(text), () => assert.equal(outcome(text, timestamps), expected));
}

test("invalid text is an error", () => {
  for (const text of ["a = 1\na = 2", "a = ", "= 1", "a = '\xff'"]) {
    assert.equal(parseToml(text, { timestamps: false }).ok, false);
  }
});
