/** Inputs of types `file` and `tarball`, and what `fetchurl` and `fetchTarball` want: downloads, kept by address. */

import { textOfByteString } from "../base/byte-string.ts";
import { OperationError } from "../base/errors.ts";
import { Hash } from "../format/hash.ts";
import { type InputAttribute, type InputAttrs, requiredText, textAttribute } from "../format/input/attributes.ts";
import { inputOfUrl } from "../format/input/input.ts";
import { parseUrl, pathOfSegments, renderUrl } from "../format/input/url.ts";
import { exists, isDirectory } from "../system/files.ts";
import type { CachedTree, FoundEntry, IndexEntry } from "./fetch-cache.ts";
import type { FetchContext, InputTree } from "./fetch-context.ts";
import { transfer } from "./transfer.ts";
import { unpackArchive } from "./unpack.ts";

export interface DownloadedTree extends CachedTree {
  readonly lastModified: number;
  readonly immutableUrl: string | undefined;
}

export interface DownloadOptions {
  readonly headers?: Readonly<Record<string, string>>;
}

/** The file under a URL; when the server cannot be asked, what it gave last. */
export async function downloadFile(
  context: FetchContext,
  url: string,
  options: DownloadOptions = {},
): Promise<CachedTree> {
  const { cache, settings, signal, warn } = context;
  const key = `file ${url}`;
  using _lock = await cache.lock(key, signal);
  const known = await knownTree(context, key);
  if (known !== undefined && !known.isExpired) return known.tree;
  const work = await cache.workDirectory();
  try {
    const file = `${work}/file`;
    const etag = textEntry(known?.entry, "etag");
    const answer = await transfer(url, { file, signal, settings, headers: options.headers, etag });
    const tree = answer.isNew || known === undefined ? await cache.addTree(file, signal) : known.tree;
    await saveAll(context, "file", [url, answer.url], { etag: answer.etag, narHash: tree.narHash.toSri() });
    return tree;
  } catch (error) {
    signal.throwIfAborted();
    if (known === undefined || !(error instanceof OperationError)) throw error;
    warn(`${error.message}; using cached version`);
    return known.tree;
  } finally {
    await cache.discard(work);
  }
}

/** The tree in the archive under a URL. */
export async function downloadTarball(
  context: FetchContext,
  url: string,
  options: DownloadOptions = {},
): Promise<DownloadedTree> {
  await checkLocalArchive(url);
  const { cache, settings, signal } = context;
  const key = `tarball ${url}`;
  using _lock = await cache.lock(key, signal);
  const known = await knownTree(context, key);
  if (known !== undefined && !known.isExpired) return treeOfEntry(known.tree, known.entry);
  const work = await cache.workDirectory();
  try {
    const file = `${work}/archive`;
    const etag = textEntry(known?.entry, "etag");
    const answer = await transfer(url, { file, signal, settings, headers: options.headers, etag });
    if (!answer.isNew && known !== undefined) {
      await saveAll(context, "tarball", [url, answer.url], known.entry);
      return treeOfEntry(known.tree, known.entry);
    }
    const unpacked = await unpackArchive(file, work, signal);
    const tree = await cache.addTree(unpacked.path, signal);
    const entry: IndexEntry = {
      etag: answer.etag,
      narHash: tree.narHash.toSri(),
      lastModified: unpacked.lastModified,
      ...(answer.immutableUrl === undefined ? {} : { immutableUrl: answer.immutableUrl }),
    };
    await saveAll(context, "tarball", [url, answer.url], entry);
    return treeOfEntry(tree, entry);
  } finally {
    await cache.discard(work);
  }
}

/** The file is what is wanted, not a tree in it. */
export async function fetchFileInput(context: FetchContext, input: InputAttrs): Promise<InputTree> {
  const { localPath, narHash } = await downloadFile(context, requiredText(input, "url"));
  return { localPath, narHash, attrs: new Map(input).set("narHash", narHash.toSri()) };
}

export async function fetchTarballInput(context: FetchContext, input: InputAttrs): Promise<InputTree> {
  const tree = await downloadTarball(context, requiredText(input, "url"));
  const attrs = new Map<string, InputAttribute>(
    tree.immutableUrl === undefined ? input : immutableInput(tree.immutableUrl),
  );
  if (tree.lastModified !== 0 && !attrs.has("lastModified")) attrs.set("lastModified", tree.lastModified);
  return { localPath: tree.localPath, narHash: tree.narHash, attrs: attrs.set("narHash", tree.narHash.toSri()) };
}

/** The input that a server says will always be the same tree. */
function immutableInput(url: string): InputAttrs {
  const input = inputOfUrl(parseUrl(url), { isTree: true });
  if (textAttribute(input, "type") === "tarball") return input;
  throw new OperationError(
    "FETCH_UNSUPPORTED",
    "tarball 'Link' headers that redirect to non-tarball URLs are not supported",
  );
}

interface KnownTree extends FoundEntry {
  readonly tree: CachedTree;
}

/** What the index has, if the tree is there, too. */
async function knownTree({ cache }: FetchContext, key: string): Promise<KnownTree | undefined> {
  const found = await cache.find(key);
  const narHash = Hash.parse(textEntry(found?.entry, "narHash") ?? "");
  const tree = narHash.ok ? await cache.tree(narHash.value) : undefined;
  return found === undefined || tree === undefined ? undefined : { ...found, tree };
}

/** Every address of a chain of redirections leads to the same. */
async function saveAll(
  { cache }: FetchContext,
  kind: string,
  urls: readonly string[],
  entry: IndexEntry,
): Promise<void> {
  for (const url of new Set(urls)) await cache.save(`${kind} ${url}`, entry);
}

function treeOfEntry(tree: CachedTree, entry: IndexEntry): DownloadedTree {
  const { lastModified } = entry;
  return {
    ...tree,
    lastModified: typeof lastModified === "number" ? lastModified : 0,
    immutableUrl: textEntry(entry, "immutableUrl"),
  };
}

function textEntry(entry: IndexEntry | undefined, name: string): string | undefined {
  const value = entry?.[name];
  return typeof value === "string" ? value : undefined;
}

/** Says what is wrong with an archive on this machine before anything is tried. */
async function checkLocalArchive(url: string): Promise<void> {
  const parsed = parseUrl(url);
  if (parsed.scheme !== "file") return;
  const path = textOfByteString(pathOfSegments(parsed.path));
  const fail = (reason: string): never => {
    throw new OperationError("FETCH_FAILED", `tarball ${reason}`);
  };
  if (!path.startsWith("/")) {
    fail(
      `'${textOfByteString(renderUrl(parsed))}' must use an absolute path. The 'file' scheme does not support relative paths.`,
    );
  }
  if (!(await exists(path))) fail(`"${path}" does not exist.`);
  if (!(await isDirectory(path))) return;
  if (await exists(`${path}/.git`)) {
    fail(`"${path}" is a git repository, not a tarball. Please use \`git+file\` as the scheme.`);
  }
  fail(`"${path}" is a directory, not a file.`);
}
