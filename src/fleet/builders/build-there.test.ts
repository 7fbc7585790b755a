/** What a machine that builds is sent: of all inputs only those that it lacks, and nothing below what is there to be sent. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Derivation } from "../../format/derivation.ts";
import { StorePath } from "../../format/store-path.ts";
import { MemoryStore } from "../../store/memory-store.ts";
import { objectOf, type StoredObject } from "../../../test/contract/store-contract.ts";
import { inputsFor } from "./build-there.ts";

const signal = AbortSignal.timeout(10_000);

interface Node {
  readonly drvPath: StorePath;
  readonly drv: Derivation;
  readonly output: StoredObject;
}

const nodes = new Map<string, Node>();

function node(letter: string, inputs: readonly Node[], builder: string = "/bin/build"): Node {
  const output = objectOf(letter, { type: "regular", executable: false, contents: Buffer.from(letter) });
  const drvPath = StorePath.of(`${letter.repeat(32)}-${letter}.drv`);
  const made: Node = {
    drvPath,
    output,
    drv: {
      outputs: new Map([["out", { kind: "input-addressed", path: output.info.path }]]),
      inputDerivations: inputs.map((input) => ({ path: input.drvPath, outputs: ["out"] })),
      inputSources: [],
      builder,
    } as unknown as Derivation,
  };
  nodes.set(drvPath.baseName, made);
  return made;
}

const source = node("a", [], "builtin:fetchurl");
const tool = node("b", [source]);
const patch = node("c", [], "builtin:fetchurl");
const part = node("d", [tool, patch]);
const root = node("f", [part, tool]);

async function ask(state: { readonly here: readonly Node[]; readonly there: readonly Node[] }): Promise<string[][]> {
  const there = new MemoryStore();
  for (const { output } of state.there) await there.add(output.info, output.nar(), signal);
  const local = new Set(state.here.map(({ output }) => output.info.path.baseName));
  const here = {
    storeDir: "/nix/store",
    derivation: async (path: StorePath) => nodes.get(path.baseName)!.drv,
    isValid: (path: StorePath) => local.has(path.baseName),
  };
  const { fetches, ready } = await inputsFor(root.drvPath, { here, there }, signal);
  return [fetches, ready].map((paths) => paths.map(({ name }) => name.replace("object-", "")).sort());
}

test("with nothing anywhere, what is fetched is sent and the rest is built", async () => {
  assert.deepEqual(await ask({ here: [], there: [] }), [
    ["a.drv", "c.drv"],
    ["a", "c"],
  ]);
});

test("what the deployer has is sent, and nothing that it was made of", async () => {
  assert.deepEqual(await ask({ here: [tool, source], there: [] }), [["c.drv"], ["b", "c"]]);
});

test("what the host has is not asked for, nor what it was made of", async () => {
  assert.deepEqual(await ask({ here: [tool], there: [part] }), [[], ["b"]]);
  assert.deepEqual(await ask({ here: [], there: [root] }), [[], []]);
});

test("of an input with several outputs, those that nothing is built from may be nowhere", async () => {
  const doc = objectOf("g", { type: "regular", executable: false, contents: Buffer.from("doc") }).info.path;
  const before = tool.drv;
  const outputs = new Map([...before.outputs, ["doc", { kind: "input-addressed", path: doc } as const]]);
  nodes.set(tool.drvPath.baseName, { ...tool, drv: { ...before, outputs } });
  try {
    assert.deepEqual(await ask({ here: [tool], there: [] }), [["c.drv"], ["b", "c"]]);
    assert.deepEqual(await ask({ here: [], there: [tool] }), [["c.drv"], ["c"]]);
  } finally {
    nodes.set(tool.drvPath.baseName, tool);
  }
});
