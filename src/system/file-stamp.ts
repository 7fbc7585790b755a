/**
 * Stamps: what tells without reading a file that it is the one that was read before.
 *
 * A stamp is taken before the file is read. The kernel moves `ctime` with every change of content, name or mode, and no
 * program can set it back; but its clock has a grain, so a file that changed just before its stamp was taken may change
 * again without the stamp showing it. Such a stamp is `fresh`, and worth nothing. Paths are byte strings.
 */

import * as fs from "node:fs";
import { textOfByteString } from "../base/byte-string.ts";
import { fileError } from "./file-error.ts";
import { onDisk } from "./files-sync.ts";

/** Coarser than the time stamps of any file system this runs on (ext3 and NFS have whole seconds). */
const GRAIN_MS_DEFAULT = 2000;

let grainMs = GRAIN_MS_DEFAULT;

/** Says how coarse time stamps are where that is known, as in a test that does not want to wait; answers the former. */
export function setStampGrain(ms: number): number {
  const before = grainMs;
  grainMs = ms;
  return before;
}

export interface Stamp {
  /** Equal texts mean the same object in the same state, unless the stamp is fresh. */
  readonly text: string;
  readonly kind: "regular" | "directory" | "symlink" | "unknown";
  /** Whether the object changed so recently that a later change could go unnoticed. */
  readonly isFresh: boolean;
}

/** The stamp of what a path names; `undefined` when nothing is there. Throws when that cannot be found out. */
export function stampOf(path: string, options: { readonly followLinks: boolean }): Stamp | undefined {
  let status: fs.Stats | undefined;
  try {
    status = (options.followLinks ? fs.statSync : fs.lstatSync)(onDisk(path), { throwIfNoEntry: false });
  } catch (error) {
    const { code } = error as { readonly code?: unknown };
    if (code === "ENOTDIR") return undefined;
    // A link that leads back to itself is something else than one that leads nowhere.
    if (code === "ELOOP" && options.followLinks) return { text: "loop", kind: "unknown", isFresh: false };
    throw fileError(`look at '${textOfByteString(path)}'`, error);
  }
  return status === undefined ? undefined : stampFrom(status);
}

/** The stamp of what was just looked at. */
export function stampFrom(status: fs.Stats): Stamp {
  const { dev, ino, mode, size, mtimeMs, ctimeMs } = status;
  return {
    text: `${dev} ${ino} ${mode} ${size} ${mtimeMs} ${ctimeMs}`,
    kind: status.isFile()
      ? "regular"
      : status.isDirectory()
        ? "directory"
        : status.isSymbolicLink()
          ? "symlink"
          : "unknown",
    isFresh: Date.now() - ctimeMs < grainMs,
  };
}
