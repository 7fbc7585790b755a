/**
 * Decodes a NAR that arrives in chunks of any size, telling a sink what it holds.
 *
 * Only canonical archives are accepted: names in order, zero padding, nothing that could lead outside the tree. The
 * bytes come from caches, daemons and other machines, so lengths, depth and names are bounded.
 */

import { FormatError } from "../base/errors.ts";
import {
  NAR_DEPTH_MAX,
  NAR_MAGIC,
  NAR_NAME_BYTES_MAX,
  NAR_TARGET_BYTES_MAX,
  narToken,
  narTokens,
  padding,
} from "./nar.ts";

/** Receives a tree in archive order: a directory before its entries, a file's contents between its start and end. */
export interface NarSink {
  directory(path: string): void;
  symlink(path: string, target: string): void;
  regular(path: string, file: { readonly executable: boolean; readonly size: number }): void;
  /** Contents of the regular file that was begun last. The chunk is valid only during the call. */
  data(chunk: Uint8Array): void;
  /** The regular file that was begun last is complete. */
  regularEnd(): void;
  /** The directory's entries are complete. */
  directoryEnd(path: string): void;
}

/** A sink that only checks the archive. */
export const NULL_SINK: NarSink = {
  directory: () => {},
  symlink: () => {},
  regular: () => {},
  data: () => {},
  regularEnd: () => {},
  directoryEnd: () => {},
};

export class NarDecoder {
  /** Bytes of the archive so far. */
  size = 0;
  readonly #steps: Generator<Request, void, Buffer>;
  /** What the grammar waits for: so many bytes together, or so many in any pieces. */
  #request: Request | undefined;
  /** Part of a piece that a chunk's end cut. */
  readonly #carry = Buffer.allocUnsafe(NAR_TARGET_BYTES_MAX + 16);
  #carried = 0;
  readonly #sink: NarSink;

  constructor(sink: NarSink) {
    this.#sink = sink;
    this.#steps = grammar(sink, () => this.size);
    this.#advance(NOTHING);
  }

  /** Whether the archive is complete. */
  get isDone(): boolean {
    return this.#request === undefined;
  }

  /** Takes bytes and returns how many belonged to the archive: fewer than given only when it is complete. */
  write(chunk: Uint8Array): number {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let offset = 0;
    for (;;) {
      const request = this.#request;
      if (request === undefined) return offset;
      const available = bytes.length - offset;
      if (request.stream) {
        if (request.size === 0) {
          this.#advance(NOTHING);
          continue;
        }
        if (available === 0) return offset;
        const taken = Math.min(available, request.size);
        this.#sink.data(bytes.subarray(offset, offset + taken));
        offset += taken;
        this.size += taken;
        this.#request = { stream: true, size: request.size - taken };
        continue;
      }
      if (this.#carried === 0 && available >= request.size) {
        const piece = bytes.subarray(offset, offset + request.size);
        offset += request.size;
        this.size += request.size;
        this.#advance(piece);
        continue;
      }
      if (available === 0) return offset;
      const taken = Math.min(available, request.size - this.#carried);
      bytes.copy(this.#carry, this.#carried, offset, offset + taken);
      offset += taken;
      this.size += taken;
      this.#carried += taken;
      if (this.#carried === request.size) {
        this.#carried = 0;
        this.#advance(this.#carry.subarray(0, request.size));
      }
    }
  }

  /** Says that there are no more bytes; throws `FormatError` when the archive is not complete. */
  end(): void {
    if (!this.isDone) throw new FormatError("nar", "ends too early", this.size);
  }

  #advance(piece: Buffer): void {
    const step = this.#steps.next(piece);
    this.#request = step.done === true ? undefined : step.value;
  }
}

/** Decodes an archive that is in memory as a whole. */
export function decodeNar(bytes: Uint8Array, sink: NarSink): void {
  const decoder = new NarDecoder(sink);
  const taken = decoder.write(bytes);
  decoder.end();
  if (taken !== bytes.length) throw new FormatError("nar", "bytes after the end", taken);
}

interface Request {
  readonly stream: boolean;
  readonly size: number;
}

const NOTHING = Buffer.alloc(0);
const MAGIC = narToken(NAR_MAGIC);
const OPEN_TYPE = narTokens("(", "type");
const OPEN_NAME = narTokens("(", "name");
const EMPTY_CONTENTS = narTokens("", "contents");
const TARGET = narToken("target");
const NODE = narToken("node");
const CLOSE = narToken(")");
const KEYWORD_BYTES_MAX = 16;

const EIGHT: Request = { stream: false, size: 8 };

interface Level {
  readonly path: string;
  lastName: string;
}

/** The grammar, as a coroutine that yields how many bytes it wants next. */
function* grammar(sink: NarSink, position: () => number): Generator<Request, void, Buffer> {
  const stack: Level[] = [];
  yield* expect(MAGIC, NAR_MAGIC, position);
  let path = "";
  for (;;) {
    yield* expect(OPEN_TYPE, "( type", position);
    const type = yield* token("type", KEYWORD_BYTES_MAX, position);
    if (type === "regular") yield* regular(sink, path, position);
    else if (type === "symlink") {
      yield* expect(TARGET, "target", position);
      const target = yield* token("target", NAR_TARGET_BYTES_MAX, position);
      if (target === "" || target.includes("\0")) throw new FormatError("nar", "bad link target", position());
      sink.symlink(path, target);
      yield* expect(CLOSE, ")", position);
    } else if (type === "directory") {
      if (stack.length >= NAR_DEPTH_MAX) throw new FormatError("nar", "nested too deeply", position());
      sink.directory(path);
      stack.push({ path, lastName: "" });
    } else throw new FormatError("nar", `unknown type of file '${printable(type)}'`, position());

    if (type !== "directory" && stack.length > 0) yield* expect(CLOSE, ")", position);
    for (;;) {
      const level = stack.at(-1);
      if (level === undefined) return;
      const keyword = yield* token("entry", KEYWORD_BYTES_MAX, position);
      if (keyword === "entry") {
        path = yield* entry(level, position);
        break;
      }
      if (keyword !== ")")
        throw new FormatError("nar", `expected 'entry' or ')', not '${printable(keyword)}'`, position());
      stack.pop();
      sink.directoryEnd(level.path);
      if (stack.length > 0) yield* expect(CLOSE, ")", position);
    }
  }
}

function* regular(sink: NarSink, path: string, position: () => number): Generator<Request, void, Buffer> {
  let keyword = yield* token("contents", KEYWORD_BYTES_MAX, position);
  const executable = keyword === "executable";
  if (executable) {
    yield* expect(EMPTY_CONTENTS, "contents", position);
    keyword = "contents";
  }
  if (keyword !== "contents")
    throw new FormatError("nar", `expected 'contents', not '${printable(keyword)}'`, position());
  const size = uint(yield EIGHT, "contents", position);
  sink.regular(path, { executable, size });
  yield { stream: true, size };
  yield* zeros(padding(size), position);
  sink.regularEnd();
  yield* expect(CLOSE, ")", position);
}

function* entry(level: Level, position: () => number): Generator<Request, string, Buffer> {
  yield* expect(OPEN_NAME, "( name", position);
  const name = yield* token("name", NAR_NAME_BYTES_MAX, position);
  if (name === "" || name === "." || name === ".." || name.includes("/") || name.includes("\0")) {
    throw new FormatError("nar", `bad file name '${printable(name)}'`, position());
  }
  if (name <= level.lastName) throw new FormatError("nar", `'${printable(name)}' is out of order`, position());
  level.lastName = name;
  yield* expect(NODE, "node", position);
  return level.path === "" ? name : `${level.path}/${name}`;
}

function* token(field: string, sizeMax: number, position: () => number): Generator<Request, string, Buffer> {
  const size = uint(yield EIGHT, field, position);
  if (size > sizeMax) throw new FormatError("nar", `${field} of ${size} bytes is too long`, position());
  if (size === 0) return "";
  const bytes = yield { stream: false, size: size + padding(size) };
  for (let i = size; i < bytes.length; i++) {
    if (bytes[i] !== 0) throw new FormatError("nar", `padding of ${field} is not zero`, position());
  }
  return bytes.toString("latin1", 0, size);
}

function* expect(bytes: Buffer, what: string, position: () => number): Generator<Request, void, Buffer> {
  const found = yield { stream: false, size: bytes.length };
  if (!found.equals(bytes)) throw new FormatError("nar", `expected '${what}'`, position() - bytes.length);
}

function* zeros(size: number, position: () => number): Generator<Request, void, Buffer> {
  if (size === 0) return;
  const bytes = yield { stream: false, size };
  if (bytes.some((byte) => byte !== 0)) throw new FormatError("nar", "padding of contents is not zero", position());
}

function uint(bytes: Buffer, field: string, position: () => number): number {
  const high = bytes.readUInt32LE(4);
  if (high >= 2 ** 21) throw new FormatError("nar", `length of ${field} is too large`, position() - 8);
  return high * 2 ** 32 + bytes.readUInt32LE(0);
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?");
}
