/** The headers of tar archives: ustar, GNU's long names and numbers, and what pax adds. Texts are byte strings. */

import { FormatError } from "../../base/errors.ts";

export const TAR_BLOCK_BYTES = 512;

export interface TarHeader {
  /** One character; `L`, `K`, `x` and `g` say something of the member that follows. */
  readonly flag: string;
  readonly path: string;
  readonly linkTarget: string;
  readonly mode: number;
  readonly size: number;
  readonly modifiedAt: number;
}

/** Parses one block; `undefined` for a block of zeros, which ends the archive. */
export function parseTarHeader(block: Uint8Array, offset: number): TarHeader | undefined {
  const header = Buffer.from(block.buffer, block.byteOffset, TAR_BLOCK_BYTES);
  if (header.every((byte) => byte === 0)) return undefined;
  checkSum(header, offset);
  const isPosix = header.toString("latin1", 257, 262) === "ustar" && header[263] === 48;
  const prefix = isPosix ? textField(header, 345, 155) : "";
  const name = textField(header, 0, 100);
  return {
    flag: String.fromCharCode(header[156]!),
    path: prefix === "" ? name : `${prefix}/${name}`,
    linkTarget: textField(header, 157, 100),
    mode: numberField(header, 100, 8, offset),
    size: numberField(header, 124, 12, offset),
    modifiedAt: numberField(header, 136, 12, offset),
  };
}

/** The text of a GNU long name: up to the first NUL. */
export function longName(contents: Uint8Array): string {
  return textField(Buffer.from(contents.buffer, contents.byteOffset, contents.length), 0, contents.length);
}

/** The records of a pax header. */
export function parsePaxRecords(bytes: Uint8Array): ReadonlyMap<string, string> {
  const contents = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const records = new Map<string, string>();
  let at = 0;
  while (at < contents.length) {
    const blank = contents.indexOf(32, at);
    const size = Number(contents.toString("latin1", at, blank));
    if (blank < 0 || !Number.isInteger(size) || size <= blank - at || at + size > contents.length) {
      throw new FormatError("tar", "bad extended header");
    }
    const record = contents.toString("latin1", blank + 1, at + size - 1);
    const equals = record.indexOf("=");
    records.set(record.slice(0, equals), record.slice(equals + 1));
    at += size;
  }
  return records;
}

function textField(bytes: Buffer, start: number, length: number): string {
  const end = bytes.indexOf(0, start);
  return bytes.toString("latin1", start, end < 0 || end > start + length ? start + length : end);
}

function numberField(header: Buffer, start: number, length: number, offset: number): number {
  const first = header[start]!;
  if (first >= 0x80) return binaryNumber(header.subarray(start, start + length), offset + start);
  const digits = textField(header, start, length).trim();
  if (!/^[0-7]*$/.test(digits)) throw new FormatError("tar", "a number is not octal", offset + start);
  return digits === "" ? 0 : Number.parseInt(digits, 8);
}

/** GNU's binary numbers: two's complement, the first bit being the mark. */
function binaryNumber(field: Buffer, offset: number): number {
  let value = BigInt(field[0]! & 0x7f);
  for (const byte of field.subarray(1)) value = value * 256n + BigInt(byte);
  const number = Number(BigInt.asIntN(field.length * 8 - 1, value));
  if (!Number.isSafeInteger(number)) throw new FormatError("tar", "a number is too large", offset);
  return number;
}

function checkSum(header: Buffer, offset: number): void {
  let sum = 8 * 32;
  for (let i = 0; i < TAR_BLOCK_BYTES; i++) if (i < 148 || i >= 156) sum += header[i]!;
  if (sum !== numberField(header, 148, 8, offset)) {
    throw new FormatError("tar", "header checksum is wrong", offset);
  }
}
