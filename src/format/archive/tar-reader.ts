/** Reads tar archives as they arrive, in bounded memory. */

import { FormatError } from "../../base/errors.ts";
import { ByteReader } from "../byte-reader.ts";
import { type ArchiveEntry, noContents } from "./archive-entry.ts";
import { longName, parsePaxRecords, parseTarHeader, TAR_BLOCK_BYTES, type TarHeader } from "./tar-header.ts";

/** Names and other records of one member. */
const EXTENSION_BYTES_MAX = 1024 * 1024;

const TYPES: Readonly<Record<string, ArchiveEntry["type"]>> = {
  "\0": "file",
  "0": "file",
  "7": "file",
  "1": "hardlink",
  "2": "symlink",
  "5": "directory",
};

interface Extensions {
  path?: string;
  linkTarget?: string;
  size?: number;
  modifiedAt?: number;
}

/** The members of an archive, in order. */
export async function* readTar(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<ArchiveEntry, void, undefined> {
  const input = new ByteReader(chunks, "tar");
  try {
    yield* readMembers(input);
  } finally {
    await input.close();
  }
}

async function* readMembers(input: ByteReader): AsyncGenerator<ArchiveEntry, void, undefined> {
  let extensions: Extensions = {};
  for (;;) {
    const block = await input.take(TAR_BLOCK_BYTES, { mayEnd: true });
    if (block === undefined) return;
    const header = parseTarHeader(block, input.offset - TAR_BLOCK_BYTES);
    if (header === undefined) return;
    if ("LKxg".includes(header.flag)) {
      await readExtension(input, header, extensions);
      continue;
    }
    const size = extensions.size ?? header.size;
    if (size < 0) throw new FormatError("tar", "a member has a negative size", input.offset);
    const entry = entryOf(header, extensions);
    extensions = {};
    const hasContents = entry.type === "file" || entry.type === "other";
    const left = { bytes: hasContents ? size : 0 };
    yield { ...entry, contents: entry.type === "file" ? contentsOf(input, left) : noContents() };
    await input.skip(left.bytes);
    if (hasContents) await input.skip(paddingOf(size));
  }
}

function entryOf(header: TarHeader, extensions: Extensions): Omit<ArchiveEntry, "contents"> {
  const path = extensions.path ?? header.path;
  const type = TYPES[header.flag] ?? "other";
  return {
    path,
    // Old archives have directories as files whose name ends so.
    type: type === "file" && path.endsWith("/") ? "directory" : type,
    linkTarget: extensions.linkTarget ?? header.linkTarget,
    executable: (header.mode & 0o100) !== 0,
    modifiedAt: extensions.modifiedAt ?? header.modifiedAt,
  };
}

async function readExtension(input: ByteReader, header: TarHeader, extensions: Extensions): Promise<void> {
  if (header.size < 0 || header.size > EXTENSION_BYTES_MAX) {
    throw new FormatError("tar", "an extended header is too large", input.offset);
  }
  const contents = (await input.take(header.size))!;
  await input.skip(paddingOf(header.size));
  if (header.flag === "L") extensions.path = longName(contents);
  else if (header.flag === "K") extensions.linkTarget = longName(contents);
  else if (header.flag === "x") {
    const records = parsePaxRecords(contents);
    if ([...records.keys()].some((name) => name.startsWith("GNU.sparse."))) {
      throw new FormatError("tar", "has sparse files, which are not supported");
    }
    const path = records.get("path");
    const linkTarget = records.get("linkpath");
    const size = records.get("size");
    const modifiedAt = records.get("mtime");
    if (path !== undefined) extensions.path = path;
    if (linkTarget !== undefined) extensions.linkTarget = linkTarget;
    if (size !== undefined) extensions.size = wholeNumber(size);
    if (modifiedAt !== undefined) extensions.modifiedAt = Math.floor(Number(modifiedAt)) || 0;
  }
}

function wholeNumber(text: string): number {
  const value = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new FormatError("tar", "bad extended header");
  return value;
}

async function* contentsOf(input: ByteReader, left: { bytes: number }): AsyncGenerator<Uint8Array, void, undefined> {
  while (left.bytes > 0) {
    const chunk = await input.some(left.bytes);
    left.bytes -= chunk.length;
    yield chunk;
  }
}

function paddingOf(size: number): number {
  return (TAR_BLOCK_BYTES - (size % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES;
}
