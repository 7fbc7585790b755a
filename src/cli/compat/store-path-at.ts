/** The store object that a path of the command line leads to: itself, something inside it, or a link to it. */

import { resolve } from "node:path";
import type { StorePath } from "../../format/store-path.ts";
import { storePathProblem } from "../../language/builtins/store-names.ts";
import type { LocalStore } from "../../store/local-store.ts";
import { linkTarget } from "../../system/files.ts";

const LINKS_MAX = 1024;

export async function storePathAt(store: LocalStore, text: string): Promise<StorePath> {
  let at = resolve(text);
  for (let links = 0; links < LINKS_MAX; links++) {
    const found = store.layout.storePathIn(at);
    if (found !== undefined) return found;
    const target = await linkTarget(at);
    if (target === undefined) break;
    at = resolve(at, "..", target);
  }
  if (at.startsWith(`${store.storeDir}/`)) {
    const problem = storePathProblem(at.slice(store.storeDir.length + 1).split("/", 1)[0]!);
    if (problem !== undefined) throw new Error(problem);
  }
  throw new Error(`path "${at}" is not in the Nix store`);
}
