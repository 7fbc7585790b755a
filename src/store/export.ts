/** The format of `nix-store --export`: archives one after the other, each followed by what the store knows of it. */

import { OperationError } from "../base/errors.ts";
import { hashBytes } from "../format/hash.ts";
import { NarDecoder, NULL_SINK } from "../format/nar-decoder.ts";
import { StorePath } from "../format/store-path.ts";
import { topologicalOrder } from "../format/closure-graph.ts";
import { readBigUint, readString, readStrings, readUint, type Wire, WireWriter } from "../protocol/wire.ts";
import type { LocalStore } from "./local-store.ts";

const MAGIC = 0x4558494e;
const STRING_BYTES_MAX = 4096;

/** Writes valid objects, references first. */
export async function* exportPaths(
  store: LocalStore,
  paths: readonly StorePath[],
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { storeDir } = store;
  const one = new WireWriter();
  for (const path of topologicalOrder(paths, (member) => store.database.references(member))) {
    const info = await store.pathInfo(path);
    yield one.uint(1).take();
    yield* store.nar(path, signal);
    const trailer = new WireWriter().uint(MAGIC).string(path.render(storeDir));
    trailer.strings((info?.references ?? []).map((reference) => reference.render(storeDir)));
    yield trailer
      .string(info?.deriver?.render(storeDir) ?? "")
      .uint(0)
      .take();
  }
  yield one.uint(0).take();
}

/** Adds what `exportPaths` wrote; the paths in order. Each archive is held in memory until it is known what it is. */
export async function importPaths(
  store: LocalStore,
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<StorePath[]> {
  const input = new Input(source);
  const imported: StorePath[] = [];
  for (;;) {
    const marker = await input.decode(readBigUint());
    if (marker === 0n) return imported;
    if (marker !== 1n) throw malformed("input doesn't look like something created by 'nix-store --export'");
    const nar = await input.archive();
    if ((await input.decode(readUint("magic"))) !== MAGIC) {
      throw malformed("Nix archive cannot be imported; wrong format");
    }
    const path = StorePath.ofFull(await input.decode(readString("path", STRING_BYTES_MAX)), store.storeDir);
    const references = await input.decode(readStrings("references"));
    const deriver = await input.decode(readString("deriver", STRING_BYTES_MAX));
    // A signature of a form that nothing checks any more.
    if ((await input.decode(readUint("has signature"))) === 1) await input.decode(readString("signature"));
    const info = {
      path,
      narHash: hashBytes("sha256", nar),
      narSize: nar.length,
      references: references.map((reference) => StorePath.ofFull(reference, store.storeDir)),
      ...(deriver === "" ? {} : { deriver: StorePath.ofFull(deriver, store.storeDir) }),
      signatures: [],
      ultimate: false,
      registrationTime: 0,
    };
    await store.add(info, chunksOf(nar), signal);
    imported.push(path);
  }
}

async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function malformed(message: string): OperationError {
  return new OperationError("EXPORT_MALFORMED", message);
}

/** Bytes as they come, handed out in the pieces that decoders ask for. */
class Input {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  async decode<T>(wire: Wire<T>): Promise<T> {
    for (let step = wire.next(Buffer.alloc(0)); ;) {
      if (step.done === true) return step.value;
      while (this.#rest.length < step.value) await this.#more();
      const piece = this.#rest.subarray(0, step.value);
      this.#rest = this.#rest.subarray(step.value);
      step = wire.next(piece);
    }
  }

  async archive(): Promise<Buffer> {
    const decoder = new NarDecoder(NULL_SINK);
    const pieces: Buffer[] = [];
    while (!decoder.isDone) {
      if (this.#rest.length === 0) await this.#more();
      const used = decoder.write(this.#rest);
      pieces.push(this.#rest.subarray(0, used));
      this.#rest = this.#rest.subarray(used);
    }
    return Buffer.concat(pieces);
  }

  async #more(): Promise<void> {
    const next = await this.#chunks.next();
    if (next.done === true) throw malformed("the input ends too early");
    this.#rest = this.#rest.length === 0 ? Buffer.from(next.value) : Buffer.concat([this.#rest, next.value]);
  }
}
