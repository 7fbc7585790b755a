/**
 * Decompression of streams, told by how they begin, or by name where that says nothing.
 *
 * gzip, Zstandard and Brotli are Node's; xz and bzip2 are run as programs, which every system has.
 */

import { Readable } from "node:stream";
import { createBrotliDecompress, createGunzip, createZstdDecompress } from "node:zlib";
import { OperationError } from "../base/errors.ts";
import { findProgram, openDuplex, renderExit, succeeded } from "./process.ts";

interface Compression {
  readonly name: string;
  readonly magic: readonly number[];
  readonly program?: { readonly name: string; readonly argv: readonly string[]; readonly package: string };
}

const COMPRESSIONS: readonly Compression[] = [
  { name: "gzip", magic: [0x1f, 0x8b] },
  { name: "zstd", magic: [0x28, 0xb5, 0x2f, 0xfd] },
  {
    name: "xz",
    magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00],
    program: { name: "xz", argv: ["-dc"], package: "xz-utils" },
  },
  { name: "bzip2", magic: [0x42, 0x5a, 0x68], program: { name: "bzip2", argv: ["-dc"], package: "bzip2" } },
  {
    name: "lz4",
    magic: [0x04, 0x22, 0x4d, 0x18],
    program: { name: "lz4", argv: ["-dc"], package: "lz4" },
  },
  {
    name: "lzip",
    magic: [0x4c, 0x5a, 0x49, 0x50],
    program: { name: "lzip", argv: ["-dc"], package: "lzip" },
  },
];

const MAGIC_BYTES_MAX = 6;

/**
 * What a stream says that is compressed as `name` says, in the words of binary caches. As in Nix, a stream shows itself
 * how it is compressed, but for Brotli and for what is not compressed at all.
 */
export async function* decompressedAs(
  name: string,
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (name === "none" || name === "") yield* chunks;
  else if (name === "br") yield* throughNode(chunks, "brotli");
  else if (COMPRESSIONS.some((compression) => compression.name === name)) yield* decompressed(chunks, signal);
  else throw notDecompressed(name, "this way to compress is not known");
}

/** What a stream says once it is decompressed; a stream that is not compressed stays as it is. */
export async function* decompressed(
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const iterator = chunks[Symbol.asyncIterator]();
  let head: Uint8Array = new Uint8Array();
  while (head.length < MAGIC_BYTES_MAX) {
    const next = await iterator.next();
    if (next.done === true) break;
    head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
  }
  const whole = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      if (head.length > 0) yield head;
      yield* { [Symbol.asyncIterator]: () => iterator };
    } finally {
      await iterator.return?.();
    }
  };
  const compression = COMPRESSIONS.find(({ magic }) => magic.every((byte, index) => head[index] === byte));
  if (compression === undefined) yield* whole();
  else if (compression.program === undefined) yield* throughNode(whole(), compression.name);
  else yield* throughProgram(whole(), compression, signal);
}

const NODE_DECOMPRESSORS = { gzip: createGunzip, zstd: createZstdDecompress, brotli: createBrotliDecompress } as const;

async function* throughNode(source: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  const input = Readable.from(source);
  const output = NODE_DECOMPRESSORS[name as keyof typeof NODE_DECOMPRESSORS]();
  let failure: Error | undefined;
  input.on("error", (error: Error) => {
    failure = error;
    output.destroy(error);
  });
  input.pipe(output);
  try {
    yield* output as AsyncIterable<Uint8Array>;
  } catch (error) {
    // What went wrong with the source is the reason, if something did.
    throw failure ?? notDecompressed(name, (error as Error).message, error);
  } finally {
    input.destroy();
    output.destroy();
  }
}

async function* throughProgram(
  source: AsyncIterable<Uint8Array>,
  { name, program }: Compression,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { name: programName, argv, package: packageName } = program!;
  if ((await findProgram(programName)) === undefined) {
    throw new OperationError("PROGRAM_MISSING", `the program '${programName}' was not found`, {
      hint: `install it: apt-get install ${packageName}`,
    });
  }
  const running = openDuplex([programName, ...argv], { signal });
  const input = Readable.from(source);
  let failure: Error | undefined;
  input.on("error", (error: Error) => {
    failure = error;
    running.writable.destroy();
  });
  input.pipe(running.writable);
  try {
    yield* running.readable as AsyncIterable<Uint8Array>;
    const status = await running.exited;
    signal.throwIfAborted();
    if (failure !== undefined) throw failure;
    if (!succeeded(status)) throw notDecompressed(name, running.stderrTail().trim() || renderExit(status));
  } finally {
    input.destroy();
    await running.close();
  }
}

function notDecompressed(name: string, reason: string, cause?: unknown): OperationError {
  return new OperationError("DECOMPRESSION_FAILED", `${name} cannot decompress the data: ${reason}`, { cause });
}
