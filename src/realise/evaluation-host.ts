/** The world as one evaluation sees it: this machine's files, and a store whose files may lie elsewhere. */

import { byteStringOfBytes, byteStringOfText, bytesOfByteString, textOfByteString } from "../base/byte-string.ts";
import { OperationError } from "../base/errors.ts";
import { fixedOutputPath, sourcePath } from "../format/content-address.ts";
import { Hash, hashByteString } from "../format/hash.ts";
import { type InputAttrs, inputNarHash, renderInputAttrs, textAttribute } from "../format/input/attributes.ts";
import { narHash, UnsupportedFileError } from "../format/nar.ts";
import type {
  FetchClosureRequest,
  FetchedClosure,
  FetchedObject,
  FetchedTree,
  FetchFileRequest,
} from "../format/input/request.ts";
import { canonicalPath, parentOfPath } from "../language/eval/canonical-path.ts";
import { parseContextElement, showContextElement } from "../language/eval/context-element.ts";
import { type DirectoryEntry, type FileKind, type Host, HostError, type SourceRequest } from "../language/host.ts";
import { hasRoom, outOfMemoryText } from "../system/heap.ts";
import { readFileSync } from "../system/files-sync.ts";
import { RecordedWorld } from "./cache/recorded-world.ts";
import type { EvaluationReads } from "./cache/world-reads.ts";
import type { Ask } from "./evaluate-messages.ts";
import type { InstantiatedDerivation, SourcePath } from "./evaluation-request.ts";
import { refusalText, systemCallText } from "./host-messages.ts";
import { StoreReferences } from "./store-references.ts";

/** Dangling links one after the other, behind which nothing is looked for. */
const LINKS_MAX = 1024;

export interface EvaluationHostOptions {
  readonly storeDir: string;
  readonly stateDir?: string | undefined;
  /** Where the store's files are, in front of their paths; empty for where their paths say. */
  readonly storeRoot: string;
  /** Whether that store is the one that what evaluation makes will be written to. */
  readonly readsTargetStore: boolean;
  readonly baseDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Asks the thread that can wait; absent where nothing can be fetched or built. */
  readonly ask: Ask | undefined;
  /** Whether it can make outputs exist. */
  readonly canRealise: boolean;
  /** Told of what is about to be built, `DRV^OUTPUT`; may refuse by a `HostError`. */
  readonly beforeBuild?: (output: string) => void;
  /** The hosts of shared values that this evaluation uses: what they made is known here, too. */
  readonly neighbours?: () => Iterable<EvaluationHost>;
  readonly onTrace: (line: string) => void;
  readonly onWarning: (text: string, isFromExpression: boolean) => void;
}

export class EvaluationHost implements Host {
  readonly derivations: Map<string, InstantiatedDerivation> = new Map();
  readonly sources: Map<string, SourcePath> = new Map();
  readonly #world = new RecordedWorld();
  readonly #options: EvaluationHostOptions;
  readonly #startedAt = Math.floor(Date.now() / 1000);
  /** Which store path a source became, so that the same tree is hashed once. */
  readonly #hashed = new Map<string, string>();
  /** What fetching has warned of; the same tree may be fetched more than once. */
  readonly #warned = new Set<string>();

  #storeReferences: StoreReferences | undefined;

  /** Where directories really are whose files became sources. */
  readonly #realParents = new Map<string, string>();

  constructor(options: EvaluationHostOptions) {
    this.#options = options;
  }

  #sourceAt(path: string): SourcePath | undefined {
    const own = this.sources.get(path);
    if (own !== undefined || this.#options.neighbours === undefined) return own;
    for (const neighbour of this.#options.neighbours()) {
      const known = neighbour.sources.get(path);
      if (known !== undefined) return known;
    }
    return undefined;
  }

  #derivationAt(path: string): InstantiatedDerivation | undefined {
    const own = this.derivations.get(path);
    if (own !== undefined || this.#options.neighbours === undefined) return own;
    for (const neighbour of this.#options.neighbours()) {
      const known = neighbour.derivations.get(path);
      if (known !== undefined) return known;
    }
    return undefined;
  }

  get reads(): EvaluationReads {
    return this.#world.reads;
  }

  /** Why the result may not be kept. */
  get volatile(): string | undefined {
    return this.#world.volatile;
  }

  /** Says that the result may not be kept, because it depends on something that cannot be checked. */
  markVolatile(reason: string): void {
    this.#world.markVolatile(reason);
  }

  /**
   * Where the bytes of a path are: what this evaluation added to the store is read where it came from, anything else of
   * the store below the store's root.
   */
  #locate(path: string): { readonly at: string } | { readonly text: Uint8Array } {
    const { storeDir, storeRoot } = this.#options;
    if (!path.startsWith(`${storeDir}/`)) return { at: path };
    const end = path.indexOf("/", storeDir.length + 1);
    const object = end < 0 ? path : path.slice(0, end);
    const source = this.#sourceAt(object);
    if (source?.kind === "text") return { text: source.contents };
    const derivation = this.derivations.get(path);
    if (derivation !== undefined) return { text: derivation.aterm };
    if (source?.kind === "path") return { at: byteStringOfText(source.localPath) + (end < 0 ? "" : path.slice(end)) };
    return { at: storeRoot + path };
  }

  #asking<T>(question: () => T): T {
    try {
      return question();
    } catch (error) {
      if (error instanceof OperationError) throw new HostError(refusalText(error));
      throw error;
    }
  }

  #diskPath(path: string): string {
    const found = this.#locate(path);
    return "at" in found ? found.at : path;
  }

  readFile(path: string): string {
    const found = this.#locate(path);
    if ("text" in found) return byteStringOfBytes(found.text);
    const contents = this.#asking(() => this.#world.readFile(found.at));
    if (contents === undefined) throw new HostError(`path '${this.realPath(path)}' does not exist`);
    return contents;
  }

  readDirectory(path: string): readonly DirectoryEntry[] {
    const at = this.#diskPath(path);
    const entries = this.#asking(() => this.#world.readDirectory(at));
    if (entries === undefined) {
      const kind = this.stat(path);
      const real = this.realPath(path);
      throw new HostError(
        kind === undefined ? `path '${real}' does not exist` : `cannot read directory "${real}": Not a directory`,
      );
    }
    return entries;
  }

  lstat(path: string): FileKind | undefined {
    return this.#kindOf(path, false);
  }

  stat(path: string): FileKind | undefined {
    return this.#kindOf(path, true);
  }

  #kindOf(path: string, followLinks: boolean): FileKind | undefined {
    const found = this.#locate(path);
    if ("text" in found) return "regular";
    return this.#asking(() => this.#world.kindOf(found.at, { followLinks }));
  }

  readLink(path: string): string | undefined {
    const found = this.#locate(path);
    if ("text" in found) return undefined;
    return this.#asking(() => this.#world.readLink(found.at));
  }

  linkAbove(path: string): string | undefined {
    for (let above = parentOfPath(path); above !== "/"; above = parentOfPath(above)) {
      if (this.#kindOf(above, false) === "symlink") return above;
    }
    return undefined;
  }

  realPath(path: string): string {
    return this.#resolve(path, LINKS_MAX);
  }

  resolveParent(path: string): string {
    const slash = path.lastIndexOf("/");
    if (slash <= 0) return path;
    const directory = path.slice(0, slash);
    let parent = this.#realParents.get(directory);
    if (parent === undefined) this.#realParents.set(directory, (parent = this.#resolve(directory, LINKS_MAX)));
    return (parent === "/" ? "" : parent) + path.slice(slash);
  }

  /** The path without links, as far as it exists: what does not has none. */
  #resolve(path: string, linksLeft: number): string {
    if (path === "/") return path;
    const found = this.#locate(path);
    // A path of the store is its own real path: the store's directory has no links in it, wherever it is kept.
    if ("text" in found || found.at !== path) return path;
    const real = this.#asking(() => this.#world.realPath(path));
    if (real !== undefined) return real;
    const parent = this.#resolve(parentOfPath(path), linksLeft);
    const resolved = (parent === "/" ? "" : parent) + path.slice(path.lastIndexOf("/"));
    const target = this.#asking(() => this.#world.readLink(resolved));
    if (target === undefined) return resolved;
    if (linksLeft === 0) throw new HostError(`infinite symlink recursion in path '${path}'`);
    return this.#resolve(canonicalPath(target.startsWith("/") ? target : `${parent}/${target}`), linksLeft - 1);
  }

  workingDirectory(): string {
    return byteStringOfText(this.#options.baseDir);
  }

  environment(name: string): string | undefined {
    const value = this.#options.env[textOfByteString(name)];
    this.#world.environment(name, value);
    return value === undefined ? undefined : byteStringOfText(value);
  }

  currentTime(): number {
    this.markVolatile("it depends on the time");
    return this.#startedAt;
  }

  addSource(request: SourceRequest): string {
    const { storeDir } = this.#options;
    const { filter, sha256 } = request;
    const recursive = request.method === "nar";
    if (sha256 !== undefined) {
      const expected = fixedOutputPath(storeDir, request.name, request.method, new Hash("sha256", sha256)).render(
        storeDir,
      );
      // What is in the store already need not be there outside of it; but only the store that is written to counts.
      const isInStore = this.#options.readsTargetStore && this.isValidPath(expected);
      if (this.sources.has(expected) || isInStore) return expected;
    }
    const key = `${request.method}\0${request.name}\0${request.path}`;
    const known = filter === undefined ? this.#hashed.get(key) : undefined;
    if (known !== undefined) return known;
    const at = this.#diskPath(request.path);
    const kind = this.#asking(() => this.#world.kindOf(at, { followLinks: false }));
    if (kind === undefined) throw new HostError(`path '${this.resolveParent(request.path)}' does not exist`);
    const localPath = textOfByteString(at);
    const included: string[] = [];
    const hash = this.#asking(() =>
      recursive ? this.#hashTree(request, at, included) : this.#hashFile(request.path, at),
    );
    const path = recursive
      ? sourcePath(storeDir, request.name, hash)
      : fixedOutputPath(storeDir, request.name, "flat", hash);
    const full = path.render(storeDir);
    if (sha256 !== undefined && !new Hash("sha256", sha256).equals(hash)) {
      const wanted = new Hash("sha256", sha256).toSri();
      throw new HostError(
        `store path mismatch in (possibly filtered) path added from '${request.path}': expected hash '${wanted}', got '${hash.toSri()}'`,
      );
    }
    this.sources.set(full, {
      kind: "path",
      localPath,
      recursive,
      ...(filter === undefined ? {} : { included }),
    });
    if (filter === undefined) this.#hashed.set(key, full);
    return full;
  }

  #hashTree(request: SourceRequest, at: string, included: string[]): Hash {
    const { filter } = request;
    const tree = this.#world.recordedTree(at);
    try {
      if (filter === undefined) {
        const { hash } = narHash(tree);
        this.#world.noteTree(tree, { method: "nar", hash: hash.toBase16() });
        return hash;
      }
      const { hash } = narHash(tree, {
        filter: (path, type) => {
          const isIncluded = filter(`${request.path === "/" ? "" : request.path}/${path}`, type);
          if (isIncluded) included.push(path);
          return isIncluded;
        },
      });
      this.#world.noteTree(tree, { method: "nar", hash: hash.toBase16(), included });
      return hash;
    } catch (error) {
      const code = (error as { readonly code?: unknown }).code;
      if (typeof code === "string" && /^E[A-Z]+$/.test(code)) {
        const unknown = byteStringOfText(`cannot read '${textOfByteString(at)}': ${(error as Error).message}`);
        throw new HostError(systemCallText(error) ?? unknown);
      }
      if (error instanceof UnsupportedFileError) {
        const root = request.path === "/" ? "" : request.path;
        throw new HostError(
          `file '${error.path === "" ? request.path : `${root}/${error.path}`}' has an unsupported type`,
        );
      }
      throw error;
    }
  }

  #hashFile(path: string, at: string): Hash {
    const contents = this.#world.readFile(at);
    if (contents === undefined) throw new HostError(`path '${path}' does not exist`);
    return hashByteString("sha256", contents);
  }

  addText(path: string, contents: string, references: readonly string[]): void {
    this.sources.set(path, { kind: "text", contents: bytesOfByteString(contents), references });
  }

  addDerivation(path: string, name: string, aterm: Uint8Array, references: readonly string[]): void {
    this.derivations.set(path, { name, aterm, references });
  }

  isValidPath(path: string): boolean {
    if (this.#sourceAt(path) !== undefined || this.#derivationAt(path) !== undefined) return true;
    const at = this.#options.storeRoot + path;
    return this.#asking(() => this.#world.kindOf(at, { followLinks: false })) !== undefined;
  }

  referencesOf(path: string): readonly string[] {
    const source = this.#sourceAt(path);
    if (source?.kind === "text") return source.references;
    const made = this.#derivationAt(path)?.references;
    if (made !== undefined || source !== undefined) return made ?? [];
    const references = this.#database().references(path);
    // A valid object never refers to anything else; one that becomes valid later may.
    if (references === undefined) this.markVolatile(`'${textOfByteString(path)}' is not valid in the store`);
    return references ?? [];
  }

  readDerivation(path: string): Uint8Array {
    const made = this.#derivationAt(path);
    if (made !== undefined) return made.aterm;
    const contents = this.#asking(() => this.#world.readFile(this.#options.storeRoot + path));
    if (contents === undefined) throw new HostError(`path '${path}' is not valid`);
    return bytesOfByteString(contents);
  }

  realise(context: readonly string[]): void {
    // What this evaluation itself added is read where it came from; derivations are known.
    const wanted = context.filter((element) => element.startsWith("!") || !this.#isAtHand(element.replace(/^=/, "")));
    if (wanted.length === 0) return;
    const { ask, beforeBuild, canRealise } = this.#options;
    const output = wanted.find((element) => element.startsWith("!"));
    const shown = output === undefined ? undefined : showContextElement(output);
    const dynamic = wanted.find((element) => parseContextElement(element).kind === "dynamic");
    if (dynamic !== undefined) {
      throw new HostError(
        `cannot build '${showContextElement(dynamic)}': outputs of derivations that are outputs themselves cannot be built yet`,
      );
    }
    if (shown !== undefined) beforeBuild?.(shown);
    if (ask !== undefined && canRealise) {
      const { derivations, sources } = this;
      return ask({ kind: "realise", context: wanted, derivations, sources });
    }
    if (shown === undefined) throw new HostError(`path '${wanted[0]!}' is not valid`);
    throw new HostError(
      `cannot build '${shown}' during evaluation: building during evaluation (import from derivation) is not possible here`,
    );
  }

  fetchTree(input: InputAttrs): FetchedTree {
    const final = this.#finalTree(input);
    if (final !== undefined) return final;
    const path = this.#storedPath(input);
    const fetched = this.#fetched(
      this.#asker()({ kind: "fetch-tree", input, ...(path === undefined ? {} : { path }) }),
    );
    const { storePath, narHash, attrs } = fetched;
    if (!isLocked(input)) this.markVolatile(`the input ${textOfByteString(renderInputAttrs(input))} is not locked`);
    return { storePath, narHash, attrs };
  }

  /** Lets somebody replace a file in the name of this evaluation: the trees it belongs to stay what they were. */
  replacingFile(path: string, replace: () => void): void {
    const contents = readFileSync(path);
    replace();
    for (const [full, source] of this.sources) {
      if (source.kind !== "path" || !path.startsWith(`${byteStringOfText(source.localPath)}/`)) continue;
      const former = { path: path.slice(byteStringOfText(source.localPath).length + 1) };
      const held = contents === undefined ? {} : { contents: bytesOfByteString(contents) };
      this.sources.set(full, { ...source, former: { ...former, ...held } });
    }
  }

  /** Everything can be read here. */
  allowTree(_storePath: string): void {}

  readConfiguration(path: string): string | undefined {
    return this.#asking(() => this.#world.readFile(path));
  }

  /** A tree all of whose attributes are known is not fetched when it is in the store. */
  #finalTree(input: InputAttrs): FetchedTree | undefined {
    const hash = input.get("__final") === true ? inputNarHash(input) : undefined;
    if (hash === undefined) return undefined;
    const { storeDir, readsTargetStore } = this.#options;
    const storePath = sourcePath(storeDir, textAttribute(input, "name") ?? "source", hash).render(storeDir);
    if (!this.isValidPath(storePath)) return undefined;
    if (!readsTargetStore) this.#noteStored(storePath, true);
    this.allowTree(storePath);
    return { storePath, narHash: hash.toSri(), attrs: input };
  }

  fetchFile(request: FetchFileRequest): string {
    const { url, name, unpack, sha256 } = request;
    if (sha256 !== undefined) {
      const hash = new Hash("sha256", sha256);
      const { storeDir } = this.#options;
      const expected = fixedOutputPath(storeDir, name, unpack ? "nar" : "flat", hash).render(storeDir);
      if (this.isValidPath(expected)) {
        if (!this.#options.readsTargetStore) this.#noteStored(expected, unpack);
        this.allowTree(expected);
        return expected;
      }
    }
    const { storePath } = this.#fetched(this.#asker()({ kind: "fetch-file", request }));
    if (sha256 === undefined) this.markVolatile(`'${textOfByteString(url)}' was fetched without a hash`);
    return storePath;
  }

  fetchClosure(request: FetchClosureRequest): FetchedClosure {
    const fetched = this.#asker()({ kind: "fetch-closure", request });
    // A result that is kept holds for as long as the object is there.
    this.isValidPath(fetched.path);
    this.allowTree(fetched.path);
    return fetched;
  }

  /** Where the files are of an input that is a path in the store. */
  #storedPath(input: InputAttrs): string | undefined {
    const path = input.get("path");
    if (input.get("type") !== "path" || typeof path !== "string") return undefined;
    const at = this.#diskPath(path);
    return at === path ? undefined : textOfByteString(at);
  }

  #asker(): Ask {
    if (this.#options.ask === undefined) throw new HostError("nothing can be fetched here");
    return this.#options.ask;
  }

  /** An object that lies in a store which is not the one that is written to: it may have to be copied from there. */
  #noteStored(path: string, recursive: boolean): void {
    if (this.sources.has(path)) return;
    this.sources.set(path, { kind: "path", localPath: textOfByteString(this.#options.storeRoot + path), recursive });
  }

  /** Takes up what was fetched: it is read where it is, and belongs to what this evaluation adds to the store. */
  #fetched<T extends FetchedObject>(fetched: T): T {
    const { storePath, localPath, isFlat, warnings } = fetched;
    for (const warning of warnings) {
      if (this.#warned.has(warning)) continue;
      this.#warned.add(warning);
      this.#options.onWarning(warning, false);
    }
    if (localPath !== undefined && !this.sources.has(storePath)) {
      this.sources.set(storePath, { kind: "path", localPath, recursive: isFlat !== true });
    }
    return fetched;
  }

  #isAtHand(path: string): boolean {
    return this.isValidPath(path);
  }

  #database(): StoreReferences {
    return (this.#storeReferences ??= new StoreReferences(this.#options.storeRoot, this.#options));
  }

  /** An ordinary evaluation may look at everything. */
  checkAccess(_path: string): void {}

  reserveMemory(bytes: number): void {
    if (!hasRoom(bytes)) throw new HostError(outOfMemoryText());
  }

  trace(line: string): void {
    this.#options.onTrace(textOfByteString(line));
  }

  warn(text: string, isFromExpression: boolean): void {
    this.#options.onWarning(textOfByteString(text), isFromExpression);
  }
}

/** Whether an input can only ever be the same tree, wherever it is fetched from. */
function isLocked(input: InputAttrs): boolean {
  const type = input.get("type");
  return type !== "path" && (input.has("narHash") || (input.has("rev") && type !== "tarball" && type !== "file"));
}
