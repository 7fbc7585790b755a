/**
 * A store behind a Nix daemon: over its socket on this machine, or over ssh (`nix-daemon --stdio`).
 *
 * Questions share one connection and are pipelined. Transfers, builds and collections take a connection of their own
 * while they last, because a connection answers in order. Temporary roots live as long as the connection they were
 * made on, which is until `close`.
 */

import { OperationError } from "../base/errors.ts";
import { Hasher } from "../format/hash.ts";
import type { PathInfo } from "../format/path-info.ts";
import { sign, type SigningKey } from "../format/signature.ts";
import { DEFAULT_STORE_DIR, type StorePath } from "../format/store-path.ts";
import { readBool, readList, readString, readUint, type Wire, WireWriter } from "../protocol/wire.ts";
import type { LogEvent } from "../protocol/worker/log-frames.ts";
import { OPERATIONS } from "../protocol/worker/operations.ts";
import {
  type BuildResult,
  type BuildTarget,
  type Missing,
  readKeyedBuildResult,
  readMissing,
  readPathInfo,
  readStorePaths,
  renderTarget,
  writePathInfo,
  writeStorePaths,
} from "../protocol/worker/values.ts";
import { type ByteDuplex, type CallOptions, DaemonConnection, nothing } from "./daemon-connection.ts";
import { ProgressCounter } from "./add-progress.ts";
import type { AddProgress, CollectableStore, CollectOutcome, StoreItem } from "./store.ts";

export interface DaemonStoreOptions {
  /** For messages: `daemon`, `ssh-ng://HOST`. */
  readonly uri: string;
  readonly connect: (signal: AbortSignal) => Promise<ByteDuplex>;
  readonly storeDir?: string;
  readonly settings?: DaemonSettings;
  /** What is added is signed with this key, for a daemon that does not take our word. */
  readonly signWith?: SigningKey | undefined;
  readonly handshakeTimeoutMs?: number;
  /** For the answer to a question, as opposed to a transfer, a build or a collection. */
  readonly answerDeadlineMs?: number;
  /** Pretends to know only an older protocol, as tests do to see that it works. */
  readonly minorOffered?: number;
}

/** What the daemon should do for this client. */
export interface DaemonSettings {
  readonly keepGoing?: boolean;
  readonly substitute?: boolean;
  readonly jobsMax?: number;
  readonly coresPerBuild?: number;
  /** Other settings of nix.conf by name; most are for trusted users only. */
  readonly overrides?: Readonly<Record<string, string>>;
}

export interface DaemonBuildOptions {
  readonly signal: AbortSignal;
  readonly onLog?: (event: LogEvent) => void;
  readonly mode?: "normal" | "repair" | "check";
}

/** Questions on their way at once; bounds what lies in buffers. */
const PIPELINE_MAX = 4096;
/** A daemon that works on thousands of questions still answers each of them soon. */
const ANSWER_DEADLINE_MS = 120_000;
const LEVEL_INFO = 3;
const LEVEL_VOMIT = 7;

export class DaemonStore implements CollectableStore {
  readonly uri: string;
  readonly storeDir: string;
  readonly #options: DaemonStoreOptions;
  /** Connections that nobody uses. */
  readonly #idle: DaemonConnection[] = [];
  readonly #all = new Set<DaemonConnection>();
  #shared: Promise<DaemonConnection> | undefined;
  #isClosed = false;

  constructor(options: DaemonStoreOptions) {
    this.#options = options;
    this.uri = options.uri;
    this.storeDir = options.storeDir ?? DEFAULT_STORE_DIR;
  }

  /** Connects, and says who is there. */
  async greet(signal: AbortSignal): Promise<{
    readonly protocol: string;
    readonly nixVersion: string | undefined;
    readonly trust: DaemonConnection["trust"];
  }> {
    const { agreement, nixVersion, trust } = await this.#sharedConnection(signal);
    return { protocol: `1.${agreement.minor}`, nixVersion, trust };
  }

  async pathInfo(path: StorePath, signal: AbortSignal): Promise<PathInfo | undefined> {
    return (await this.pathInfos([path], signal)).get(path.baseName);
  }

  async pathInfos(paths: readonly StorePath[], signal: AbortSignal): Promise<Map<string, PathInfo>> {
    const infos = new Map<string, PathInfo>();
    const found = await this.#pipelined(paths, signal, (connection, path) =>
      connection.call(
        OPERATIONS.queryPathInfo,
        (writer) => writer.string(path.render(this.storeDir)),
        this.#readOptionalInfo(path),
        this.#question(signal),
      ),
    );
    for (const info of found) if (info !== undefined) infos.set(info.path.baseName, info);
    return infos;
  }

  async validPaths(paths: readonly StorePath[], signal: AbortSignal): Promise<Set<string>> {
    if (paths.length === 0) return new Set();
    const connection = await this.#sharedConnection(signal);
    return await this.#askValid(connection, paths, { substitute: false }, this.#question(signal));
  }

  /**
   * The same, after the daemon has fetched from its substituters what these have. What it cannot fetch it tells as a
   * message; a daemon that is too old to be asked fetches nothing.
   */
  async substitute(
    paths: readonly StorePath[],
    options: { readonly signal: AbortSignal; readonly onLog?: (event: LogEvent) => void },
  ): Promise<Set<string>> {
    if (paths.length === 0) return new Set();
    const connection = await this.#ownConnection(options.signal);
    try {
      return await this.#askValid(connection, paths, { substitute: true }, { ...options, closeOnAbort: true });
    } finally {
      this.#giveBack(connection);
    }
  }

  async #askValid(
    connection: DaemonConnection,
    paths: readonly StorePath[],
    { substitute }: { readonly substitute: boolean },
    options: CallOptions,
  ): Promise<Set<string>> {
    const valid = await connection.call(
      OPERATIONS.queryValidPaths,
      (writer) => {
        writeStorePaths(writer, paths, this.storeDir);
        if (connection.agreement.minor >= 27) writer.bool(substitute);
      },
      readStorePaths(this.storeDir),
      options,
    );
    return new Set(valid.map((path) => path.baseName));
  }

  async allValidPaths(signal: AbortSignal): Promise<StorePath[]> {
    const connection = await this.#sharedConnection(signal);
    return await connection.call(OPERATIONS.queryAllValidPaths, none, readStorePaths(this.storeDir), { signal });
  }

  async referrers(path: StorePath, signal: AbortSignal): Promise<StorePath[]> {
    const connection = await this.#sharedConnection(signal);
    return await connection.call(
      OPERATIONS.queryReferrers,
      (writer) => writer.string(path.render(this.storeDir)),
      readStorePaths(this.storeDir),
      this.#question(signal),
    );
  }

  async *nar(path: StorePath, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    // Asking for the NAR of a path that is absent ends the connection: ask for the path first.
    if (!(await this.validPaths([path], signal)).has(path.baseName)) {
      throw new OperationError("PATH_INVALID", `${path.render(this.storeDir)} is not valid in the store ${this.uri}`);
    }
    const connection = await this.#ownConnection(signal);
    try {
      yield* connection.callForNar(OPERATIONS.narFromPath, (writer) => writer.string(path.render(this.storeDir)), {
        signal,
      });
    } finally {
      this.#giveBack(connection);
    }
  }

  async add(info: PathInfo, nar: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    await this.addMany([{ info, nar: () => nar }], signal);
  }

  async addMany(
    items: readonly StoreItem[],
    signal: AbortSignal,
    onProgress?: (progress: AddProgress) => void,
  ): Promise<void> {
    if (items.length === 0) return;
    const present = await this.validPaths(
      items.map(({ info }) => info.path),
      signal,
    );
    const missing = items.filter(({ info }) => !present.has(info.path.baseName)).map((item) => this.#signed(item));
    const progress = new ProgressCounter(items, missing, onProgress);
    if (missing.length === 0) return;
    const connection = await this.#ownConnection(signal);
    try {
      if (connection.agreement.minor >= 32) await this.#addTogether(connection, missing, progress, signal);
      else for (const item of missing) await this.#addSingly(connection, item, progress, signal);
    } finally {
      this.#giveBack(connection);
    }
  }

  #signed(item: StoreItem): StoreItem {
    const { signWith } = this.#options;
    if (signWith === undefined) return item;
    const signature = sign(item.info, this.storeDir, signWith);
    return { ...item, info: { ...item.info, signatures: [...item.info.signatures, signature] } };
  }

  /** Keeps paths from collection for as long as this store is open here. */
  async addTempRoots(paths: readonly StorePath[], signal: AbortSignal): Promise<void> {
    await this.#pipelined(paths, signal, (connection, path) =>
      connection.call(
        OPERATIONS.addTempRoot,
        (writer) => writer.string(path.render(this.storeDir)),
        readUint("result"),
        this.#question(signal),
      ),
    );
  }

  /** Makes a link on the daemon's machine that keeps a path from collection (protocol 1.36, trusted users). */
  async addPermRoot(path: StorePath, link: string, signal: AbortSignal): Promise<string> {
    const connection = await this.#sharedConnection(signal);
    this.#requireMinor(connection, 36, "make collection roots");
    return await connection.call(
      OPERATIONS.addPermRoot,
      (writer) => writer.string(path.render(this.storeDir)).string(link),
      readString("root"),
      this.#question(signal),
    );
  }

  /** Registers a link that lies anywhere on the daemon's machine as a collection root. */
  async addIndirectRoot(link: string, signal: AbortSignal): Promise<void> {
    const connection = await this.#sharedConnection(signal);
    await connection.call(OPERATIONS.addIndirectRoot, (writer) => writer.string(link), readUint("result"), { signal });
  }

  async addSignatures(path: StorePath, signatures: readonly string[], signal: AbortSignal): Promise<void> {
    // Some daemons end the connection without a word when the path is absent.
    if (!(await this.validPaths([path], signal)).has(path.baseName)) {
      throw new OperationError("PATH_INVALID", `${path.render(this.storeDir)} is not valid in the store ${this.uri}`);
    }
    const connection = await this.#sharedConnection(signal);
    await connection.call(
      OPERATIONS.addSignatures,
      (writer) => writer.string(path.render(this.storeDir)).strings([...signatures].sort()),
      readUint("result"),
      this.#question(signal),
    );
  }

  async queryMissing(targets: readonly BuildTarget[], signal: AbortSignal): Promise<Missing> {
    const connection = await this.#sharedConnection(signal);
    return await connection.call(
      OPERATIONS.queryMissing,
      (writer) => writer.strings(this.#renderTargets(connection, targets)),
      readMissing(this.storeDir),
      { signal },
    );
  }

  /** Realises targets there. A failing build is a result, not an error (on daemons older than 1.34 it throws). */
  async build(targets: readonly BuildTarget[], options: DaemonBuildOptions): Promise<BuildResult[]> {
    const connection = await this.#ownConnection(options.signal);
    const { minor } = connection.agreement;
    const mode = { normal: 0, repair: 1, check: 2 }[options.mode ?? "normal"];
    const names = this.#renderTargets(connection, targets);
    const body = (writer: WireWriter): void => {
      writer.strings(names).uint(mode);
    };
    const callOptions = { signal: options.signal, onLog: options.onLog, closeOnAbort: true };
    try {
      if (minor >= 34) {
        const results = readList("build results", () => readKeyedBuildResult(minor));
        return await connection.call(OPERATIONS.buildPathsWithResults, body, results, callOptions);
      }
      await connection.call(OPERATIONS.buildPaths, body, readUint("result"), callOptions);
      return names.map((target) => ({
        target,
        status: "built",
        succeeded: true,
        message: "",
        startTime: 0,
        stopTime: 0,
        outputs: new Map(),
      }));
    } finally {
      this.#giveBack(connection);
    }
  }

  async collect(options: { readonly dryRun?: boolean; readonly signal: AbortSignal }): Promise<CollectOutcome> {
    const { signal } = options;
    const connection = await this.#ownConnection(signal);
    try {
      const outcome = await connection.call(
        OPERATIONS.collectGarbage,
        (writer) => {
          writer.uint(options.dryRun === true ? 1 : 2);
          // No particular paths, liveness respected, no limit, three obsolete fields.
          writer.strings([]).bool(false).uint(0xffff_ffff_ffff_ffffn).uint(0).uint(0).uint(0);
        },
        readCollectOutcome(),
        { signal, closeOnAbort: true },
      );
      const kept = await connection.call(OPERATIONS.queryAllValidPaths, none, readStorePaths(this.storeDir), {
        signal,
      });
      const keptCount = options.dryRun === true ? kept.length - outcome.deleted.length : kept.length;
      return { ...outcome, keptCount: Math.max(0, keptCount) };
    } finally {
      this.#giveBack(connection);
    }
  }

  /** Whether the store holds errors afterwards. */
  async verify(options: {
    readonly checkContents: boolean;
    readonly repair: boolean;
    readonly signal: AbortSignal;
    readonly onLog?: (event: LogEvent) => void;
  }): Promise<boolean> {
    const connection = await this.#ownConnection(options.signal);
    try {
      return await connection.call(
        OPERATIONS.verifyStore,
        (writer) => writer.bool(options.checkContents).bool(options.repair),
        readBool("errors"),
        { signal: options.signal, onLog: options.onLog, closeOnAbort: true },
      );
    } finally {
      this.#giveBack(connection);
    }
  }

  /** Ends all connections; temporary roots made here end with them. */
  close(): void {
    this.#isClosed = true;
    for (const connection of this.#all) connection.close();
    this.#all.clear();
    this.#idle.length = 0;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #addTogether(
    connection: DaemonConnection,
    items: readonly StoreItem[],
    progress: ProgressCounter,
    signal: AbortSignal,
  ): Promise<void> {
    await connection.callFramed(
      OPERATIONS.addMultipleToStore,
      // Do not repair; do not ask for signatures (only trusted users are granted that).
      (writer) => writer.bool(false).bool(true),
      nothing(),
      {
        signal,
        send: async (sink) => {
          await sink.write(new WireWriter().uint(items.length).take());
          for (const { info, nar } of items) {
            const writer = new WireWriter().string(info.path.render(this.storeDir));
            writePathInfo(writer, info, this.storeDir);
            await sink.write(writer.take());
            for await (const chunk of checkedContents(info, nar())) {
              await sink.write(chunk);
              progress.sent(chunk.length);
            }
            progress.finished();
          }
        },
      },
    );
  }

  async #addSingly(
    connection: DaemonConnection,
    item: StoreItem,
    progress: ProgressCounter,
    signal: AbortSignal,
  ): Promise<void> {
    const { info } = item;
    const body = (writer: WireWriter): void => {
      writer.string(info.path.render(this.storeDir));
      writePathInfo(writer, info, this.storeDir);
      writer.bool(false).bool(true);
    };
    const counted = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
      for await (const chunk of checkedContents(info, item.nar())) {
        progress.sent(chunk.length);
        yield chunk;
      }
    };
    if (connection.agreement.minor >= 23) {
      await connection.callFramed(OPERATIONS.addToStoreNar, body, nothing(), {
        signal,
        send: async (sink) => {
          for await (const chunk of counted()) await sink.write(chunk);
        },
      });
    } else {
      await connection.callTunnelled(OPERATIONS.addToStoreNar, body, nothing(), { signal, payload: counted() });
    }
    progress.finished();
  }

  *#readOptionalInfo(path: StorePath): Wire<PathInfo | undefined> {
    return (yield* readBool("valid")) ? yield* readPathInfo(path, this.storeDir) : undefined;
  }

  #renderTargets(connection: DaemonConnection, targets: readonly BuildTarget[]): string[] {
    const { minor } = connection.agreement;
    return targets.map((target) => renderTarget(target, { minor, storeDir: this.storeDir }));
  }

  #requireMinor(connection: DaemonConnection, minor: number, action: string): void {
    if (connection.agreement.minor >= minor) return;
    throw new OperationError(
      "DAEMON_TOO_OLD",
      `the Nix daemon at ${this.uri} speaks protocol 1.${connection.agreement.minor} and cannot ${action} (1.${minor})`,
      { hint: "upgrade Nix on that host" },
    );
  }

  #question(signal: AbortSignal): CallOptions {
    return { signal, deadlineMs: this.#options.answerDeadlineMs ?? ANSWER_DEADLINE_MS };
  }

  /** Asks about many paths without waiting in between. */
  async #pipelined<T>(
    paths: readonly StorePath[],
    signal: AbortSignal,
    ask: (connection: DaemonConnection, path: StorePath) => Promise<T>,
  ): Promise<T[]> {
    if (paths.length === 0) return [];
    const connection = await this.#sharedConnection(signal);
    const answers: T[] = [];
    for (let from = 0; from < paths.length; from += PIPELINE_MAX) {
      const window = paths.slice(from, from + PIPELINE_MAX);
      answers.push(...(await Promise.all(window.map((path) => ask(connection, path)))));
    }
    return answers;
  }

  /** The connection that questions share; several may be on their way at once. */
  async #sharedConnection(signal: AbortSignal): Promise<DaemonConnection> {
    if (this.#shared !== undefined) {
      const shared = await this.#shared.catch(() => undefined);
      if (shared?.isOpen === true) return shared;
    }
    const idle = this.#takeIdle();
    this.#shared = idle === undefined ? this.#open(signal) : Promise.resolve(idle);
    return await this.#shared;
  }

  /** A connection for one long operation. A store that is used for one thing at a time needs only one. */
  async #ownConnection(signal: AbortSignal): Promise<DaemonConnection> {
    const idle = this.#takeIdle();
    if (idle !== undefined) return idle;
    const sharedNow = this.#shared;
    const shared = await sharedNow?.catch(() => undefined);
    if (shared?.isIdle === true && this.#shared === sharedNow) {
      this.#shared = undefined;
      return shared;
    }
    return await this.#open(signal);
  }

  #takeIdle(): DaemonConnection | undefined {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) if (idle.isOpen) return idle;
    return undefined;
  }

  #giveBack(connection: DaemonConnection): void {
    if (connection.isOpen && !this.#isClosed) this.#idle.push(connection);
    else this.#all.delete(connection);
  }

  async #open(signal: AbortSignal): Promise<DaemonConnection> {
    if (this.#isClosed) throw new OperationError("DAEMON_CONNECTION_LOST", `the store ${this.uri} was closed`);
    const { handshakeTimeoutMs: timeoutMs, minorOffered } = this.#options;
    const duplex = await this.#options.connect(signal);
    const connection = await DaemonConnection.open(this.uri, duplex, {
      signal,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(minorOffered === undefined ? {} : { minorOffered }),
    });
    this.#all.add(connection);
    const { settings } = this.#options;
    if (settings !== undefined) {
      await connection.call(
        OPERATIONS.setOptions,
        (writer) => writeSettings(writer, settings),
        nothing(),
        this.#question(signal),
      );
    }
    return connection;
  }
}

/**
 * Passes on a NAR that is what was announced. A NAR of another size would make the daemon read one object's bytes as
 * another's, and with the hash known here the message can say that it was not the daemon or the network.
 */
async function* checkedContents(
  info: PathInfo,
  nar: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hasher = new Hasher(info.narHash.algorithm);
  let size = 0;
  // The last chunk is kept back until the whole has been checked.
  let held: Uint8Array = new Uint8Array(0);
  for await (const chunk of nar) {
    size += chunk.length;
    if (size > info.narSize) break;
    hasher.update(chunk);
    if (held.length > 0) yield held;
    held = chunk;
  }
  const found = hasher.digest();
  if (size === info.narSize && found.equals(info.narHash)) {
    yield held;
    return;
  }
  const got = size > info.narSize ? "more bytes" : `${found.render("nix32")}, ${size} bytes`;
  throw new OperationError(
    "NAR_HASH_MISMATCH",
    `the contents of ${info.path.baseName} are not what was announced:\n` +
      `  expected: ${info.narHash.render("nix32")}, ${info.narSize} bytes\n  got:      ${got}`,
    { hint: "the store they come from is damaged: verify it", retryable: false },
  );
}

function* readCollectOutcome(): Wire<Omit<CollectOutcome, "keptCount">> {
  const paths = yield* readList("paths", () => readString("path"));
  const freedBytes = yield* readUint("freed bytes");
  yield* readUint("obsolete");
  return { deleted: paths.map((path) => path.slice(path.lastIndexOf("/") + 1)), freedBytes };
}

function writeSettings(writer: WireWriter, settings: DaemonSettings): void {
  const overrides = Object.entries(settings.overrides ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  writer
    .bool(false)
    .bool(settings.keepGoing ?? false)
    .bool(false)
    .uint(LEVEL_INFO)
    .uint(settings.jobsMax ?? 1)
    .uint(0)
    .bool(true)
    .uint(LEVEL_VOMIT)
    .uint(0)
    .uint(0)
    .uint(settings.coresPerBuild ?? 0)
    .bool(settings.substitute ?? true)
    .uint(overrides.length);
  for (const [name, value] of overrides) writer.string(name).string(value);
}

/** The body of operations that take no arguments. */
function none(): void {
  // Nothing is written.
}
