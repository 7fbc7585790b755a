/** Inputs of type `git`: a commit of a repository anywhere, or the work tree of one on this machine as it is now. */

import { isAbsolute, resolve } from "node:path";
import { textOfByteString } from "../../base/byte-string.ts";
import { OperationError } from "../../base/errors.ts";
import {
  booleanAttribute,
  type InputAttribute,
  type InputAttrs,
  parseRevision,
  requiredText,
  textAttribute,
} from "../../format/input/attributes.ts";
import { parseUrl, pathOfSegments, renderUrl, type Url } from "../../format/input/url.ts";
import { exists } from "../../system/files.ts";
import type { FetchContext, InputTree } from "../fetch-context.ts";
import { fetchClone } from "./git-clone.ts";
import { Git } from "./git-program.ts";
import { GitRepository } from "./git-repository.ts";
import { verifyCommit } from "./verify-commit.ts";
import { commitTree } from "./git-commit-tree.ts";
import { workTreeSnapshot } from "./git-work-tree.ts";

const NULL_REVISION = "0".repeat(40);
const SHORT_REVISION_CHARS = 7;

/** Where a repository is: a work tree of this machine, or an address to be cloned from. */
type GitLocation = { readonly path: string } | { readonly url: Url };

export async function fetchGit(context: FetchContext, input: InputAttrs): Promise<InputTree> {
  refuseUnsupported(input);
  const location = await locate(context, input);
  if ("path" in location && !input.has("ref") && !input.has("rev")) {
    return await fetchWorkTree(context, input, location.path);
  }
  return await fetchCommit(context, input, location);
}

function refuseUnsupported(input: InputAttrs): void {
  const rev = textAttribute(input, "rev");
  if (rev !== undefined) {
    const hash = parseRevision(rev);
    if (hash.algorithm !== "sha1" && hash.algorithm !== "sha256") {
      const shown = hash.render("base16");
      throw failure(`Hash '${shown}' is not supported by Git. Supported types are sha1 and sha256.`);
    }
  }
  if (flag(input, "exportIgnore") && flag(input, "submodules")) {
    throw failure("exportIgnore and submodules are not supported together yet");
  }
  if (flag(input, "lfs")) {
    throw new OperationError("FETCH_UNSUPPORTED", "files that Git LFS keeps elsewhere cannot be fetched (lfs = true)");
  }
}

async function locate(context: FetchContext, input: InputAttrs): Promise<GitLocation> {
  const url = parseUrl(requiredText(input, "url"));
  const query = new Map(url.query);
  // Old lock files have the directory of a flake in the address; servers do not know it.
  query.delete("dir");
  if (url.scheme !== "file") return { url: { ...url, query } };
  const path = textOfByteString(pathOfSegments(url.path));
  const isRepositoryItself = (await exists(path)) && !(await exists(`${path}/.git`));
  if (context.env["_NIX_FORCE_HTTP"] === "1" || isRepositoryItself) return { url: { ...url, query: new Map() } };
  if (!isAbsolute(path)) {
    context.warn(
      `Fetching Git repository '${textOfByteString(renderUrl(url))}', which uses a path relative to the current directory. This is not supported and will stop working in a future release. See https://github.com/NixOS/nix/issues/12281 for details.`,
    );
  }
  return { path: resolve(context.baseDir, path) };
}

async function fetchCommit(context: FetchContext, input: InputAttrs, location: GitLocation): Promise<InputTree> {
  const git = new Git(context.env, context.signal);
  const shown = "path" in location ? location.path : textOfByteString(renderUrl(location.url));
  const found =
    "path" in location
      ? await localCommit(context, git, input, location.path)
      : await fetchClone(context, git, input, location.url);
  const { repository, ref, rev } = found;
  const isShallowAllowed = flag(input, "shallow");
  if (!isShallowAllowed && (await repository.isShallow())) {
    throw failure(
      `'${shown}' is a shallow Git repository, but shallow repositories are only allowed when \`shallow = true;\` is specified`,
    );
  }
  await verifyCommit(context, repository, input, rev);
  const attrs = new Map<string, InputAttribute>(input).set("ref", ref).set("rev", rev);
  attrs.set("lastModified", await commitTime(context, repository, rev));
  if (!isShallowAllowed) attrs.set("revCount", await revisionCount(context, repository, rev));
  const options = { exportIgnore: flag(input, "exportIgnore"), submodules: flag(input, "submodules"), ref };
  return { ...(await commitTree(context, repository, rev, options, fetchSubmodule)), attrs };
}

async function localCommit(
  context: FetchContext,
  git: Git,
  input: InputAttrs,
  path: string,
): Promise<{ readonly repository: GitRepository; readonly ref: string; readonly rev: string }> {
  const repository = new GitRepository(git, path, { isBare: false });
  await repository.check();
  let ref = textAttribute(input, "ref") ?? (await repository.headReference());
  if (ref === undefined) {
    context.warn(`could not read HEAD ref from repo at '${path}', using 'master'`);
    ref = "master";
  }
  const given = textAttribute(input, "rev");
  return {
    repository,
    ref,
    rev: given === undefined ? await repository.resolve(ref) : parseRevision(given).toBase16(),
  };
}

/** A submodule of a commit is an input of its own. */
async function fetchSubmodule(context: FetchContext, attrs: InputAttrs): Promise<InputTree> {
  return await fetchGit(context, attrs);
}

async function fetchWorkTree(context: FetchContext, input: InputAttrs, path: string): Promise<InputTree> {
  const { settings, warn } = context;
  const repository = new GitRepository(new Git(context.env, context.signal), path, { isBare: false });
  await repository.check();
  const options = { exportIgnore: flag(input, "exportIgnore"), submodules: flag(input, "submodules") };
  const { localPath, narHash, isDirty } = await workTreeSnapshot(context, repository, options);
  const head = await repository.find("HEAD^{commit}");
  await verifyCommit(context, repository, input, isDirty ? undefined : head);
  const attrs = new Map<string, InputAttribute>(input);
  if (isDirty) {
    if (!settings.allowDirty) throw failure(`Git tree '${path}' is dirty`);
    if (settings.warnDirty) warn(`Git tree '${path}' is dirty`);
    if (head !== undefined) {
      attrs.set("dirtyRev", `${head}-dirty`).set("dirtyShortRev", `${head.slice(0, SHORT_REVISION_CHARS)}-dirty`);
    }
  } else {
    const ref = await repository.headReference();
    if (ref !== undefined) attrs.set("ref", ref);
    attrs.set("rev", head ?? NULL_REVISION);
    if (!flag(input, "shallow")) {
      attrs.set("revCount", head === undefined ? 0 : await revisionCount(context, repository, head));
    }
  }
  attrs.set("lastModified", head === undefined ? 0 : await commitTime(context, repository, head));
  return { localPath, narHash, attrs };
}

/** What a commit says never changes: it is remembered. */
async function commitTime({ cache }: FetchContext, repository: GitRepository, rev: string): Promise<number> {
  return await cache.remembered(`git-last-modified ${rev}`, () => repository.commitTime(rev));
}

async function revisionCount({ cache }: FetchContext, repository: GitRepository, rev: string): Promise<number> {
  return await cache.remembered(`git-revision-count ${rev}`, () => repository.revisionCount(rev));
}

function flag(input: InputAttrs, name: string): boolean {
  return booleanAttribute(input, name) ?? false;
}

function failure(text: string): OperationError {
  return new OperationError("FETCH_FAILED", text);
}
