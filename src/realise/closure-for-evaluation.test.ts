/** `fetchClosure` against a cache over HTTP: what becomes valid, and what a kept result depends on. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  fileOf,
  inputAddressed,
  serveDirectory,
  textObject,
  writeBinaryCache,
} from "../../test/support/binary-cache.ts";
import { LocalStore } from "../store/local-store.ts";
import { removeTree } from "../system/files.ts";
import { evaluate, type EvaluationRequest } from "./evaluate.ts";
import { storeServices } from "./store-services.ts";

const directory = mkdtempSync(join(tmpdir(), "pristine-closure-"));
const leaf = textObject("leaf", "leaf\n");
const top = textObject("top", `${leaf.info.path.render("/nix/store")}\n`, [leaf.info.path]);
const plain = inputAddressed(`${"1".repeat(32)}-plain`, fileOf("plain\n"));
writeBinaryCache(join(directory, "cache"), [leaf, top, plain], { compression: "zstd" });
const server = await serveDirectory(join(directory, "cache"));
const root = join(directory, "root");
const store = await LocalStore.open(root);
after(async () => {
  await server.close();
  await store.close();
  await removeTree(root);
  await removeTree(join(directory, "other"));
  rmSync(directory, { recursive: true, force: true });
});

const full = ({ info }: typeof leaf): string => info.path.render("/nix/store");
const closure = (attributes: string): string => `builtins.fetchClosure { fromStore = "${server.url}"; ${attributes} }`;

async function value(
  expression: string,
  request: Partial<EvaluationRequest> = {},
  into: LocalStore = store,
): Promise<string> {
  const env = { HOME: directory, XDG_CACHE_HOME: join(directory, "cache-home") };
  const result = await evaluate(
    { expression, baseDir: directory, output: "raw", env, storeRoot: root, readWrite: true, ...request },
    AbortSignal.timeout(60_000),
    storeServices(async () => into),
  );
  return result.text;
}

test("a closure becomes valid and can be read, and is not asked for again", async () => {
  const expression = `builtins.readFile (${closure(`fromPath = ${full(top)};`)})`;
  assert.equal(await value(expression), `${full(leaf)}\n`);
  assert.ok(store.isValid(leaf.info.path) && store.isValid(top.info.path));
  const asked = server.requests.length;
  assert.equal(await value(`${expression} + ""`), `${full(leaf)}\n`);
  assert.equal(server.requests.length, asked);
});

test("a result that is kept counts only while the closure is there", async () => {
  const expression = closure(`fromPath = ${full(top)};`);
  const request = { storeRoot: join(directory, "other") };
  for (const time of ["first", "second"]) {
    const other = await LocalStore.open(request.storeRoot);
    try {
      assert.equal(await value(expression, request, other), full(top));
      assert.ok(other.isValid(top.info.path), time);
    } finally {
      await other.close();
    }
    // Nothing keeps it now.
    const collecting = await LocalStore.open(request.storeRoot);
    await collecting.delete([top.info.path], AbortSignal.timeout(10_000));
    await collecting.close();
  }
});

test("pure evaluation may read what was fetched, and what that refers to", async () => {
  const fetched = closure(`fromPath = ${full(top)};`);
  const expression = `builtins.readFile "/\${builtins.substring 1 (${String(full(leaf).length)} - 1) (builtins.readFile (${fetched}))}"`;
  assert.equal(await value(expression, { pure: true }), "leaf\n");
});

test("what lacks a signature is refused, and nothing of it is kept", async () => {
  await assert.rejects(value(closure(`fromPath = ${full(plain)}; inputAddressed = true;`)), {
    code: "EVAL_WORLD",
    message: /lacks a signature by a trusted key/,
  });
  assert.ok(!store.isValid(plain.info.path));
});

test("without a store to write to, fetchClosure says so", async () => {
  const env = { HOME: directory, XDG_CACHE_HOME: join(directory, "cache-home") };
  const request = { expression: closure(`fromPath = ${full(top)};`), baseDir: directory, output: "raw", env } as const;
  await assert.rejects(evaluate(request, AbortSignal.timeout(60_000)), { message: /no store is at hand/ });
});
