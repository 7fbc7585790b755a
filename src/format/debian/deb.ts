/** `.deb` packages: an `ar` archive with `debian-binary`, `control.tar.*` and `data.tar.*`. */

import { FormatError } from "../../base/errors.ts";

export interface ArMember {
  readonly name: string;
  /** Where the member's contents begin. */
  readonly offset: number;
  readonly size: number;
}

const MAGIC = "!<arch>\n";
const HEADER_BYTES = 60;

/** The members of an `ar` archive; throws `FormatError`. */
export function parseArIndex(bytes: Uint8Array): ArMember[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.toString("latin1", 0, MAGIC.length) !== MAGIC) throw new FormatError("deb", "is not an ar archive", 0);
  const members: ArMember[] = [];
  let at = MAGIC.length;
  while (at < buffer.length) {
    if (at + HEADER_BYTES > buffer.length) throw new FormatError("deb", "ends in a member's header", at);
    const header = buffer.toString("latin1", at, at + HEADER_BYTES);
    if (header.slice(58) !== "`\n") throw new FormatError("deb", "member header without its end mark", at);
    const name = header.slice(0, 16).trimEnd().replace(/\/$/, "");
    const digits = header.slice(48, 58).trimEnd();
    if (!/^[0-9]+$/.test(digits)) throw new FormatError("deb", "member size is not a number", at + 48);
    const size = Number(digits);
    const offset = at + HEADER_BYTES;
    if (offset + size > buffer.length) throw new FormatError("deb", `member '${name}' is cut off`, at);
    members.push({ name, offset, size });
    at = offset + size + (size % 2);
  }
  return members;
}

/** The member with the package's files; throws `FormatError`. */
export function dataMember(bytes: Uint8Array): ArMember {
  const members = parseArIndex(bytes);
  if (members[0]?.name !== "debian-binary") throw new FormatError("deb", "does not begin with 'debian-binary'");
  const member = members.find(({ name }) => name === "data.tar" || name.startsWith("data.tar."));
  if (member === undefined) throw new FormatError("deb", "has no 'data.tar'");
  return member;
}
