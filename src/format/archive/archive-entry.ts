/** One member of an archive of any format. Paths and targets are byte strings, as written in the archive. */

export interface ArchiveEntry {
  readonly path: string;
  readonly type: "file" | "hardlink" | "symlink" | "directory" | "other";
  readonly linkTarget: string;
  readonly executable: boolean;
  /** When it was last modified, in whole seconds. */
  readonly modifiedAt: number;
  /** Must be read to its end, or not at all, before the next member is asked for. */
  readonly contents: AsyncIterable<Uint8Array>;
}

export async function* noContents(): AsyncGenerator<Uint8Array, void, undefined> {
  // Nothing.
}
