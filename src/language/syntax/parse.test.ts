import assert from "node:assert/strict";
import { test } from "node:test";
import { Kind } from "./ast.ts";
import { parse, parseBindings } from "./parse.ts";
import { Source } from "./source.ts";

function source(text: string): Source {
  return new Source("/f.nix", text, { isFile: true });
}

test("deep nesting is an error, not a crash", () => {
  const shapes: readonly (readonly [string, string])[] = [
    ["(", ")"],
    ["[", "]"],
    ["{ a = ", "; }"],
    ['"${', '}"'],
    ["!", ""],
    ["- ", ""],
    ["x: ", ""],
    ["1 ++ ", ""],
    ["a.b or ", ""],
    ["let a = 1; in ", ""],
  ];
  for (const [open, close] of shapes) {
    for (const depth of [10_000, 100_000]) {
      const parsed = parse(source(`${open.repeat(depth)}1${close.repeat(depth)}`), { baseDir: "/" });
      if (!parsed.ok) assert.match(parsed.error.message, /nested too deeply/);
    }
  }
});

test("a long chain of operators is not deep", () => {
  assert.ok(parse(source(`1${" + 1".repeat(100_000)}`), { baseDir: "/" }).ok);
});

test("every prefix of a text parses or fails, and never throws", () => {
  const text = "{ a, b ? \"x${''i ${a}''}\" }@c: rec { inherit (c) d; e = ./p/${a}/q; } // [ 1.5 <n> h:x ~/y ] ++ -1";
  for (let length = 0; length <= text.length; length++) {
    parse(source(text.slice(0, length)), { baseDir: "/", homeDir: "/home" });
  }
});

test("an interpolated literal may begin a path's pieces", () => {
  assert.ok(parse(source('[ ./${"a"} ./${"a"}/b ./a/${"b"}c ]'), { baseDir: "/" }).ok);
  assert.equal(parse(source("./a//b"), { baseDir: "/" }).ok, false);
});

test("pipes become calls", () => {
  const parsed = parse(source("1 |> f 2 |> g"), { baseDir: "/", pipeOperators: true });
  assert.ok(parsed.ok && parsed.value.root.kind === Kind.Call);
  assert.equal(parsed.value.root.args.length, 1);
});

test("a home path is refused in pure mode", () => {
  const parsed = parse(source("~/x"), { baseDir: "/" });
  assert.equal(parsed.ok ? "" : parsed.error.message, "the path '~/x' can not be resolved in pure mode");
});

test("functions are named after what they are bound to", () => {
  const parsed = parse(source("{ f = a: b: 1; }"), { baseDir: "/" });
  assert.ok(parsed.ok && parsed.value.root.kind === Kind.Attrs);
  const value = parsed.value.root.defs[0]?.value;
  assert.ok(value?.kind === Kind.Lambda && value.body.kind === Kind.Lambda);
  assert.deepEqual([value.name, value.body.name], ["f", "f"]);
});

test("bindings for a REPL", () => {
  const parsed = parseBindings(source("b = 1; a = 2;"), { baseDir: "/" });
  assert.deepEqual(parsed.ok && parsed.value.defs.map((def) => def.name), ["a", "b"]);
  assert.equal(parseBindings(source("1"), { baseDir: "/" }).ok, false);
});
