/** Reads tar archives in memory, as far as Debian packages need. */

import { textOfByteString } from "../../base/byte-string.ts";
import { FormatError } from "../../base/errors.ts";
import { longName, parsePaxRecords, parseTarHeader, TAR_BLOCK_BYTES } from "../archive/tar-header.ts";

export interface TarEntry {
  /** As written, without a leading `./`. */
  readonly path: string;
  readonly type: "file" | "hardlink" | "symlink" | "directory" | "other";
  readonly linkTarget: string;
  readonly mode: number;
  /** A view into the archive. */
  readonly contents: Uint8Array;
}

export function* tarEntries(archive: Uint8Array): Generator<TarEntry, void, undefined> {
  let longPath: string | undefined;
  let longTarget: string | undefined;
  for (let at = 0; at + TAR_BLOCK_BYTES <= archive.length;) {
    const header = parseTarHeader(archive.subarray(at, at + TAR_BLOCK_BYTES), at);
    if (header === undefined) return;
    const { flag, size } = header;
    const start = at + TAR_BLOCK_BYTES;
    if (size < 0 || start + size > archive.length) throw new FormatError("tar", "ends within an entry", at);
    const contents = archive.subarray(start, start + size);
    at = start + Math.ceil(size / TAR_BLOCK_BYTES) * TAR_BLOCK_BYTES;
    if (flag === "L") longPath = longName(contents);
    else if (flag === "K") longTarget = longName(contents);
    else if (flag === "x") {
      const records = parsePaxRecords(contents);
      longPath = records.get("path") ?? longPath;
      longTarget = records.get("linkpath") ?? longTarget;
    } else if (flag !== "g") {
      yield {
        path: textOfByteString(longPath ?? header.path).replace(/^\.\//, ""),
        type: TYPES[flag] ?? "other",
        linkTarget: textOfByteString(longTarget ?? header.linkTarget),
        mode: header.mode,
        contents,
      };
      longPath = undefined;
      longTarget = undefined;
    }
  }
  throw new FormatError("tar", "has no end mark", archive.length);
}

const TYPES: Readonly<Record<string, TarEntry["type"]>> = {
  "\0": "file",
  "0": "file",
  "1": "hardlink",
  "2": "symlink",
  "5": "directory",
};
