/** The tree of a commit, with its submodules if they are wanted, as files in the cache. */

import { textOfByteString } from "../../base/byte-string.ts";
import { Hash } from "../../format/hash.ts";
import { type InputAttribute, type InputAttrs } from "../../format/input/attributes.ts";
import { inputOfAttributes } from "../../format/input/input.ts";
import { TREE_LIMITS } from "../unpack.ts";
import { TreeBuilder } from "../../system/tree-builder.ts";
import type { CachedTree } from "../fetch-cache.ts";
import type { FetchContext, InputTree } from "../fetch-context.ts";
import { addDiskTree } from "./add-disk-tree.ts";
import type { GitRepository, GitTreeEntry } from "./git-repository.ts";

export interface CommitOptions {
  readonly exportIgnore: boolean;
  readonly submodules: boolean;
  /** What a submodule's branch `.` stands for. */
  readonly ref: string;
}

type FetchSubmodule = (context: FetchContext, input: InputAttrs) => Promise<InputTree>;

export async function commitTree(
  context: FetchContext,
  repository: GitRepository,
  rev: string,
  options: CommitOptions,
  fetchSubmodule: FetchSubmodule,
): Promise<CachedTree> {
  const { cache, signal } = context;
  const key = `git-tree ${rev}${options.submodules ? ";s" : ""}${options.exportIgnore ? ";e" : ""}`;
  const known = (await cache.find(key))?.entry["narHash"];
  const narHash = typeof known === "string" ? Hash.parse(known) : undefined;
  const before = narHash?.ok === true ? await cache.tree(narHash.value) : undefined;
  if (before !== undefined) return before;
  const work = await cache.workDirectory();
  try {
    const builder = new TreeBuilder(`${work}/tree`, TREE_LIMITS);
    await writeCommit({ context, repository, rev, options, fetchSubmodule, builder, work });
    builder.finish();
    const tree = await cache.addTree(`${work}/tree`, signal);
    await cache.save(key, { narHash: tree.narHash.toSri() });
    return tree;
  } finally {
    await cache.discard(work);
  }
}

interface Writing {
  readonly context: FetchContext;
  readonly repository: GitRepository;
  readonly rev: string;
  readonly options: CommitOptions;
  readonly fetchSubmodule: FetchSubmodule;
  readonly builder: TreeBuilder;
  readonly work: string;
}

async function writeCommit(writing: Writing): Promise<void> {
  const { repository, rev, options, builder, work } = writing;
  const all = await repository.tree(rev);
  const entries = options.exportIgnore ? await exported(repository, rev, all, work) : all;
  for (const { mode, path } of entries) {
    if (mode === "directory" || mode === "submodule") builder.directory(path.split("/"));
  }
  const blobs = entries.filter(({ mode }) => mode !== "directory" && mode !== "submodule");
  await repository.readBlobs(
    blobs.map(({ id }) => id),
    async (index, contents) => {
      writing.context.signal.throwIfAborted();
      const { mode, path } = blobs[index]!;
      if (mode === "symlink") builder.symlink(path.split("/"), await wholeText(contents));
      else await builder.file(path.split("/"), mode === "executable", contents);
    },
  );
  if (options.submodules) await writeSubmodules(writing, all);
}

/** Without what the commit's attributes leave out, and what is below it. */
async function exported(
  repository: GitRepository,
  rev: string,
  entries: readonly GitTreeEntry[],
  work: string,
): Promise<readonly GitTreeEntry[]> {
  const ignored = await repository.exportIgnored(
    rev,
    entries.map(({ path }) => path),
    work,
  );
  if (ignored.size === 0) return entries;
  return entries.filter(({ path }) => !isBelowAny(path, ignored));
}

export function isBelowAny(path: string, ignored: ReadonlySet<string>): boolean {
  for (let end = path.indexOf("/"); end >= 0; end = path.indexOf("/", end + 1)) {
    if (ignored.has(path.slice(0, end))) return true;
  }
  return ignored.has(path);
}

async function writeSubmodules(writing: Writing, entries: readonly GitTreeEntry[]): Promise<void> {
  const { context, repository, rev, options, fetchSubmodule, builder } = writing;
  if (!entries.some(({ path }) => path === ".gitmodules")) return;
  for (const { path, url, branch } of await repository.submodules({ blob: `${rev}:.gitmodules` })) {
    const entry = entries.find((one) => one.path === path && one.mode === "submodule");
    if (entry === undefined) continue;
    const attrs = new Map<string, InputAttribute>([
      ["type", "git"],
      ["url", await repository.submoduleUrl(url)],
      ["rev", entry.id],
      ["exportIgnore", options.exportIgnore],
      ["submodules", true],
      ["lfs", false],
      ["allRefs", true],
    ]);
    if (branch !== "") attrs.set("ref", branch === "." ? options.ref : branch);
    const { localPath } = await fetchSubmodule(context, inputOfAttributes(attrs));
    await addDiskTree(builder, path.split("/"), localPath, context.signal);
  }
}

async function wholeText(contents: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of contents) pieces.push(piece);
  return Buffer.concat(pieces).toString("latin1");
}

/** An ordinary path from segments of byte strings. */
export function ordinaryPath(root: string, path: string): string {
  return `${root}/${textOfByteString(path)}`;
}
