/** Which files an evaluation has read, and a copy of them that another evaluation reads in their place. */

import { dirname, join, relative } from "node:path";
import type { EvaluationRead } from "../../realise/cache/world-reads.ts";
import {
  ensureDirectory,
  linkTarget,
  namesIn,
  readBytes,
  replaceSymlink,
  statusOf,
  writeFileAtomic,
} from "../../system/files.ts";

/** What was asked about a path: what it holds, what is in it, or only whether it is there. */
export type Asked = "all" | "contents" | "names" | "presence";

/** The paths that an evaluation asked about and found something at, each with what it asked. */
export function pathsAsked(reads: readonly EvaluationRead[]): ReadonlyMap<string, ReadonlySet<Asked>> {
  const found = new Map<string, Set<Asked>>();
  const note = (bytes: string, asked: Asked): void => {
    const path = Buffer.from(bytes, "latin1").toString();
    const known = found.get(path);
    if (known === undefined) found.set(path, new Set([asked]));
    else known.add(asked);
  };
  for (const read of reads) {
    if (read.kind === "tree") {
      note(read.path, read.included === undefined ? "all" : "presence");
      for (const below of read.included ?? []) note(below === "" ? read.path : `${read.path}/${below}`, "contents");
    } else if (read.kind === "node") {
      const { self, kind, contents, listing } = read.answers;
      if (contents !== undefined) note(read.path, "contents");
      else if (listing !== undefined) note(read.path, "names");
      else if ((self ?? kind ?? "") !== "") note(read.path, "presence");
    }
  }
  return found;
}

export function isBelow(path: string, directory: string): boolean {
  const way = relative(directory, path);
  return way !== ".." && !way.startsWith("../");
}

/**
 * Copies what was asked about below a directory. A file that was only asked for is there and empty: it may hold a key
 * that is nobody else's business.
 */
export async function copyAsked(
  asked: ReadonlyMap<string, ReadonlySet<Asked>>,
  { from, to }: { readonly from: string; readonly to: string },
): Promise<void> {
  for (const [path, questions] of asked) {
    const target = join(to, relative(from, path));
    if (questions.has("all")) await copyTree(path, target);
    else if (questions.has("contents")) await copyEntry(path, target);
    else if (questions.has("names")) {
      await ensureDirectory(target);
      for (const name of await namesIn(path)) await markEntry(join(path, name), join(target, name));
    } else await markEntry(path, target);
  }
}

export async function copyTree(path: string, target: string): Promise<void> {
  await copyEntry(path, target);
  if ((await statusOf(path))?.kind !== "directory") return;
  for (const name of await namesIn(path)) await copyTree(join(path, name), join(target, name));
}

/** A file with its contents, a link as it is, or a directory without what is in it. */
async function copyEntry(path: string, target: string): Promise<void> {
  const status = await statusOf(path);
  if (status?.kind !== "file") {
    await markEntry(path, target);
    return;
  }
  await ensureDirectory(dirname(target));
  const mode = (status.mode & 0o100) === 0 ? 0o644 : 0o755;
  await writeFileAtomic(target, await readBytes(path), { mode, durable: false });
}

/** Something of the same kind, unless something is there. */
async function markEntry(path: string, target: string): Promise<void> {
  if ((await statusOf(target)) !== undefined) return;
  const status = await statusOf(path);
  await ensureDirectory(dirname(target));
  if (status?.kind === "directory") await ensureDirectory(target);
  else if (status?.kind === "symlink") await replaceSymlink((await linkTarget(path)) ?? "", target, { durable: false });
  else if (status?.kind === "file") await writeFileAtomic(target, "", { durable: false });
}
