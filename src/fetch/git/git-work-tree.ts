/** The work tree of a repository as it is now: what git knows of, with the contents the files have. */

import { OperationError } from "../../base/errors.ts";
import { exists } from "../../system/files.ts";
import { diskTree } from "../../system/tree.ts";
import { TreeBuilder } from "../../system/tree-builder.ts";
import type { CachedTree } from "../fetch-cache.ts";
import type { FetchContext } from "../fetch-context.ts";
import { TREE_LIMITS } from "../unpack.ts";
import { addDiskFile } from "./add-disk-tree.ts";
import { isBelowAny, ordinaryPath } from "./git-commit-tree.ts";
import { GitRepository } from "./git-repository.ts";
import { Git } from "./git-program.ts";

export interface WorkTreeOptions {
  readonly exportIgnore: boolean;
  readonly submodules: boolean;
}

export interface WorkTreeSnapshot extends CachedTree {
  /** Whether anything in it is not as the last commit has it. */
  readonly isDirty: boolean;
}

/** Copies a work tree to the cache. */
export async function workTreeSnapshot(
  context: FetchContext,
  repository: GitRepository,
  options: WorkTreeOptions,
): Promise<WorkTreeSnapshot> {
  const { cache, signal } = context;
  const work = await cache.workDirectory();
  try {
    const builder = new TreeBuilder(`${work}/tree`, TREE_LIMITS);
    const isDirty = await addWorkTree({ context, builder, options, work }, repository, []);
    builder.finish();
    return { ...(await cache.addTree(`${work}/tree`, signal)), isDirty };
  } finally {
    await cache.discard(work);
  }
}

interface Copying {
  readonly context: FetchContext;
  readonly builder: TreeBuilder;
  readonly options: WorkTreeOptions;
  readonly work: string;
}

async function addWorkTree(copying: Copying, repository: GitRepository, prefix: readonly string[]): Promise<boolean> {
  const { context, builder, options, work } = copying;
  const { files, isDirty } = await repository.workTree();
  const directories = new Set(files.flatMap((file) => parentsOf(file)));
  const ignored = options.exportIgnore
    ? await repository.exportIgnored(undefined, [...directories, ...files], work)
    : new Set<string>();
  const tree = diskTree(repository.path);
  // A directory is there for what git has in it, also when nothing of that is left.
  for (const directory of directories) {
    if (!isBelowAny(directory, ignored)) builder.directory([...prefix, ...directory.split("/")]);
  }
  for (const file of files) {
    context.signal.throwIfAborted();
    if (!isBelowAny(file, ignored)) await addDiskFile(builder, [...prefix, ...file.split("/")], tree, file);
  }
  if (!options.submodules) return isDirty;
  return (await addSubmodules(copying, repository, prefix)) || isDirty;
}

/** Adds the work trees of the submodules; says whether one of them is dirty. */
async function addSubmodules(copying: Copying, repository: GitRepository, prefix: readonly string[]): Promise<boolean> {
  const { context } = copying;
  const file = `${repository.path}/.gitmodules`;
  if (!(await exists(file))) return false;
  let isDirty = false;
  for (const { path } of await repository.submodules({ file })) {
    const at = ordinaryPath(repository.path, path);
    if (!(await exists(`${at}/.git`))) {
      throw new OperationError("FETCH_FAILED", `the submodule '${at}' is not checked out`);
    }
    const submodule = new GitRepository(new Git(context.env, context.signal), at, { isBare: false });
    isDirty = (await addWorkTree(copying, submodule, [...prefix, ...path.split("/")])) || isDirty;
  }
  return isDirty;
}

function parentsOf(path: string): string[] {
  const parents: string[] = [];
  for (let end = path.indexOf("/"); end >= 0; end = path.indexOf("/", end + 1)) parents.push(path.slice(0, end));
  return parents;
}
