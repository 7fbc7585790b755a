/** Reads zip archives in memory: stored and deflated members, Unix modes and links, 64-bit sizes. */

import { constants, inflateRawSync } from "node:zlib";
import { FormatError } from "../../base/errors.ts";
import { type ArchiveEntry, noContents } from "./archive-entry.ts";

const END_SIGNATURE = 0x06054b50;
const END64_SIGNATURE = 0x06064b50;
const LOCATOR64_SIGNATURE = 0x07064b50;
const DIRECTORY_SIGNATURE = 0x02014b50;
const MEMBER_SIGNATURE = 0x04034b50;
const END_BYTES = 22;
const COMMENT_BYTES_MAX = 65_535;
const UNIX = 3;
const FULL32 = 0xffffffff;
const TYPE_MASK = 0o170000;
const SYMLINK = 0o120000;
const DIRECTORY = 0o040000;
const REGULAR = 0o100000;

/** One entry of the directory at the archive's end. */
interface Member {
  readonly path: string;
  readonly flags: number;
  readonly method: number;
  readonly mode: number;
  readonly compressedSize: number;
  readonly size: number;
  readonly offset: number;
  readonly modifiedAt: number;
}

/** Whether bytes begin as a zip archive does; an empty one begins with its end. */
export function isZip(bytes: Uint8Array): boolean {
  if (bytes.length < 4) return false;
  const signature = Buffer.from(bytes.buffer, bytes.byteOffset, 4).readUInt32LE();
  return signature === MEMBER_SIGNATURE || signature === END_SIGNATURE;
}

/** The members of an archive, in the order of its directory. A member's contents are at most `sizeMax` bytes. */
export function* readZip(archive: Uint8Array, sizeMax: number): Generator<ArchiveEntry, void, undefined> {
  const bytes = Buffer.from(archive.buffer, archive.byteOffset, archive.length);
  let { offset, count } = directoryOf(bytes);
  for (; count > 0; count--) {
    const { member, next } = guarded(() => parseMember(bytes, offset), offset);
    offset = next;
    yield entryOf(bytes, member, sizeMax);
  }
}

function entryOf(bytes: Buffer, member: Member, sizeMax: number): ArchiveEntry {
  const type = member.mode & TYPE_MASK;
  const entry = {
    path: member.path,
    linkTarget: "",
    executable: (member.mode & 0o100) !== 0,
    modifiedAt: member.modifiedAt,
    contents: noContents(),
  };
  if (member.path.endsWith("/") || type === DIRECTORY) return { ...entry, type: "directory" };
  if (type === SYMLINK) {
    return { ...entry, type: "symlink", linkTarget: contentsOf(bytes, member, sizeMax).toString("latin1") };
  }
  if (type !== 0 && type !== REGULAR) return { ...entry, type: "other" };
  return { ...entry, type: "file", contents: fileContents(bytes, member, sizeMax) };
}

async function* fileContents(bytes: Buffer, member: Member, sizeMax: number): AsyncGenerator<Uint8Array> {
  yield contentsOf(bytes, member, sizeMax);
}

function contentsOf(bytes: Buffer, member: Member, sizeMax: number): Buffer {
  const { offset, compressedSize, size, method, flags, path } = member;
  const fail = (reason: string): never => {
    throw new FormatError("zip", `'${path}' ${reason}`, offset);
  };
  if ((flags & 1) !== 0) fail("is encrypted");
  if (size > sizeMax) fail("is too large");
  const start = guarded(() => {
    if (bytes.readUInt32LE(offset) !== MEMBER_SIGNATURE) fail("is not where the directory says");
    return offset + 30 + bytes.readUInt16LE(offset + 26) + bytes.readUInt16LE(offset + 28);
  }, offset);
  if (start + compressedSize > bytes.length) fail("is cut off");
  const packed = bytes.subarray(start, start + compressedSize);
  const contents =
    method === 0 ? packed : method === 8 ? inflated(packed, size, fail) : fail("has an unsupported compression");
  return contents.length === size ? contents : fail("has another size than the directory says");
}

function inflated(packed: Buffer, size: number, fail: (reason: string) => never): Buffer {
  try {
    return inflateRawSync(packed, { maxOutputLength: Math.max(size, 1), finishFlush: constants.Z_SYNC_FLUSH });
  } catch {
    return fail("cannot be decompressed");
  }
}

function directoryOf(bytes: Buffer): { offset: number; count: number } {
  const first = Math.max(0, bytes.length - END_BYTES - COMMENT_BYTES_MAX);
  for (let at = bytes.length - END_BYTES; at >= first; at--) {
    if (bytes.readUInt32LE(at) !== END_SIGNATURE) continue;
    const count = bytes.readUInt16LE(at + 10);
    const offset = bytes.readUInt32LE(at + 16);
    if (count !== 0xffff && offset !== FULL32) return { offset, count };
    return guarded(() => directory64Of(bytes, at - 20), at);
  }
  throw new FormatError("zip", "has no directory", bytes.length);
}

function directory64Of(bytes: Buffer, locator: number): { offset: number; count: number } {
  const at = Number(bytes.readBigUInt64LE(locator + 8));
  if (bytes.readUInt32LE(locator) !== LOCATOR64_SIGNATURE || bytes.readUInt32LE(at) !== END64_SIGNATURE) {
    throw new FormatError("zip", "has no 64-bit directory", locator);
  }
  return { count: Number(bytes.readBigUInt64LE(at + 32)), offset: Number(bytes.readBigUInt64LE(at + 48)) };
}

function parseMember(bytes: Buffer, at: number): { readonly member: Member; readonly next: number } {
  if (bytes.readUInt32LE(at) !== DIRECTORY_SIGNATURE) throw new FormatError("zip", "the directory is cut off", at);
  const nameEnd = at + 46 + bytes.readUInt16LE(at + 28);
  const extraEnd = nameEnd + bytes.readUInt16LE(at + 30);
  const attributes = bytes.readUInt32LE(at + 38);
  const extra = parseExtra(bytes.subarray(nameEnd, extraEnd), {
    size: bytes.readUInt32LE(at + 24),
    compressedSize: bytes.readUInt32LE(at + 20),
    offset: bytes.readUInt32LE(at + 42),
  });
  const member = {
    path: bytes.toString("latin1", at + 46, nameEnd),
    flags: bytes.readUInt16LE(at + 8),
    method: bytes.readUInt16LE(at + 10),
    mode: bytes[at + 5] === UNIX ? attributes >>> 16 : (attributes & 0x10) !== 0 ? DIRECTORY : 0,
    size: extra.size,
    compressedSize: extra.compressedSize,
    offset: extra.offset,
    modifiedAt: extra.modifiedAt ?? dosTime(bytes.readUInt16LE(at + 14), bytes.readUInt16LE(at + 12)),
  };
  return { member, next: extraEnd + bytes.readUInt16LE(at + 32) };
}

interface Extra {
  size: number;
  compressedSize: number;
  offset: number;
  modifiedAt?: number;
}

/** Sizes of 64 bits and Unix times lie in records beside a member. */
function parseExtra(bytes: Buffer, extra: Extra): Extra {
  for (let at = 0; at + 4 <= bytes.length;) {
    const id = bytes.readUInt16LE(at);
    const end = at + 4 + bytes.readUInt16LE(at + 2);
    let next = at + 4;
    const take = (): number => Number(bytes.readBigUInt64LE((next += 8) - 8));
    if (id === 0x0001) {
      if (extra.size === FULL32) extra.size = take();
      if (extra.compressedSize === FULL32) extra.compressedSize = take();
      if (extra.offset === FULL32) extra.offset = take();
    } else if (id === 0x5455 && (bytes[at + 4]! & 1) !== 0) extra.modifiedAt = bytes.readInt32LE(at + 5);
    at = end;
  }
  return extra;
}

/** A time of MS-DOS, which is local time. */
function dosTime(date: number, time: number): number {
  const local = new Date(
    (date >> 9) + 1980,
    ((date >> 5) & 15) - 1,
    date & 31,
    time >> 11,
    (time >> 5) & 63,
    (time & 31) * 2,
  );
  return Math.floor(local.getTime() / 1000);
}

/** Reading behind the end is an error of the format, not of ours. */
function guarded<T>(read: () => T, at: number): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof RangeError) throw new FormatError("zip", "is cut off", at);
    throw error;
  }
}
