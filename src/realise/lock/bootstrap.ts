/**
 * The first tool of every build: Debian's static busybox, taken out of its package without running anything of it.
 *
 * It lies in a directory of its own, because busybox chooses its applet by file name, and a store path has a hash in it.
 */

import { FormatError, OperationError } from "../../base/errors.ts";
import { dataMember } from "../../format/debian/deb.ts";
import { tarEntries } from "../../format/debian/tar.ts";
import { memoryTreeSource } from "../../format/memory-tree.ts";
import { narHash } from "../../format/nar.ts";
import * as files from "../../system/files.ts";
import { decompressXz } from "./decompress.ts";

export const BOOTSTRAP_PACKAGE = "busybox-static";

const BUSYBOX_PATHS: ReadonlySet<string> = new Set(["bin/busybox", "usr/bin/busybox"]);

/** The executable out of the package's bytes, which must have been verified. */
export async function extractBusybox(deb: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
  const member = dataMember(deb);
  let tar = deb.subarray(member.offset, member.offset + member.size);
  if (member.name === "data.tar.xz") tar = await decompressXz(tar, signal);
  else if (member.name !== "data.tar") {
    throw new OperationError(
      "LOCK_BAD_PACKAGE",
      `${BOOTSTRAP_PACKAGE} is packed as ${member.name}, which is not known`,
    );
  }
  for (const entry of tarEntries(tar)) {
    if (entry.type === "file" && BUSYBOX_PATHS.has(entry.path)) return entry.contents;
  }
  throw new FormatError(BOOTSTRAP_PACKAGE, "has no busybox in it");
}

/** The hash of the directory's NAR, as SRI. */
export function bootstrapNarHash(busybox: Uint8Array): string {
  const entries = new Map([["busybox", { type: "regular" as const, executable: true, contents: busybox }]]);
  return narHash(memoryTreeSource({ type: "directory", entries })).hash.toSri();
}

/** Writes the directory as a whole: an interruption leaves the old one or the new one. */
export async function writeBootstrap(directory: string, busybox: Uint8Array): Promise<void> {
  await files.ensureDirectory(directory);
  await files.writeFileAtomic(`${directory}/busybox`, busybox, { mode: 0o755 });
  // The directory's hash is of this one file and nothing else.
  for (const name of await files.namesIn(directory)) {
    if (name !== "busybox") await files.removeTree(`${directory}/${name}`);
  }
}
