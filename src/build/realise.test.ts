/** Realising without a sandbox: downloads of local files, and what protects them meanwhile. */

import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { after, beforeEach, test } from "node:test";
import type { Derivation } from "../format/derivation.ts";
import { DerivationHasher } from "../format/derivation-hash.ts";
import { hashBytes } from "../format/hash.ts";
import type { StorePath } from "../format/store-path.ts";
import { LocalStore } from "../store/local-store.ts";
import { exists, removeTree } from "../system/files.ts";
import { readTempRoots } from "../store/temp-roots.ts";
import type { BuildEvent } from "./build-event.ts";
import { realise, realiseWhatCan } from "./realise.ts";

const signal = AbortSignal.timeout(30_000);
const directory = mkdtempSync(`${tmpdir()}/realise-`);
let round = 0;
let store: LocalStore;

beforeEach(async () => {
  store = await LocalStore.open(`${directory}/${++round}`);
});
after(async () => await removeTree(directory));

/** A derivation that downloads a local file; when it refers to another one, that is an input. */
async function addFetch(hasher: DerivationHasher, name: string, input?: StorePath): Promise<StorePath> {
  const file = `${directory}/${name}`;
  writeFileSync(file, name);
  const drv: Derivation = hasher.fillOutputs({
    name,
    outputs: new Map([["out", { kind: "fixed", method: "flat", hash: hashBytes("sha256", Buffer.from(name)) }]]),
    inputDerivations: input === undefined ? [] : [{ path: input, outputs: ["out"] }],
    inputSources: [],
    system: "builtin",
    builder: "builtin:fetchurl",
    args: [],
    env: new Map([
      ["out", ""],
      ["url", `file://${file}`],
    ]),
  });
  const path = await store.addDerivation(drv, signal);
  hasher.remember(path, drv);
  return path;
}

async function addChain(): Promise<StorePath> {
  const hasher = new DerivationHasher("/nix/store", () => assert.fail("every derivation is remembered"));
  return await addFetch(hasher, "second", await addFetch(hasher, "first"));
}

test("inputs and their derivations are kept from collectors while they are made", async () => {
  const drvPath = await addChain();
  // As in another process that evaluated before, these derivations have no temporary roots here.
  const { root } = store.layout;
  await store.close();
  store = await LocalStore.open(root);
  const protectedThen: Promise<StorePath[]>[] = [];
  const onEvent = (event: BuildEvent): void => {
    if (event.kind === "finished") protectedThen.push(readTempRoots(store.layout));
  };
  const { fetched } = await realise({
    store,
    drvPaths: [drvPath],
    downloadsDir: `${directory}/cache`,
    signal,
    onEvent,
  });
  assert.equal(fetched, 2);
  for (const roots of await Promise.all(protectedThen)) {
    const names = new Set(roots.map((path) => path.name));
    assert.deepEqual([...names].sort(), ["first", "first.drv", "second", "second.drv"]);
  }
  await store.close();
});

test("an interrupt between two goals is no success", async () => {
  const drvPath = await addChain();
  const abort = new AbortController();
  const reason = new Error("interrupted");
  const onEvent = (event: BuildEvent): void => {
    if (event.kind === "finished") abort.abort(reason);
  };
  const cache = { downloadsDir: `${directory}/cache` };
  await assert.rejects(realise({ store, drvPaths: [drvPath], ...cache, signal: abort.signal, onEvent }), reason);
  const { outputs, fetched } = await realise({ store, drvPaths: [drvPath], ...cache, signal });
  assert.equal(fetched, 1);
  assert.equal(await exists(store.realPath(outputs.get(drvPath.baseName)!.get("out")!)), true);
  await store.close();
});

test("what fails takes along what needs it, and nothing else", async () => {
  const hasher = new DerivationHasher("/nix/store", () => assert.fail("every derivation is remembered"));
  const bad = await addFetch(hasher, "bad");
  const needy = await addFetch(hasher, "needy", bad);
  const good = await addFetch(hasher, "good");
  writeFileSync(`${directory}/bad`, "something else");
  const drvPaths = [needy, good];
  const wanted = { store, drvPaths, downloadsDir: `${directory}/cache`, signal, keepGoing: true };
  const { outputs, failures } = await realiseWhatCan(wanted);
  assert.deepEqual([...failures.keys()], [needy.baseName]);
  assert.match(failures.get(needy.baseName)!.message, /bad/);
  assert.deepEqual([...outputs.keys()], [good.baseName]);
  assert.equal(await exists(store.realPath(outputs.get(good.baseName)!.get("out")!)), true);
  await assert.rejects(realise({ ...wanted, keepGoing: false }), /bad/);
  await store.close();
});
