import assert from "node:assert/strict";
import { test } from "node:test";
import { type Expr, GLOBAL, Kind, type Var } from "../syntax/ast.ts";
import { parse } from "../syntax/parse.ts";
import { Source } from "../syntax/source.ts";
import { resolve } from "./resolve.ts";

/** Shows where the variable called `v`, which must occur once, is bound. */
function binding(text: string, frames: readonly (readonly string[])[] = []): string {
  const parsed = parse(new Source("test", text, { isFile: false }), { baseDir: "/" });
  assert.ok(parsed.ok, parsed.ok ? "" : parsed.error.message);
  const error = resolve(parsed.value, { globals: new Set(["g"]), frames });
  if (error !== undefined) return `${error.message} at ${String(error.span.start)}`;
  const found: string[] = [];
  visit(parsed.value.root, (node) => {
    if (node.name !== "v" && node.name !== "g") return;
    if (node.fromWith !== null) {
      const outer = node.fromWith.outerWith === null ? "" : `, then ${String(node.fromWith.outerWithDepth)}`;
      found.push(`with ${String(node.depth)}${outer}`);
    } else found.push(node.depth === GLOBAL ? "global" : `${String(node.depth)}:${String(node.slot)}`);
  });
  return found.join(" ");
}

/** Calls back for every variable below a node. */
function visit(node: unknown, callback: (node: Var) => void): void {
  if (Array.isArray(node)) {
    for (const item of node) visit(item, callback);
  } else if (typeof node === "object" && node !== null && "start" in node) {
    if ((node as Expr).kind === Kind.Var) callback(node as Var);
    else
      for (const key of Object.keys(node))
        if (key !== "source" && key !== "outerWith") visit(node[key as keyof typeof node], callback);
  }
}

/** The formals of a function have their slots in the order in which names were first met, where `v` comes before `a`. */
const cases: Record<string, string> = {
  "v: v": "0:0",
  "v: x: v": "1:0",
  "{ a, v }: v": "0:0",
  "{ v, w }: v": "0:0",
  "x@{ a, v }: v": "0:1",
  "{ v, a ? v }: a": "0:0",
  "let z = 1; a = v; v = 2; in 1": "0:1",
  "rec { z = 1; a = v; v = 2; }": "0:1",
  "v: { z = v; }": "0:0",
  "v: rec { z = v; }": "1:0",
  "v: let inherit v; in 1": "0:0",
  "v: rec { inherit v; }": "0:0",
  "rec { inherit (v) a; v = 1; }": "0:1",
  "v: { inherit (v) a; }": "0:0",
  'v: rec { ${v + "a"} = 1; b = 1; }': "1:0",
  "v: with { }; v": "1:0",
  "with { }; v": "with 0",
  "with { }; a: v": "with 1",
  "with { }; x: with x; y: v": "with 1, then 2",
  "with { }; let a = with { }; v; in 1": "with 0, then 2",
  "with { v = 1; }; g": "global",
  "g: g": "0:0",
  "a: v": "undefined variable 'v' at 3",
  "{ b = v; a = w; }": "undefined variable 'w' at 13",
  "v > w": "undefined variable 'w' at 4",
  "v < w": "undefined variable 'v' at 0",
  "(g v).${w} or x": "undefined variable 'v' at 3",
  "g.${w} or v": "undefined variable 'v' at 10",
  "with v; 1": "undefined variable 'v' at 5",
};
for (const [text, expected] of Object.entries(cases)) {
  test(`resolve ${text}`, () => assert.equal(binding(text), expected));
}

test("resolve finds names of frames around the file", () => {
  assert.equal(binding("a: v", [["v"], ["x", "y"]]), "2:0");
});

test("resolve marks operators whose function is rebound", () => {
  const parsed = parse(new Source("test", "[ (1 - 2) (let __sub = 1; in 1 - 2) ]", { isFile: false }), {
    baseDir: "/",
  });
  assert.ok(parsed.ok);
  assert.equal(resolve(parsed.value, { globals: new Set(["__sub"]) }), undefined);
  const list = parsed.value.root;
  assert.ok(list.kind === Kind.List);
  const [plain, inLet] = list.items;
  assert.ok(plain?.kind === Kind.Binary && inLet?.kind === Kind.Let && inLet.body.kind === Kind.Binary);
  assert.equal(plain.primop, null);
  assert.deepEqual([inLet.body.primop?.depth, inLet.body.primop?.slot], [0, 0]);
});
