/** Reads tar archives in memory, as far as Debian packages need: ustar, GNU long names, pax paths. */

import { FormatError } from "../../base/errors.ts";

export interface TarEntry {
  /** As written, without a leading `./`. */
  readonly path: string;
  readonly type: "file" | "hardlink" | "symlink" | "directory" | "other";
  readonly linkTarget: string;
  readonly mode: number;
  /** A view into the archive. */
  readonly contents: Uint8Array;
}

const BLOCK = 512;

export function* tarEntries(archive: Uint8Array): Generator<TarEntry, void, undefined> {
  const bytes = Buffer.from(archive.buffer, archive.byteOffset, archive.byteLength);
  let longPath: string | undefined;
  let longTarget: string | undefined;
  for (let at = 0; at + BLOCK <= bytes.length;) {
    const header = bytes.subarray(at, at + BLOCK);
    if (header.every((byte) => byte === 0)) return;
    checkSum(header, at);
    const size = number(header, 124, 12, at);
    const start = at + BLOCK;
    if (start + size > bytes.length) throw new FormatError("tar", "ends within an entry", at);
    const contents = bytes.subarray(start, start + size);
    at = start + Math.ceil(size / BLOCK) * BLOCK;
    const flag = String.fromCharCode(header[156]!);
    if (flag === "L") longPath = text(contents, 0, size);
    else if (flag === "K") longTarget = text(contents, 0, size);
    else if (flag === "x") {
      const records = paxRecords(contents);
      longPath = records.get("path") ?? longPath;
      longTarget = records.get("linkpath") ?? longTarget;
    } else if (flag !== "g") {
      const prefix =
        header.toString("latin1", 257, 262) === "ustar" && header[263] === 48 ? text(header, 345, 155) : "";
      const short = text(header, 0, 100);
      const path = longPath ?? (prefix === "" ? short : `${prefix}/${short}`);
      yield {
        path: path.replace(/^\.\//, ""),
        type: TYPES[flag] ?? "other",
        linkTarget: longTarget ?? text(header, 157, 100),
        mode: number(header, 100, 8, at),
        contents,
      };
      longPath = undefined;
      longTarget = undefined;
    }
  }
  throw new FormatError("tar", "has no end mark", bytes.length);
}

const TYPES: Readonly<Record<string, TarEntry["type"]>> = {
  "\0": "file",
  "0": "file",
  "1": "hardlink",
  "2": "symlink",
  "5": "directory",
};

function text(bytes: Buffer, start: number, length: number): string {
  const end = bytes.indexOf(0, start);
  return bytes.toString("utf8", start, end < 0 || end > start + length ? start + length : end);
}

function number(header: Buffer, start: number, length: number, at: number): number {
  const digits = text(header, start, length).trim();
  if (!/^[0-7]*$/.test(digits)) throw new FormatError("tar", "a number is not octal", at + start);
  return Number.parseInt(digits === "" ? "0" : digits, 8);
}

function checkSum(header: Buffer, at: number): void {
  let sum = 8 * 32;
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += header[i]!;
  if (sum !== number(header, 148, 8, at)) throw new FormatError("tar", "header checksum is wrong", at);
}

function paxRecords(contents: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  let at = 0;
  while (at < contents.length) {
    const blank = contents.indexOf(32, at);
    const size = Number(contents.toString("latin1", at, blank));
    if (blank < 0 || !Number.isInteger(size) || size <= blank - at || at + size > contents.length) {
      throw new FormatError("tar", "bad extended header");
    }
    const record = contents.toString("utf8", blank + 1, at + size - 1);
    const equals = record.indexOf("=");
    records.set(record.slice(0, equals), record.slice(equals + 1));
    at += size;
  }
  return records;
}
