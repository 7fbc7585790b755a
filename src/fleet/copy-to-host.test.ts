/** Copies to a host whose connection breaks: what has arrived is not sent again, and nothing is tried for ever. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { OperationError } from "../base/errors.ts";
import type { StorePath } from "../format/store-path.ts";
import type { LogEvent } from "../protocol/worker/log-frames.ts";
import { MemoryStore } from "../store/memory-store.ts";
import type { AddProgress, StoreItem } from "../store/store.ts";
import { objectOf, type StoredObject } from "../../test/contract/store-contract.ts";
import { VirtualClock } from "../../test/support/model-host.ts";
import { copyToHost, type CopyTarget } from "./copy-to-host.ts";

const signal = AbortSignal.timeout(30_000);

/** A chain of objects of a good kilobyte each, references first. */
const CHAIN = ["a", "b", "c", "d", "f"].reduce<StoredObject[]>((chain, letter) => {
  const tree = { type: "regular", executable: false, contents: Buffer.alloc(1000, letter) } as const;
  return [...chain, objectOf(letter, tree, chain.length === 0 ? [] : [chain.at(-1)!.info.path])];
}, []);
const OBJECT_BYTES = CHAIN[0]!.info.narSize;
const ROOT = CHAIN.at(-1)!.info.path;

async function source(): Promise<MemoryStore> {
  const store = new MemoryStore();
  for (const { info, nar } of CHAIN) await store.add(info, nar(), signal);
  return store;
}

/** A host behind connections, each of which carries so many bytes. */
class FlakyHost extends MemoryStore implements CopyTarget {
  readonly #carries: number[];
  readonly error: OperationError;
  connections = 0;
  sentBytes = 0;
  rooted: StorePath[] = [];
  /** What its substituters have. */
  cached: readonly StoredObject[] = [];
  #left = 0;
  #isOpen = false;

  constructor(carries: readonly number[], error: OperationError = LOST) {
    super();
    this.#carries = [...carries];
    this.error = error;
  }

  async store(): Promise<this> {
    if (this.#isOpen) return this;
    this.connections++;
    this.#left = this.#carries.shift() ?? 0;
    if (this.#left === 0) throw this.error;
    this.#isOpen = true;
    return this;
  }

  async disconnect(): Promise<void> {
    this.#isOpen = false;
    // Temporary roots live as long as their connection.
    this.rooted = [];
  }

  async addTempRoots(paths: readonly StorePath[]): Promise<void> {
    this.rooted.push(...paths);
  }

  async substitute(
    paths: readonly StorePath[],
    { onLog }: { readonly onLog?: (event: LogEvent) => void },
  ): Promise<Set<string>> {
    onLog?.({ kind: "message", text: "warning: one of two caches does not answer" });
    const wanted = new Set(paths.map(({ baseName }) => baseName));
    for (const { info, nar } of this.cached) {
      if (wanted.has(info.path.baseName)) await super.addMany([{ info, nar }], signal);
    }
    return await this.validPaths(paths);
  }

  override async addMany(
    items: readonly StoreItem[],
    aborted: AbortSignal,
    onProgress?: (progress: AddProgress) => void,
  ): Promise<void> {
    const through = (nar: () => AsyncIterable<Uint8Array>) =>
      async function* (this: void): AsyncGenerator<Uint8Array> {
        for await (const chunk of nar()) yield carry(chunk);
      };
    const carry = (chunk: Uint8Array): Uint8Array => {
      assert.deepEqual(this.rooted, [ROOT]);
      this.sentBytes += Math.min(chunk.length, this.#left);
      this.#left -= chunk.length;
      if (this.#left < 0) throw this.error;
      return chunk;
    };
    await super.addMany(
      items.map(({ info, nar }) => ({ info, nar: through(nar) })),
      aborted,
      onProgress,
    );
  }
}

const LOST = new OperationError("DAEMON_CONNECTION_LOST", "the connection was lost", { retryable: true });

test("a copy goes on over new connections, and sends again only what was under way", async () => {
  const half = OBJECT_BYTES / 2;
  const host = new FlakyHost([2 * OBJECT_BYTES + half, OBJECT_BYTES + half, Infinity]);
  const clock = new VirtualClock();
  const notes: string[] = [];
  const copied = await copyToHost({
    from: await source(),
    to: host,
    roots: [ROOT],
    clock,
    signal,
    onNote: (text) => notes.push(text),
  });
  assert.deepEqual(copied, { paths: CHAIN.length, bytes: CHAIN.length * OBJECT_BYTES });
  assert.equal(host.connections, 3);
  assert.equal(host.sentBytes, CHAIN.length * OBJECT_BYTES + 2 * half);
  assert.deepEqual(notes, Array(2).fill("copying was interrupted: the connection was lost; going on in 1 s"));
  assert.equal((await host.validPaths(CHAIN.map(({ info }) => info.path))).size, CHAIN.length);
});

test("what the host's substituters have is not sent, where that is wanted", async () => {
  const copy = async (substitutes: boolean): Promise<{ host: FlakyHost; paths: number; notes: string[] }> => {
    const host = new FlakyHost([Infinity]);
    host.cached = CHAIN.slice(0, 3);
    const notes: string[] = [];
    const onNote = (text: string): void => void notes.push(text);
    const clock = new VirtualClock();
    const copied = await copyToHost({
      from: await source(),
      to: host,
      roots: [ROOT],
      substitutes,
      clock,
      signal,
      onNote,
    });
    assert.equal((await host.validPaths(CHAIN.map(({ info }) => info.path))).size, CHAIN.length);
    return { host, paths: copied.paths, notes };
  };
  const helped = await copy(true);
  assert.deepEqual([helped.paths, helped.host.sentBytes], [2, 2 * OBJECT_BYTES]);
  assert.deepEqual(helped.notes, [
    "the host says: warning: one of two caches does not answer",
    "the host has fetched 3 of 5 paths from its substituters",
  ]);
  const without = await copy(false);
  assert.deepEqual([without.paths, without.notes], [5, []]);
});

test("a host that stays away is given up after a while, and what has arrived stays", async () => {
  const host = new FlakyHost([OBJECT_BYTES]);
  const clock = new VirtualClock();
  const copying = copyToHost({ from: await source(), to: host, roots: [ROOT], clock, signal });
  await assert.rejects(copying, LOST);
  assert.equal(host.connections, 7);
  assert.ok(clock.nowMs() > 60_000 && clock.nowMs() < 120_000);
  assert.equal((await host.validPaths(CHAIN.map(({ info }) => info.path))).size, 1);
});

test("what another try cannot mend is not tried again", async () => {
  const full = new OperationError("DAEMON_REFUSED", "no space left");
  const host = new FlakyHost([OBJECT_BYTES], full);
  const copying = copyToHost({ from: await source(), to: host, roots: [ROOT], clock: new VirtualClock(), signal });
  await assert.rejects(copying, full);
  assert.equal(host.connections, 1);
});

test("an interrupt ends a copy that waits for its host", async () => {
  const stop = new AbortController();
  const copying = copyToHost({
    from: await source(),
    to: new FlakyHost([]),
    roots: [ROOT],
    clock: new VirtualClock(),
    signal: stop.signal,
    onNote: () => stop.abort(new Error("interrupted")),
  });
  await assert.rejects(copying, /interrupted/);
});
