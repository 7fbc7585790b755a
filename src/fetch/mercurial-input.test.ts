/** Mercurial's repositories: fetched once, remembered, and taken as they are when they were changed. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { unmetNeed } from "../../test/support/needs.ts";
import type { InputAttribute } from "../format/input/attributes.ts";
import { Fetcher } from "./fetcher.ts";

const skip = unmetNeed("hg");
const directory = mkdtempSync(join(tmpdir(), "pristine-mercurial-"));
after(() => rmSync(directory, { recursive: true, force: true }));
const repository = join(directory, "repository");
const env = { PATH: process.env["PATH"] ?? "", HOME: directory, XDG_CACHE_HOME: join(directory, "cache") };

function hg(...args: string[]): string {
  const argv = ["-R", repository, "--config", "ui.username=a", ...args];
  return execFileSync("hg", argv, { env: { ...env, HGPLAIN: "" }, encoding: "utf8", cwd: repository });
}

async function fetched(attrs: Readonly<Record<string, InputAttribute>>): ReturnType<Fetcher["tree"]> {
  const fetcher = new Fetcher({ storeDir: "/nix/store", env, baseDir: directory });
  const input = new Map<string, InputAttribute>([
    ["type", "hg"],
    ["url", `file://${repository}`],
    ...Object.entries(attrs),
  ]);
  return await fetcher.tree(input, AbortSignal.timeout(60_000));
}

test("a revision is fetched once, and read without its repository", { skip }, async () => {
  mkdirSync(repository);
  hg("init", repository);
  writeFileSync(join(repository, "file"), "one\n");
  hg("commit", "--addremove", "-m", "first", "-d", "1600000000 0");
  const rev = hg("log", "-r", ".", "--template", "{node}");
  const first = await fetched({ rev });
  assert.deepEqual([first.attrs.get("rev"), first.attrs.get("ref"), first.attrs.get("revCount")], [rev, "default", 0]);
  assert.deepEqual(readdirSync(first.localPath!), ["file"]);
  renameSync(repository, `${repository}-away`);
  try {
    assert.deepEqual(await fetched({ rev }), first);
    // What is not locked was asked for a short while ago, but never by this name.
    await assert.rejects(fetched({ ref: "other" }), { code: "FETCH_FAILED", message: /hg pull failed/ });
  } finally {
    renameSync(`${repository}-away`, repository);
  }
});

test("a tree that was changed is taken as it is, with a warning", { skip }, async () => {
  writeFileSync(join(repository, "file"), "changed\n");
  writeFileSync(join(repository, "untracked"), "untracked\n");
  const { localPath, warnings, attrs } = await fetched({});
  assert.equal(readFileSync(join(localPath!, "file"), "utf8"), "changed\n");
  assert.deepEqual(readdirSync(localPath!), ["file"]);
  assert.deepEqual(warnings, [`Mercurial tree "${repository}" is unclean`]);
  assert.equal(attrs.has("rev"), false);
});

test("without hg, the error says what to install", async () => {
  const fetcher = new Fetcher({ storeDir: "/nix/store", env: { ...env, PATH: "/nowhere" }, baseDir: directory });
  const input = new Map([
    ["type", "hg"],
    ["url", "https://example.org/x"],
  ]);
  await assert.rejects(fetcher.tree(input, AbortSignal.timeout(60_000)), { code: "PROGRAM_MISSING" });
});
