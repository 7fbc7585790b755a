/** Roots: what keeps objects from collection, in Nix's places (`gcroots`, `profiles`, running programs). */

import { hashBytes } from "../format/hash.ts";
import type { StorePath } from "../format/store-path.ts";
import { ensureDirectory, exists, linkTarget, namesIn, removeFile, replaceSymlink, statusOf } from "../system/files.ts";
import { pathsInUse } from "../system/paths-in-use.ts";
import type { StoreLayout } from "./store-layout.ts";

export interface Root {
  /** What keeps the object: a link, or `/proc/…` of a running program. */
  readonly from: string;
  readonly path: StorePath;
}

/**
 * Makes `link` (anywhere on this machine) point to an object, and keeps the object while it does. Removing the link is
 * enough to give the object up.
 */
export async function addIndirectRoot(layout: StoreLayout, link: string, path: StorePath): Promise<void> {
  await replaceSymlink(layout.realPath(path), link);
  const auto = `${layout.gcRootsDir}/auto`;
  await ensureDirectory(auto);
  await replaceSymlink(link, `${auto}/${hashBytes("sha1", Buffer.from(link)).toNix32()}`);
}

/** Keeps an object under a name below `gcroots`, such as `pristine/kit`. */
export async function addPermanentRoot(layout: StoreLayout, name: string, path: StorePath): Promise<void> {
  const link = `${layout.gcRootsDir}/${name}`;
  await ensureDirectory(link.slice(0, link.lastIndexOf("/")));
  await replaceSymlink(path.render(layout.storeDir), link);
}

/** The names of what is kept below a directory of `gcroots`, such as `pristine/wanted/shop`. */
export async function permanentRootsIn(layout: StoreLayout, directory: string): Promise<readonly string[]> {
  return await namesIn(`${layout.gcRootsDir}/${directory}`);
}

export async function removePermanentRoot(layout: StoreLayout, name: string): Promise<void> {
  await removeFile(`${layout.gcRootsDir}/${name}`);
}

/** All roots but temporary ones. Links in `gcroots/auto` that lead nowhere are removed unless `dryRun`. */
export async function findRoots(layout: StoreLayout, options: { readonly dryRun: boolean }): Promise<Root[]> {
  const roots: Root[] = [];
  const visit = async (at: string): Promise<void> => {
    const status = await statusOf(at);
    if (status?.kind === "directory") {
      for (const name of await namesIn(at)) await visit(`${at}/${name}`);
    } else if (status?.kind === "symlink") {
      await visitLink(at);
    } else if (status?.kind === "file") {
      const path = layout.storePathIn(`${layout.storeDir}/${at.slice(at.lastIndexOf("/") + 1)}`);
      if (path !== undefined) roots.push({ from: at, path });
    }
  };
  const visitLink = async (link: string): Promise<void> => {
    const target = (await linkTarget(link)) ?? "";
    const path = layout.storePathIn(target);
    if (path !== undefined) {
      roots.push({ from: link, path });
      return;
    }
    const userLink = target.startsWith("/")
      ? layout.onDisk(target)
      : `${link.slice(0, link.lastIndexOf("/"))}/${target}`;
    const userTarget = await linkTarget(userLink);
    const userPath = userTarget === undefined ? undefined : layout.storePathIn(userTarget);
    if (userPath !== undefined) roots.push({ from: userLink, path: userPath });
    else if (!options.dryRun && link.startsWith(`${layout.gcRootsDir}/auto/`) && !(await exists(userLink))) {
      await removeFile(link);
    }
  };
  await visit(layout.gcRootsDir);
  await visit(layout.profilesDir);
  for (const { from, path } of pathsInUse([layout.storeDir, layout.realStoreDir])) {
    const parsed = layout.storePathIn(path);
    if (parsed !== undefined) roots.push({ from, path: parsed });
  }
  return roots;
}
