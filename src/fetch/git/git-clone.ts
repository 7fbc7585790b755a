/** Clones: bare repositories in the cache that hold what was fetched from an address so far. */

import { textOfByteString } from "../../base/byte-string.ts";
import { OperationError } from "../../base/errors.ts";
import { booleanAttribute, type InputAttrs, parseRevision, textAttribute } from "../../format/input/attributes.ts";
import { renderUrl, type Url } from "../../format/input/url.ts";
import { ensureDirectory, exists } from "../../system/files.ts";
import type { FetchContext } from "../fetch-context.ts";
import type { Git } from "./git-program.ts";
import { GitRepository } from "./git-repository.ts";

export interface FetchedCommit {
  readonly repository: GitRepository;
  readonly ref: string;
  readonly rev: string;
}

/** Makes sure that a clone has the commit an input asks for. */
export async function fetchClone(context: FetchContext, git: Git, input: InputAttrs, url: Url): Promise<FetchedCommit> {
  const clone = new Clone(context, git, renderUrl(url), booleanAttribute(input, "shallow") ?? false);
  using _lock = await context.cache.lock(clone.key, context.signal);
  await clone.prepare();
  const given = textAttribute(input, "rev");
  const wanted = given === undefined ? undefined : parseRevision(given).toBase16();
  const named = textAttribute(input, "ref");
  const ref = named ?? (await clone.defaultReference());
  if (wanted !== undefined) {
    await clone.fetchRevision(wanted, booleanAttribute(input, "allRefs") ?? false, ref);
    return { repository: clone.repository, ref, rev: wanted };
  }
  await clone.fetchReference(ref, {
    allRefs: booleanAttribute(input, "allRefs") ?? false,
    isDefault: named === undefined,
  });
  return { repository: clone.repository, ref, rev: await clone.repository.resolve(ref) };
}

class Clone {
  readonly key: string;
  readonly repository: GitRepository;
  readonly #context: FetchContext;
  readonly #git: Git;
  readonly #shown: string;
  readonly #shallow: boolean;
  readonly #path: string;

  constructor(context: FetchContext, git: Git, url: string, shallow: boolean) {
    this.key = `git ${shallow ? "shallow " : ""}${url}`;
    this.#context = context;
    this.#git = git;
    this.#shown = textOfByteString(url);
    this.#shallow = shallow;
    this.#path = context.cache.repositoryPath("git", this.key);
    this.repository = new GitRepository(git, this.#path, { isBare: true });
  }

  /** Makes the bare repository if there is none. */
  async prepare(): Promise<void> {
    if (!(await exists(`${this.#path}/HEAD`))) {
      await ensureDirectory(this.#path, 0o755);
      await this.#git.output("creating a Git repository", ["init", "--quiet", "--bare", this.#path]);
    }
    // The addresses of submodules may be relative to it.
    const set = ["--git-dir", this.#path, "config", "remote.origin.url", this.#shown];
    await this.#git.output(`setting remote 'origin' URL to '${this.#shown}'`, set);
  }

  /** The branch the server has checked out, asked for anew when it was long ago. */
  async defaultReference(): Promise<string> {
    const { cache, warn } = this.#context;
    const known = await cache.find(`${this.key} HEAD`);
    const before = known?.entry["ref"];
    if (typeof before === "string" && known?.isExpired === false) return before;
    const asked = await this.#git.run(["ls-remote", "--symref", "--", this.#shown, "HEAD"]);
    const found = asked.ok ? /^(?:ref: )?(\S+)\s+HEAD/.exec(asked.stdout.toString("latin1"))?.[1] : undefined;
    if (found !== undefined) return found;
    if (typeof before === "string") {
      warn(`could not get HEAD ref for repository '${this.#shown}'; using expired cached ref '${before}'`);
      return before;
    }
    warn(`could not read HEAD ref from repo at '${this.#shown}', using 'master'`);
    return "master";
  }

  /** Fetches a commit, unless it is there; a commit never changes. */
  async fetchRevision(rev: string, allRefs: boolean, ref: string): Promise<void> {
    if (!(await this.repository.hasObject(rev))) await this.#fetch(allRefs ? "refs/*:refs/*" : rev);
    if (await this.repository.hasObject(rev)) return;
    throw new OperationError(
      "FETCH_FAILED",
      `Cannot find Git revision '${rev}' in ref '${textOfByteString(ref)}' of repository '${this.#shown}'! Please make sure that the rev exists on the ref you've specified or add allRefs = true; to fetchGit.`,
    );
  }

  /** Fetches a branch or tag, unless that was done a short while ago. */
  async fetchReference(
    ref: string,
    options: { readonly allRefs: boolean; readonly isDefault: boolean },
  ): Promise<void> {
    const { cache, warn, signal } = this.#context;
    const whole = ref.startsWith("refs/") ? ref : ref === "HEAD" ? "HEAD" : `refs/heads/${ref}`;
    const key = `${this.key} ${whole}`;
    const isThere = (await this.repository.find(`${whole}^{commit}`)) !== undefined;
    const known = await cache.find(key);
    if (!options.allRefs && isThere && known?.isExpired === false) return;
    try {
      await this.#fetch(options.allRefs ? "refs/*:refs/*" : `${whole}:${whole}`);
    } catch (error) {
      signal.throwIfAborted();
      if (!isThere || !(error instanceof OperationError)) throw error;
      warn(`${error.message}`);
      warn(`could not update local clone of Git repository '${this.#shown}'; continuing with the most recent version`);
    }
    await cache.save(key, { ref });
    if (options.isDefault) await cache.save(`${this.key} HEAD`, { ref });
  }

  async #fetch(refspec: string): Promise<void> {
    const depth = this.#shallow ? ["--depth", "1"] : [];
    const args = ["--git-dir", this.#path, "fetch", "--quiet", "--force", ...depth, "--", this.#shown];
    const { ok, said } = await this.#git.run([...args, textOfByteString(refspec)]);
    if (ok) return;
    throw new OperationError("FETCH_FAILED", `Failed to fetch git repository '${this.#shown}': ${said}`);
  }
}
