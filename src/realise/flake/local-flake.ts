/** Finds the flake that a path of this machine names: the directory itself, or one above it in the same work tree. */

import { byteStringOfText } from "../../base/byte-string.ts";
import type { LocatedFlake } from "../../format/input/flake-reference.ts";
import { canonicalPath, parentOfPath } from "../../language/eval/canonical-path.ts";
import { invalidError } from "../../language/eval/eval-error.ts";
import { kindOfSync, realPathSync } from "../../system/files-sync.ts";

export interface LocateOptions {
  readonly baseDir: string;
  /** False for what may be any file or directory (`flake = false`). */
  readonly isFlake: boolean;
  readonly onWarning: (text: string) => void;
}

function isThere(path: string): boolean {
  return kindOfSync(path, { followLinks: false }) !== undefined;
}

export function locateFlake(text: string, options: LocateOptions): LocatedFlake {
  const absolute = canonicalPath(text.startsWith("/") ? text : `${options.baseDir}/${text}`);
  const path = realPathSync(absolute) ?? absolute;
  if (!options.isFlake) return { path };
  const directory = flakeDirectory(path, options);
  const workTree = workTreeAround(directory);
  return { path: directory, ...(workTree === undefined ? {} : { workTree }) };
}

function flakeDirectory(path: string, options: LocateOptions): string {
  const kind = kindOfSync(path, { followLinks: false });
  if (kind === undefined) throw invalidError(`getting status of "${path}": No such file or directory`);
  if (kind !== "directory") {
    if (!path.endsWith("/flake.nix")) {
      throw invalidError(`path "${path}" is not a flake (because it's not a directory)`);
    }
    const parent = parentOfPath(path);
    options.onWarning(
      `Path "${path}" should point at the directory containing the 'flake.nix' file, not the file itself. Pretending that you meant "${parent}"`,
    );
    return flakeDirectory(parent, options);
  }
  if (isThere(`${path}/flake.nix`)) return path;
  options.onWarning(`path "${path}" does not contain a 'flake.nix', searching up`);
  for (let current = path; current !== "/"; current = parentOfPath(current)) {
    if (isThere(`${current}/flake.nix`)) return current;
    if (isThere(`${current}/.git`)) {
      throw invalidError(
        `path "${current}" is not part of a flake (neither it nor its parent directories contain a 'flake.nix' file)`,
      );
    }
  }
  throw invalidError("could not find a flake.nix file");
}

/** The git work tree that a directory belongs to. */
function workTreeAround(directory: string): LocatedFlake["workTree"] {
  const below: string[] = [];
  for (let root = directory; root !== "/"; root = parentOfPath(root)) {
    if (isThere(`${root}/.git`)) {
      return { root, subdir: below.join("/"), isShallow: isThere(`${root}/.git/shallow`) };
    }
    below.unshift(root.slice(root.lastIndexOf("/") + 1));
  }
  return undefined;
}

/** What to tell who forgot to add a file to git, when that is why it is missing. */
export function untrackedMessage(root: string, name: string): string | undefined {
  if (!isThere(`${root}/.git`) || !isThere(`${root}/${name}`)) return undefined;
  return byteStringOfText(
    `Path '${name}' in the repository "${root}" is not tracked by Git.\n\nTo make it visible to Nix, run:\n\ngit -C "${root}" add "${name}"`,
  );
}
