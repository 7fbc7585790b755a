/** `.narinfo`, the text by which a binary cache describes a store object and the file its NAR is in. */

import { FormatError } from "../base/errors.ts";
import { Hash } from "./hash.ts";
import { type PathInfo, sortedReferences } from "./path-info.ts";
import { StorePath } from "./store-path.ts";

export interface NarInfo {
  readonly info: PathInfo;
  /** Where the file is, relative to the cache. */
  readonly url: string;
  /** `none`, `xz`, `zstd`, `bzip2`, … */
  readonly compression: string;
  readonly fileHash?: Hash;
  readonly fileSize?: number;
}

export const NARINFO_BYTES_MAX: number = 4 * 1024 * 1024;

export function renderNarInfo(narInfo: NarInfo, storeDir: string): string {
  const { info } = narInfo;
  const lines = [
    `StorePath: ${info.path.render(storeDir)}`,
    `URL: ${narInfo.url}`,
    `Compression: ${narInfo.compression}`,
  ];
  if (narInfo.fileHash !== undefined) lines.push(`FileHash: ${narInfo.fileHash.render("nix32")}`);
  if (narInfo.fileSize !== undefined) lines.push(`FileSize: ${narInfo.fileSize}`);
  lines.push(
    `NarHash: ${info.narHash.render("nix32")}`,
    `NarSize: ${info.narSize}`,
    `References: ${sortedReferences(info).join(" ")}`,
  );
  if (info.deriver !== undefined) lines.push(`Deriver: ${info.deriver.baseName}`);
  for (const signature of info.signatures) lines.push(`Sig: ${signature}`);
  if (info.contentAddress !== undefined) lines.push(`CA: ${info.contentAddress}`);
  return `${lines.join("\n")}\n`;
}

/** Reads a narinfo; fields it does not know are passed over. Throws `FormatError`. */
export function parseNarInfo(text: string, storeDir: string): NarInfo {
  if (text.length > NARINFO_BYTES_MAX) throw new FormatError("narinfo", "is too long");
  const fields = new Map<string, string>();
  const signatures: string[] = [];
  let offset = 0;
  for (const line of text.split("\n")) {
    const at = offset;
    offset += line.length + 1;
    if (line === "" && offset > text.length) break;
    const colon = line.indexOf(": ");
    // `References:` of a path without references may have lost its trailing blank.
    const name = colon < 0 && line.endsWith(":") ? line.slice(0, -1) : line.slice(0, colon);
    if (colon < 0 && !line.endsWith(":")) throw new FormatError("narinfo", "line without a field", at);
    const value = colon < 0 ? "" : line.slice(colon + 2);
    if (name === "Sig") signatures.push(value);
    else if (fields.has(name)) throw new FormatError("narinfo", `${name} is given twice`, at);
    else fields.set(name, value);
  }
  const required = (name: string): string => {
    const value = fields.get(name);
    if (value === undefined) throw new FormatError("narinfo", `${name} is missing`);
    return value;
  };
  const references = required("References").trim();
  const deriver = fields.get("Deriver");
  const contentAddress = fields.get("CA");
  const fileHash = fields.get("FileHash");
  const fileSize = fields.get("FileSize");
  const url = required("URL");
  if (url === "") throw new FormatError("narinfo", "URL is empty");
  return {
    info: {
      path: StorePath.ofFull(required("StorePath"), storeDir),
      narHash: hashOf("NarHash", required("NarHash")),
      narSize: sizeOf("NarSize", required("NarSize")),
      references: references === "" ? [] : references.split(/ +/).map((baseName) => StorePath.of(baseName)),
      ...(deriver === undefined || deriver === "unknown-deriver" || deriver === ""
        ? {}
        : { deriver: StorePath.of(deriver) }),
      signatures,
      ...(contentAddress === undefined || contentAddress === "" ? {} : { contentAddress }),
      ultimate: false,
      registrationTime: 0,
    },
    url,
    compression: fields.get("Compression") ?? "bzip2",
    ...(fileHash === undefined ? {} : { fileHash: hashOf("FileHash", fileHash) }),
    ...(fileSize === undefined ? {} : { fileSize: sizeOf("FileSize", fileSize) }),
  };
}

function hashOf(field: string, text: string): Hash {
  const parsed = Hash.parse(text);
  if (!parsed.ok) throw new FormatError("narinfo", `${field} is not a hash`);
  return parsed.value;
}

function sizeOf(field: string, text: string): number {
  const size = Number(text);
  if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(size)) throw new FormatError("narinfo", `${field} is not a size`);
  return size;
}
