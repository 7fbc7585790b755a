/** Inputs of type `hg`: a revision of a Mercurial repository, or the work tree of one on this machine. `hg` is run. */

import { resolve } from "node:path";
import { textOfByteString } from "../base/byte-string.ts";
import { OperationError } from "../base/errors.ts";
import { Hash } from "../format/hash.ts";
import {
  type InputAttribute,
  type InputAttrs,
  parseRevision,
  requiredText,
  textAttribute,
} from "../format/input/attributes.ts";
import { parseUrl, pathOfSegments } from "../format/input/url.ts";
import { exists, removeFile } from "../system/files.ts";
import { findProgram, run, succeeded } from "../system/process.ts";
import { diskTree } from "../system/tree.ts";
import { TreeBuilder } from "../system/tree-builder.ts";
import type { CachedTree } from "./fetch-cache.ts";
import type { FetchContext, InputTree } from "./fetch-context.ts";
import { addDiskFile } from "./git/add-disk-tree.ts";
import { TREE_LIMITS } from "./unpack.ts";

const OUTPUT_BYTES_MAX = 256 * 1024 * 1024;
/** What an archive says of itself. */
const ARCHIVE_NOTE = ".hg_archival.txt";

export async function fetchMercurial(context: FetchContext, input: InputAttrs): Promise<InputTree> {
  const rev = textAttribute(input, "rev");
  if (rev !== undefined) {
    const hash = parseRevision(rev);
    if (hash.algorithm !== "sha1") {
      throw failure(`Hash '${hash.render("base16")}' is not supported by Mercurial. Only sha1 is supported.`);
    }
  }
  const hg = await Mercurial.open(context);
  const url = parseUrl(requiredText(input, "url"));
  const path = url.scheme === "file" ? resolve(context.baseDir, textOfByteString(pathOfSegments(url.path))) : undefined;
  const isLocked = input.has("ref") || rev !== undefined;
  if (path !== undefined && !isLocked && (await exists(`${path}/.hg`))) {
    const changes = await hg.output(["status", "-R", path, "--modified", "--added", "--removed"]);
    if (changes.length > 0) return await workTree(context, hg, input, path);
  }
  return await revision(context, hg, input, path ?? textOfByteString(requiredText(input, "url")));
}

/** All files that Mercurial tracks, as they are now. */
async function workTree(context: FetchContext, hg: Mercurial, input: InputAttrs, path: string): Promise<InputTree> {
  const { cache, settings, signal, warn } = context;
  if (!settings.allowDirty) throw failure(`Mercurial tree "${path}" is unclean`);
  if (settings.warnDirty) warn(`Mercurial tree "${path}" is unclean`);
  const branch = (await hg.output(["branch", "-R", path])).toString("latin1").trimEnd();
  const kinds = ["--clean", "--modified", "--added", "--no-status", "--print0"];
  const listed = (await hg.output(["status", "-R", path, ...kinds])).toString("latin1");
  const files = listed.split("\0").filter((file) => file !== "");
  const work = await cache.workDirectory();
  try {
    const builder = new TreeBuilder(`${work}/tree`, TREE_LIMITS);
    const tree = diskTree(path);
    builder.directory([]);
    for (const file of files) {
      const parts = file.split("/");
      for (let depth = 1; depth < parts.length; depth++) builder.directory(parts.slice(0, depth));
      await addDiskFile(builder, parts, tree, file);
    }
    builder.finish();
    const added = await cache.addTree(`${work}/tree`, signal);
    return { ...added, attrs: new Map<string, InputAttribute>(input).set("ref", branch) };
  } finally {
    await cache.discard(work);
  }
}

interface Revision {
  readonly rev: string;
  readonly revCount: number;
  readonly branch: string;
}

/** A revision, from a clone in the cache. */
async function revision(context: FetchContext, hg: Mercurial, input: InputAttrs, source: string): Promise<InputTree> {
  const { cache, signal } = context;
  const ref = textAttribute(input, "ref") ?? "default";
  const given = textAttribute(input, "rev");
  const refKey = `hg ref ${source} ${ref}`;
  using _lock = await cache.lock(`hg ${source}`, signal);
  const wanted = given === undefined ? await currentRevision(context, refKey) : parseRevision(given).toBase16();
  const known = wanted === undefined ? undefined : await knownRevision(context, source, wanted);
  if (known !== undefined)
    return known.tree === undefined ? await archived(known.revision) : result(known.revision, known.tree);
  const clone = cache.repositoryPath("hg", source);
  await update(hg, { clone, source, wanted });
  const told = await hg.output(["log", "-R", clone, "-r", wanted ?? ref, "--template", "{node} {rev} {branch}"]);
  const [rev = "", count = "", ...branch] = told.toString("latin1").split(" ");
  const found = { rev, revCount: Number(count), branch: branch.join(" ") };
  if (given === undefined) await cache.save(refKey, { rev });
  return await archived(found);

  async function archived(made: Revision): Promise<InputTree> {
    const tree = await archive(context, hg, cache.repositoryPath("hg", source), made.rev);
    const { revCount, branch: name } = made;
    await cache.save(`hg rev ${source} ${made.rev}`, { revCount, branch: name, narHash: tree.narHash.toSri() });
    return result(made, tree);
  }

  function result({ rev: id, revCount, branch: name }: Revision, tree: CachedTree): InputTree {
    const attrs = new Map<string, InputAttribute>(input).set("rev", id).set("ref", name).set("revCount", revCount);
    return { ...tree, attrs };
  }
}

/** What a branch led to a short while ago. */
async function currentRevision({ cache }: FetchContext, key: string): Promise<string | undefined> {
  const found = await cache.find(key);
  const rev = found?.entry["rev"];
  return found?.isExpired === false && typeof rev === "string" ? rev : undefined;
}

/** What is known of a revision, which never changes; its tree may have been deleted since. */
async function knownRevision(
  { cache }: FetchContext,
  source: string,
  rev: string,
): Promise<{ readonly revision: Revision; readonly tree: CachedTree | undefined } | undefined> {
  const { revCount, branch, narHash } = (await cache.find(`hg rev ${source} ${rev}`))?.entry ?? {};
  if (typeof revCount !== "number" || typeof branch !== "string" || typeof narHash !== "string") return undefined;
  const hash = Hash.parse(narHash);
  const tree = hash.ok ? await cache.tree(hash.value) : undefined;
  // Without its clone, a revision is fetched anew.
  if (tree === undefined && !(await exists(cache.repositoryPath("hg", source)))) return undefined;
  return { revision: { rev, revCount, branch }, tree };
}

/** Makes sure that the clone has what is wanted. */
async function update(
  hg: Mercurial,
  { clone, source, wanted }: { readonly clone: string; readonly source: string; readonly wanted: string | undefined },
): Promise<void> {
  if (!(await exists(clone))) return void (await hg.output(["clone", "--noupdate", "--", source, clone]));
  if (wanted !== undefined && (await hg.succeeds(["log", "-R", clone, "-r", wanted, "--template", "1"]))) return;
  const pull = ["pull", "-R", clone, "--", source];
  if (await hg.succeeds(pull)) return;
  // An interruption left half a transaction.
  if (await exists(`${clone}/.hg/store/journal`)) await hg.output(["recover", "-R", clone]);
  await hg.output(pull);
}

async function archive(context: FetchContext, hg: Mercurial, clone: string, rev: string): Promise<CachedTree> {
  const { cache, signal } = context;
  const work = await cache.workDirectory();
  try {
    await hg.output(["archive", "-R", clone, "-r", rev, `${work}/tree`]);
    await removeFile(`${work}/tree/${ARCHIVE_NOTE}`);
    return await cache.addTree(`${work}/tree`, signal);
  } finally {
    await cache.discard(work);
  }
}

/** Runs `hg`: nothing is asked on the terminal, and output is as programs expect it. */
class Mercurial {
  readonly #program: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #signal: AbortSignal;

  private constructor(program: string, env: Readonly<Record<string, string>>, signal: AbortSignal) {
    this.#program = program;
    this.#env = env;
    this.#signal = signal;
  }

  static async open({ env, signal }: FetchContext): Promise<Mercurial> {
    const program = await findProgram("hg", env["PATH"] ?? process.env["PATH"] ?? "");
    if (program === undefined) {
      throw new OperationError("PROGRAM_MISSING", "the program 'hg' was not found", {
        hint: "install it: apt-get install mercurial",
      });
    }
    const kept = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
    return new Mercurial(program, { ...Object.fromEntries(kept), HGPLAIN: "", LC_ALL: "C.UTF-8" }, signal);
  }

  async succeeds(args: readonly string[]): Promise<boolean> {
    return succeeded(await this.#run(args));
  }

  async output(args: readonly string[]): Promise<Buffer> {
    const outcome = await this.#run(args);
    if (succeeded(outcome)) return outcome.stdout;
    const said = outcome.stderr.toString("utf8").trim().split("\n");
    const reason = said.find((line) => line.startsWith("abort:")) ?? said.at(-1) ?? "";
    throw failure(`hg ${args[0]!} failed: ${reason}`);
  }

  async #run(args: readonly string[]): ReturnType<typeof run> {
    const argv = [this.#program, "--noninteractive", ...args];
    return await run(argv, { env: this.#env, signal: this.#signal, outputSizeMax: OUTPUT_BYTES_MAX });
  }
}

function failure(text: string): OperationError {
  return new OperationError("FETCH_FAILED", text);
}
