/** Writes tar archives member by member, also such as no program would write. */

export interface TarMember {
  readonly path: string;
  /** The flag of the header: `0` a file, `1` a hard link, `2` a link, `3` a device, `5` a directory, `6` a pipe. */
  readonly type: string;
  readonly contents?: string;
  readonly linkTarget?: string;
  readonly mode?: number;
  readonly modifiedAt?: number;
}

const BLOCK = 512;

export function tarArchive(members: readonly TarMember[]): Buffer {
  return Buffer.concat([...members.flatMap(memberBlocks), Buffer.alloc(2 * BLOCK)]);
}

function memberBlocks(member: TarMember): Buffer[] {
  const name = Buffer.from(member.path);
  const long =
    name.length > 100 ? memberBlocks({ path: "././@LongLink", type: "L", contents: `${member.path}\0` }) : [];
  const contents = Buffer.from(member.contents ?? "");
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number): void =>
    void header.write(value.toString(8).padStart(length - 1, "0"), at);
  name.copy(header, 0, 0, 100);
  octal(member.mode ?? 0o644, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(contents.length, 124, 12);
  octal(member.modifiedAt ?? 1, 136, 12);
  header.write(member.type, 156);
  header.write(member.linkTarget ?? "", 157);
  header.write("ustar\x0000", 257, "latin1");
  header.fill(" ", 148, 156);
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  );
  return [...long, header, contents, Buffer.alloc((BLOCK - (contents.length % BLOCK)) % BLOCK)];
}
