/** `--add-root`: a link to a store object that keeps it from collection. */

import { resolve } from "node:path";
import { OperationError } from "../../base/errors.ts";
import type { StorePath } from "../../format/store-path.ts";
import { LocalStore } from "../../store/local-store.ts";
import type { ReadStore } from "../../store/store.ts";
import { linkTarget, statusOf } from "../../system/files.ts";

/** Names one link after the other: NAME, NAME-2, NAME-3. */
export class RootNames {
  readonly #name: string;
  #count = 0;

  constructor(name: string) {
    this.#name = resolve(name);
  }

  next(): string {
    this.#count++;
    return this.#count === 1 ? this.#name : `${this.#name}-${this.#count}`;
  }
}

/** Makes the link and says where it is; a store on another machine's disk can have none, and the path itself is said. */
export async function addRoot(store: ReadStore, link: string, path: StorePath): Promise<string> {
  if (!(store instanceof LocalStore)) return path.render(store.storeDir);
  if (store.layout.storePathIn(link) !== undefined) {
    throw new OperationError(
      "ROOT_NOT_ADDED",
      `creating a garbage collector root (${link}) in the Nix store is forbidden (are you running nix-build inside the store?)`,
    );
  }
  const there = await statusOf(link);
  const target = there?.kind === "symlink" ? ((await linkTarget(link)) ?? "") : "";
  if (there !== undefined && store.layout.storePathIn(target) === undefined) {
    throw new OperationError("ROOT_NOT_ADDED", `cannot create symlink '${link}'; already exists`);
  }
  await store.addIndirectRoot(link, path);
  return link;
}
