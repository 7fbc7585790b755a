import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { after, afterEach, beforeEach, test } from "node:test";
import { hashBytes } from "../format/hash.ts";
import { type MemoryTree, memoryTreeSource } from "../format/memory-tree.ts";
import { encodeNar } from "../format/nar.ts";
import { StorePath } from "../format/store-path.ts";
import { linkTarget, namesIn, removeTree, statusOf } from "../system/files.ts";
import { run } from "../system/process.ts";
import { tryLockFile } from "../system/flock.ts";
import { LocalStore } from "./local-store.ts";

const signal = AbortSignal.timeout(30_000);
const roots: string[] = [];
let root = "";
let store: LocalStore;

beforeEach(async () => {
  root = mkdtempSync(`${tmpdir()}/local-store-`);
  roots.push(root);
  store = await LocalStore.open(root);
});
afterEach(async () => await store.close());
after(async () => {
  for (const directory of roots) await removeTree(directory);
});

async function addObject(
  letter: string,
  references: readonly string[] = [],
  options: { readonly deriver?: string } = {},
): Promise<StorePath> {
  const tree: MemoryTree = { type: "regular", executable: false, contents: Buffer.from(`object ${letter}`) };
  const nar = encodeNar(memoryTreeSource(tree));
  const path = pathOf(letter);
  await store.add(
    {
      path,
      narHash: hashBytes("sha256", nar),
      narSize: nar.length,
      references: references.map(pathOf),
      ...(options.deriver === undefined ? {} : { deriver: pathOf(options.deriver) }),
      signatures: [],
      ultimate: false,
      registrationTime: 1,
    },
    (async function* () {
      yield nar;
    })(),
    signal,
  );
  return path;
}

function pathOf(letter: string): StorePath {
  return StorePath.of(`${letter.repeat(32)}-${letter}`);
}

/** Collection by a process of its own, which does not have this one's temporary roots. */
async function reopen(): Promise<void> {
  await store.close();
  store = await LocalStore.open(root);
}

test("collection deletes what no root reaches, and dry runs nothing", async () => {
  await addObject("a");
  await addObject("b", ["a", "b"]);
  await addObject("c", ["b"]);
  await addObject("d");
  await store.addPermanentRoot("test/b", pathOf("b"));
  await reopen();
  const planned = await store.collect({ dryRun: true, signal });
  assert.deepEqual([...planned.deleted].sort(), [pathOf("c").baseName, pathOf("d").baseName]);
  assert.equal(store.isValid(pathOf("d")), true);
  const { deleted, keptCount } = await store.collect({ signal });
  assert.deepEqual(deleted, planned.deleted);
  assert.equal(keptCount, 2);
  assert.deepEqual((await namesIn(store.layout.realStoreDir)).sort(), [pathOf("a").baseName, pathOf("b").baseName]);
  assert.deepEqual((await store.verify({ checkContents: true, signal })).faults, []);
});

test("what this process uses is kept, and what was left behind is removed", async () => {
  await addObject("a");
  mkdirSync(`${store.layout.realStoreDir}/${"x".repeat(32)}-half`, { mode: 0o555 });
  writeFileSync(`${store.layout.realStoreDir}/${"y".repeat(32)}-y.lock`, "");
  await store.addTempRoots([pathOf("z")], signal);
  writeFileSync(store.realPath(pathOf("z")), "being made");
  const { deleted } = await store.collect({ signal });
  assert.deepEqual(deleted, []);
  assert.deepEqual((await namesIn(store.layout.realStoreDir)).sort(), [pathOf("a").baseName, pathOf("z").baseName]);
});

test("temporary roots of a process that was killed are dropped, by a collector and by a process with the same id", async () => {
  await addObject("a");
  await addObject("b");
  await reopen();
  const rootsOf = (pid: number, letter: string): void =>
    writeFileSync(`${store.layout.tempRootsDir}/${pid}`, `${pathOf(letter).render("/nix/store")}\0`);
  rootsOf(2 ** 22 + 1, "a");
  rootsOf(process.pid, "b");
  await store.addTempRoots([pathOf("z")], signal);
  const { deleted } = await store.collect({ signal });
  assert.deepEqual([...deleted].sort(), [pathOf("a").baseName, pathOf("b").baseName]);
  assert.deepEqual(await namesIn(store.layout.tempRootsDir), [String(process.pid)]);
});

test("processes of several containers may have the same id", async () => {
  await addObject("a");
  await reopen();
  using other = tryLockFile(`${store.layout.tempRootsDir}/${process.pid}`);
  assert.notEqual(other, undefined);
  writeFileSync(`${store.layout.tempRootsDir}/${process.pid}`, `${pathOf("a").render("/nix/store")}\0`);
  await store.addTempRoots([pathOf("z")], signal);
  assert.deepEqual((await store.collect({ signal })).deleted, []);
});

test("a process that ends without closing its store leaves no temporary roots behind", async () => {
  const program = `
    import { LocalStore } from ${JSON.stringify(new URL("local-store.ts", import.meta.url).href)};
    import { StorePath } from ${JSON.stringify(new URL("../format/store-path.ts", import.meta.url).href)};
    const store = await LocalStore.open(process.argv[1]);
    await store.addTempRoots([StorePath.of("${pathOf("a").baseName}")], new AbortController().signal);
    process.exit(7);`;
  const { code } = await run([process.execPath, "--input-type=module", "-e", program, root]);
  assert.equal(code, 7);
  assert.deepEqual(await namesIn(store.layout.tempRootsDir), []);
});

test("links of users keep objects for as long as they exist, and profiles do", async () => {
  await addObject("a");
  await addObject("b");
  await addObject("c");
  await store.addIndirectRoot(`${root}/result`, pathOf("a"));
  assert.equal(await linkTarget(`${root}/result`), store.realPath(pathOf("a")));
  symlinkSync("system-1-link", `${store.layout.profilesDir}/system`);
  symlinkSync(pathOf("b").render("/nix/store"), `${store.layout.profilesDir}/system-1-link`);
  await reopen();
  assert.deepEqual((await store.collect({ signal })).deleted, [pathOf("c").baseName]);
  unlinkSync(`${root}/result`);
  assert.deepEqual((await store.collect({ signal })).deleted, [pathOf("a").baseName]);
  assert.deepEqual(await namesIn(`${store.layout.gcRootsDir}/auto`), []);
});

test("what running programs use is kept", async () => {
  await addObject("a");
  await reopen();
  const abort = new AbortController();
  const user = run(["sleep", "20"], {
    signal: abort.signal,
    extraEnv: { USED: `${pathOf("a").render("/nix/store")}/bin` },
  });
  try {
    assert.deepEqual((await store.collect({ signal })).deleted, []);
  } finally {
    abort.abort(new Error("done"));
    await user.catch(() => undefined);
  }
  assert.deepEqual((await store.collect({ signal })).deleted, [pathOf("a").baseName]);
});

test("the derivations of what is kept are kept", async () => {
  await addObject("d");
  await addObject("a", [], { deriver: "d" });
  await store.addPermanentRoot("a", pathOf("a"));
  await reopen();
  assert.deepEqual((await store.collect({ signal })).deleted, []);
});

test("an addition that was killed is repeated over its leftovers", async () => {
  mkdirSync(`${store.realPath(pathOf("a"))}/deep`, { recursive: true });
  await addObject("a");
  assert.equal((await statusOf(store.realPath(pathOf("a"))))?.kind, "file");
  assert.equal(existsSync(`${store.realPath(pathOf("a"))}.lock`), false);
});

test("verification tells what is missing and what was changed", async () => {
  await addObject("a");
  await addObject("b");
  await removeTree(store.realPath(pathOf("a")));
  await removeTree(store.realPath(pathOf("b")));
  writeFileSync(store.realPath(pathOf("b")), "changed");
  const { checked, faults } = await store.verify({ checkContents: true, signal });
  assert.equal(checked, 2);
  assert.deepEqual(
    faults.map(({ kind }) => kind),
    ["missing", "modified"],
  );
});

test("two processes may add the same at the same time", async () => {
  const other = await LocalStore.open(root);
  try {
    await Promise.all(["a", "b", "a", "b"].map(async (letter) => await addObject(letter)));
    assert.equal(other.isValid(pathOf("a")), true);
    assert.equal(other.isValid(pathOf("b")), true);
  } finally {
    await other.close();
  }
});

test("texts and trees get Nix's paths", async () => {
  const text = await store.addText("x", Buffer.from("hello"), [], signal);
  assert.equal(text.render("/nix/store"), "/nix/store/4g4g9i669dl63abpww0djbl2jxl6bwiz-x");
  mkdirSync(`${root}/tree`);
  writeFileSync(`${root}/tree/a`, "1");
  writeFileSync(`${root}/tree/b`, "2");
  const all = await store.addPath("tree", `${root}/tree`, signal);
  const some = await store.addPath("tree", `${root}/tree`, signal, (path) => path !== "b");
  assert.notEqual(all.baseName, some.baseName);
  assert.deepEqual(await namesIn(store.realPath(some)), ["a"]);
});
