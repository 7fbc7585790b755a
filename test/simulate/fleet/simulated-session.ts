/** The way from a deployer's process to a host: connections that break at any message, the kit, and the host's store. */

import { OperationError } from "../../../src/base/errors.ts";
import type { PathInfo } from "../../../src/format/path-info.ts";
import type { StorePath } from "../../../src/format/store-path.ts";
import type { ActivationKit } from "../../../src/fleet/activate-host.ts";
import { type KitCall, KitError } from "../../../src/fleet/host-kit.ts";
import type { DeploySession } from "../../../src/fleet/deploy.ts";
import { answerOf, isAtRest } from "../../../src/kit/follow.ts";
import { KitError as KitRefusal } from "../../../src/kit/kit-error.ts";
import type { HookAnswer, HookRequest } from "../../../src/machine/hook.ts";
import type { HistoryAnswer } from "../../../src/machine/facts.ts";
import type { JournalAnswer } from "../../../src/machine/transaction.ts";
import type { AddProgress, ReadStore, StoreItem, WriteStore } from "../../../src/store/store.ts";
import { Killed } from "../../support/fake-machine.ts";
import type { Random } from "../../support/random.ts";
import { INFOS, systemAt } from "./catalogue.ts";
import type { DeployerProcess } from "./deployer-process.ts";
import type { Safeguard } from "./safeguards.ts";
import { Ended, type SimulatedHost } from "./simulated-host.ts";

/** What befalls the network to one host. */
export interface LinkFate {
  readonly outages: readonly { readonly fromMs: number; readonly toMs: number }[];
  readonly latencyMsMax: number;
  /** How often a connection does not come about, a message is lost, and an established connection breaks. */
  readonly losses: number;
  /** How often the host's store takes nothing more. */
  readonly storeFull: number;
}

export class Link {
  readonly #fate: LinkFate;
  readonly #random: Random;
  /** From then on nothing goes wrong. */
  isQuiet = false;

  constructor(fate: LinkFate, random: Random) {
    this.#fate = fate;
    this.#random = random;
  }

  isUp(nowMs: number): boolean {
    return this.isQuiet || !this.#fate.outages.some(({ fromMs, toMs }) => nowMs >= fromMs && nowMs < toMs);
  }

  loses(): boolean {
    return this.#random.chance(this.#fate.losses) && !this.isQuiet;
  }

  isStoreFull(): boolean {
    return this.#random.chance(this.#fate.storeFull) && !this.isQuiet;
  }

  latencyMs(): number {
    return 5 + this.#random.upTo(this.#fate.latencyMsMax);
  }

  lastsMs(): number {
    return this.loses() ? this.#random.upTo(40_000) : Infinity;
  }
}

interface Connection {
  readonly epoch: number;
  readonly diesAtMs: number;
}

const CONNECT_TIMEOUT_MS = 10_000;
/** Until keep-alives tell of a dead connection. */
const KEEP_ALIVE_MS = 15_000;
const FOLLOW_PAUSE_MS = 500;
const DEADLINE_MS = { facts: 45_000, begin: 120_000, other: 60_000, store: Infinity };
const CHUNKS = 3;

export class SimulatedSession implements DeploySession {
  readonly connection: { readonly address: string; readonly passedOver: readonly string[] };
  readonly host: SimulatedHost;
  readonly #link: Link;
  readonly #process: DeployerProcess;
  readonly #without: Safeguard | undefined;
  #shared: Connection | undefined;
  #isKitPlaced = false;

  constructor(host: SimulatedHost, link: Link, process: DeployerProcess, without: Safeguard | undefined) {
    this.connection = { address: host.name, passedOver: [] };
    this.host = host;
    this.#link = link;
    this.#process = process;
    this.#without = without;
  }

  async kit(signal: AbortSignal): Promise<SimulatedKit> {
    if (!this.#isKitPlaced) await this.exchange({ signal }, DEADLINE_MS.other, async () => undefined);
    this.#isKitPlaced = true;
    return new SimulatedKit(this);
  }

  async store(): Promise<SimulatedStore> {
    return new SimulatedStore(this);
  }

  async disconnect(): Promise<void> {
    this.#shared = undefined;
  }

  /** Whether somebody who comes from here is served. */
  isServed(): boolean {
    return this.#link.isUp(this.nowMs) && this.host.letsIn("new") && systemAt(this.host.running)?.trait !== "unseen";
  }

  isStoreFull(): boolean {
    return this.#link.isStoreFull();
  }

  isRegisteredEarly(): boolean {
    return this.#without === "registration";
  }

  get nowMs(): number {
    return this.#process.time.nowMs;
  }

  /** One question over the shared connection or a fresh one: it may be lost, and so may its answer. */
  exchange<T>(
    call: Pick<KitCall, "signal" | "fresh"> & { readonly deadlineMs?: number },
    deadlineMs: number,
    atHost: (path: Path) => Promise<T>,
  ): Promise<T> {
    const ms = call.deadlineMs ?? deadlineMs;
    let isOver = false;
    const question = this.#ask(call.fresh === true && this.#without !== "fresh-connection", atHost, () => isOver);
    const waited = this.#process.wait(question, {
      signal: call.signal,
      ...(ms === Infinity ? {} : { deadline: { ms, error: () => timedOut(this.host.name) } }),
    });
    return waited.finally(() => (isOver = true));
  }

  async #ask<T>(isFresh: boolean, atHost: (path: Path) => Promise<T>, isOver: () => boolean): Promise<T> {
    const { time } = this.#process;
    const connection = await this.#connect(isFresh);
    const path: Path = {
      isOpen: () => this.#isOpen(connection) && !isOver(),
      sleep: (durationMs) => time.sleep(durationMs),
    };
    await time.sleep(this.#link.latencyMs());
    // What was given up before it was sent is not sent.
    if (isOver()) throw new Ended("it was given up");
    if (!path.isOpen() || this.#link.loses()) return await this.#break(connection);
    let answer: { readonly value: T } | { readonly error: unknown };
    try {
      answer = { value: await atHost(path) };
    } catch (error) {
      answer = { error };
    }
    await time.sleep(this.#link.latencyMs());
    const isLost = "error" in answer && answer.error instanceof Ended;
    if (isLost || !this.#isOpen(connection) || this.#link.loses()) return await this.#break(connection);
    if ("value" in answer) return answer.value;
    throw this.#errorOf(answer.error);
  }

  async #connect(isFresh: boolean): Promise<Connection> {
    const shared = this.#shared;
    if (!isFresh && shared !== undefined) return shared;
    const { time } = this.#process;
    await time.sleep(this.#link.latencyMs());
    if (!this.#link.isUp(time.nowMs) || !this.host.letsIn("new") || this.#link.loses()) {
      await time.sleep(CONNECT_TIMEOUT_MS);
      throw unreachable(this.host.name, "the connection timed out");
    }
    const connection: Connection = { epoch: this.host.epoch, diesAtMs: time.nowMs + this.#link.lastsMs() };
    if (!isFresh) this.#shared = connection;
    return connection;
  }

  #isOpen({ epoch, diesAtMs }: Connection): boolean {
    const { nowMs } = this.#process.time;
    return epoch === this.host.epoch && nowMs < diesAtMs && this.#link.isUp(nowMs) && this.host.letsIn("open");
  }

  async #break(connection: Connection): Promise<never> {
    if (this.#shared === connection) this.#shared = undefined;
    await this.#process.time.sleep(KEEP_ALIVE_MS);
    throw unreachable(this.host.name, "the connection was lost");
  }

  #errorOf(error: unknown): unknown {
    if (error instanceof KitRefusal) return new KitError(this.host.name, error.failure);
    if (error instanceof Killed) {
      return new OperationError("KIT_FAILED", `the kit on ${this.host.name} failed: it ended without an answer`);
    }
    if (error instanceof OperationError) return error;
    const message = error instanceof Error ? error.message : String(error);
    return new KitError(this.host.name, { code: "KIT_FAILED", message });
  }
}

/** A question under way. */
interface Path {
  readonly isOpen: () => boolean;
  readonly sleep: (durationMs: number) => Promise<void>;
}

class SimulatedKit implements ActivationKit {
  readonly connection: { readonly address: string };
  readonly #session: SimulatedSession;

  constructor(session: SimulatedSession) {
    this.connection = session.connection;
    this.#session = session;
  }

  get #host(): SimulatedHost {
    return this.#session.host;
  }

  facts: ActivationKit["facts"] = (call) => this.#session.exchange(call, DEADLINE_MS.facts, () => this.#host.facts());

  begin: ActivationKit["begin"] = (plan, call) =>
    this.#session.exchange(call, DEADLINE_MS.begin, () => this.#host.begin(plan));

  confirm: ActivationKit["confirm"] = (id, call) =>
    this.#session.exchange(call, DEADLINE_MS.other, () => this.#host.confirm(id));

  revert: ActivationKit["revert"] = (id, call, reason) =>
    this.#session.exchange(call, DEADLINE_MS.other, () => this.#host.revert(id, reason));

  hook = (request: HookRequest, call: KitCall): Promise<HookAnswer> =>
    this.#session.exchange(call, DEADLINE_MS.other, () => this.#host.hook(request));

  history = (call: { readonly signal: AbortSignal }): Promise<HistoryAnswer> =>
    this.#session.exchange(call, DEADLINE_MS.other, () => this.#host.history());

  follow: ActivationKit["follow"] = (id, after, onRecord, call) =>
    this.#session.exchange(call, DEADLINE_MS.other, async (path): Promise<JournalAnswer> => {
      let told = after;
      for (let read: unknown; ; await path.sleep(FOLLOW_PAUSE_MS)) {
        if (!path.isOpen()) throw new Ended("the connection is gone");
        const written = this.#host.journalOf(id);
        if (read !== undefined && written === read) continue;
        read = written;
        const record = this.#host.record(id);
        if (record === undefined) {
          throw new KitRefusal("KIT_UNKNOWN", `this host knows no transaction '${id}'`);
        }
        for (const one of record.recordsAfter(told)) onRecord(one);
        told = Math.max(told, record.lastSeq);
        if (isAtRest(this.#host.look(), record)) return { ...answerOf(record, told), records: [] };
      }
    });
}

/** What the systems of the catalogue are copied from. */
export const LOCAL_STORE: ReadStore = {
  uri: "local",
  storeDir: "/nix/store",
  pathInfo: async (path) => INFOS.get(path.baseName),
  pathInfos: async (paths) => infosOf(paths, () => true),
  validPaths: async (paths) => new Set(infosOf(paths, () => true).keys()),
  async *nar(path) {
    const { narSize } = INFOS.get(path.baseName)!;
    for (let chunk = 0; chunk < CHUNKS; chunk++) yield new Uint8Array(narSize / CHUNKS);
  },
};

function infosOf(paths: readonly StorePath[], has: (baseName: string) => boolean): Map<string, PathInfo> {
  return new Map(
    paths.flatMap(({ baseName }) => {
      const info = INFOS.get(baseName);
      return info !== undefined && has(baseName) ? [[baseName, info] as const] : [];
    }),
  );
}

/** A host's store over a session: an object is registered once all of it has arrived. */
class SimulatedStore implements WriteStore {
  readonly uri = "host";
  readonly storeDir = "/nix/store";
  readonly #session: SimulatedSession;

  constructor(session: SimulatedSession) {
    this.#session = session;
  }

  async addTempRoots(): Promise<void> {
    // No collector runs here.
  }

  async pathInfo(path: StorePath, signal: AbortSignal): Promise<PathInfo | undefined> {
    return (await this.pathInfos([path], signal)).get(path.baseName);
  }

  pathInfos(paths: readonly StorePath[], signal: AbortSignal): Promise<Map<string, PathInfo>> {
    const { host } = this.#session;
    return this.#session.exchange({ signal }, DEADLINE_MS.store, async () =>
      infosOf(paths, (baseName) => host.valid.has(baseName)),
    );
  }

  async validPaths(paths: readonly StorePath[], signal: AbortSignal): Promise<Set<string>> {
    return new Set((await this.pathInfos(paths, signal)).keys());
  }

  async substitute(paths: readonly StorePath[], { signal }: { readonly signal: AbortSignal }): Promise<Set<string>> {
    // Hosts of a simulation have no substituters.
    return await this.validPaths(paths, signal);
  }

  nar(): never {
    throw new Error("nothing is read from a host");
  }

  async add(info: PathInfo, nar: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    await this.addMany([{ info, nar: () => nar }], signal);
  }

  addMany(
    items: readonly StoreItem[],
    signal: AbortSignal,
    onProgress?: (progress: AddProgress) => void,
  ): Promise<void> {
    const session = this.#session;
    const bytesTotal = items.reduce((sum, { info }) => sum + info.narSize, 0);
    return session.exchange({ signal }, DEADLINE_MS.store, async (path) => {
      let bytesDone = 0;
      for (const [index, { info, nar }] of items.entries()) {
        const { baseName } = info.path;
        if (!session.host.valid.has(baseName)) {
          let arrived = 0;
          for await (const chunk of nar()) {
            await path.sleep(300);
            if (!path.isOpen()) throw new Ended("the connection is gone");
            if (session.isStoreFull()) throw new OperationError("DAEMON_REFUSED", "no space left on device");
            arrived += chunk.length;
            session.host.arrive(info, arrived, { isRegistered: session.isRegisteredEarly() });
          }
        }
        bytesDone += info.narSize;
        onProgress?.({ pathsDone: index + 1, pathsTotal: items.length, bytesDone, bytesTotal });
      }
    });
  }
}

function unreachable(host: string, message: string): OperationError {
  return new OperationError("HOST_UNREACHABLE", `${host}: ${message}`, { retryable: true });
}

function timedOut(host: string): OperationError {
  return new OperationError("HOST_TIMEOUT", `${host} did not answer in time`, { retryable: true });
}
