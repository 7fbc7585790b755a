/**
 * Fetches inputs: the one entrance of this layer.
 *
 * What comes from elsewhere is kept in a cache by its contents and read from there; the store is not written to.
 */

import { textOfByteString } from "../base/byte-string.ts";
import { OperationError } from "../base/errors.ts";
import { fixedOutputPath, sourcePath } from "../format/content-address.ts";
import { Hash, Hasher } from "../format/hash.ts";
import {
  type InputAttribute,
  type InputAttrs,
  inputNarHash,
  inputRevision,
  integerAttribute,
  renderInputAttrs,
  requiredText,
  textAttribute,
} from "../format/input/attributes.ts";
import { renderInput } from "../format/input/input.ts";
import type { FetchedObject, FetchedTree, FetchFileRequest } from "../format/input/request.ts";
import { cacheDirectory } from "../system/directories.ts";
import { readChunks } from "../system/files.ts";
import { downloadFile, downloadTarball, fetchFileInput, fetchTarballInput } from "./archive-input.ts";
import { FetchCache } from "./fetch-cache.ts";
import type { FetchContext, InputTree } from "./fetch-context.ts";
import { DEFAULT_FETCH_SETTINGS, type FetchSettings } from "./fetch-settings.ts";
import { fetchForge } from "./forge-input.ts";
import { fetchGit } from "./git/git-input.ts";
import { fetchMercurial } from "./mercurial-input.ts";
import { fetchPath } from "./path-input.ts";

export interface FetcherOptions {
  readonly storeDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What a relative path is relative to. */
  readonly baseDir: string;
  readonly settings?: Partial<FetchSettings>;
}

export class Fetcher {
  readonly #options: FetcherOptions;
  readonly #settings: FetchSettings;
  readonly #cache: FetchCache;

  constructor(options: FetcherOptions) {
    this.#options = options;
    this.#settings = { ...DEFAULT_FETCH_SETTINGS, ...options.settings };
    this.#cache = new FetchCache(`${cacheDirectory(options.env)}/fetch`, this.#settings.tarballTtl);
  }

  /** Fetches an input whose attributes were checked; `path` says where a path in the store really is. */
  async tree(input: InputAttrs, signal: AbortSignal, path?: string): Promise<FetchedObject & FetchedTree> {
    const warnings: string[] = [];
    const fetched = await fetchInputTree(this.#context(signal, warnings), input, path);
    const narHash = fetched.narHash.toSri();
    const attrs = withNarHash(input, fetched);
    const name = textAttribute(attrs, "name") ?? "source";
    const storePath = sourcePath(this.#options.storeDir, name, fetched.narHash).render(this.#options.storeDir);
    return { storePath, localPath: fetched.localPath, narHash, attrs, warnings };
  }

  /** Fetches a file, or the tree in an archive. */
  async file(request: FetchFileRequest, signal: AbortSignal): Promise<FetchedObject> {
    const { storeDir } = this.#options;
    const { url, name, unpack } = request;
    const warnings: string[] = [];
    const context = this.#context(signal, warnings);
    const { localPath, narHash } = unpack ? await downloadTarball(context, url) : await downloadFile(context, url);
    const hash = unpack ? narHash : await fileHash(localPath);
    if (request.sha256 !== undefined) checkHash(url, new Hash("sha256", request.sha256), hash);
    const storePath = fixedOutputPath(storeDir, name, unpack ? "nar" : "flat", hash).render(storeDir);
    return { storePath, localPath, isFlat: !unpack, warnings };
  }

  #context(signal: AbortSignal, warnings: string[]): FetchContext {
    const { env, storeDir, baseDir } = this.#options;
    const warn = (text: string): void => void warnings.push(text);
    return { cache: this.#cache, settings: this.#settings, env, storeDir, baseDir, signal, warn };
  }
}

async function fetchInputTree(context: FetchContext, input: InputAttrs, path?: string): Promise<InputTree> {
  context.signal.throwIfAborted();
  const fetched = await fetchByType(context, input, path);
  checkLocked(input, fetched);
  return fetched;
}

async function fetchByType(context: FetchContext, input: InputAttrs, path?: string): Promise<InputTree> {
  const type = requiredText(input, "type");
  switch (type) {
    case "path":
      return await fetchPath(context, input, path);
    case "file":
      return await fetchFileInput(context, input);
    case "github":
    case "gitlab":
    case "sourcehut":
      return await fetchForge(context, input);
    case "git":
      return await fetchGit(context, input);
    case "tarball":
      return await fetchTarballInput(context, input);
    case "hg":
      return await fetchMercurial(context, input);
    default:
      throw refusal(`cannot fetch unsupported input '${renderInputAttrs(input)}'`);
  }
}

/** Refuses an input that turned out to be something else than its attributes say. */
function checkLocked(specified: InputAttrs, fetched: InputTree): void {
  const { attrs } = fetched;
  if (specified.get("__final") === true) return checkFinal(specified, attrs);
  const expected = inputNarHash(specified)?.toSri();
  const got = inputNarHash(attrs)?.toSri();
  if (expected !== undefined && got !== expected) {
    throw mismatch(specified, expected, got ?? "");
  }
  const lastModified = integerAttribute(specified, "lastModified");
  if (lastModified !== undefined && integerAttribute(attrs, "lastModified") !== lastModified) {
    throw refusal(
      `'lastModified' attribute mismatch in input '${renderInput(attrs)}', expected ${lastModified}, got ${integerAttribute(attrs, "lastModified") ?? -1}`,
    );
  }
  const rev = inputRevision(specified);
  if (rev !== undefined && inputRevision(attrs) !== rev) {
    throw refusal(`'rev' attribute mismatch in input '${renderInput(attrs)}', expected ${rev}`);
  }
  const revCount = integerAttribute(specified, "revCount");
  if (revCount !== undefined && integerAttribute(attrs, "revCount") !== revCount) {
    throw refusal(`'revCount' attribute mismatch in input '${renderInput(attrs)}', expected ${revCount}`);
  }
  // Nix compares the tree itself last, and says it the other way round.
  if (expected !== undefined && fetched.narHash.toSri() !== expected) {
    throw mismatch(specified, fetched.narHash.toSri(), expected);
  }
}

/** All that a final input says must be true. */
function checkFinal(specified: InputAttrs, found: InputAttrs): void {
  const normal = (attrs: InputAttrs): InputAttrs => {
    const hash = inputNarHash(attrs);
    return hash === undefined ? attrs : new Map(attrs).set("narHash", hash.toSri());
  };
  const [wanted, got] = [normal(specified), normal(found)];
  for (const [name, value] of wanted) {
    const other = got.get(name);
    if (other === undefined || other === value) continue;
    throw refusal(`mismatch in field '${name}' of input '${renderInputAttrs(wanted)}', got '${renderInputAttrs(got)}'`);
  }
}

function mismatch(input: InputAttrs, expected: string, got: string): OperationError {
  const text = `NAR hash mismatch in input '${renderInput(input)}', expected '${expected}' but got`;
  return refusal(got === "" ? `${text} none` : `${text} '${got}'`);
}

/** The attributes of the input as it is locked; those of a final one stay as they are. */
function withNarHash(specified: InputAttrs, fetched: InputTree): InputAttrs {
  const attrs = new Map<string, InputAttribute>(specified.get("__final") === true ? specified : fetched.attrs);
  return attrs.set("narHash", fetched.narHash.toSri());
}

function checkHash(url: string, expected: Hash, got: Hash): void {
  if (expected.equals(got)) return;
  throw refusal(
    `hash mismatch in file downloaded from '${url}':\n  specified: ${expected.render("nix32")}\n  got:       ${got.render("nix32")}`,
  );
}

async function fileHash(path: string): Promise<Hash> {
  const hasher = new Hasher("sha256");
  for await (const chunk of readChunks(path)) hasher.update(chunk);
  return hasher.digest();
}

/** A refusal in Nix's words, which are a byte string. */
function refusal(text: string): OperationError {
  return new OperationError("FETCH_FAILED", textOfByteString(text));
}
