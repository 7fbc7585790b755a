/**
 * The files of a host's system, for comparing: from the local store where it has them, else read from the host's store
 * into memory. Nothing that a host says enters the local store.
 */

import { OperationError } from "../base/errors.ts";
import { decodeNarTree, type MemoryTree } from "../format/memory-tree.ts";
import { StorePath, splitStorePath } from "../format/store-path.ts";
import type { SystemTree } from "../machine/system-object.ts";
import type { LocalStore } from "../store/local-store.ts";
import type { ReadStore } from "../store/store.ts";
import { probeDirectory, probeFile, probeLink } from "../system/probe.ts";

/** How much of a system that was made elsewhere is read from the host. */
const FETCHED_BYTES_MAX = 192 * 1024 * 1024;

/** Opens the tree of a system's closure as far as comparing needs it. */
export async function openSystemTree(
  system: string,
  localStore: LocalStore,
  hostStore: Pick<ReadStore, "pathInfo" | "nar">,
  signal: AbortSignal,
): Promise<SystemTree> {
  const fetched = new Map<string, MemoryTree>();
  let budget = FETCHED_BYTES_MAX;
  const fetch = async (path: StorePath): Promise<void> => {
    if (fetched.has(path.baseName) || localStore.isValid(path)) return;
    const info = await hostStore.pathInfo(path, signal);
    if (info === undefined)
      throw new OperationError("PATH_INVALID", `${system} is not valid on the host (${path.baseName} is missing)`);
    budget -= info.narSize;
    if (budget < 0) return;
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of hostStore.nar(path, signal)) {
      size += chunk.length;
      if (size > info.narSize) {
        throw new OperationError("NAR_HASH_MISMATCH", `${path.baseName} on the host is larger than it is said to be`, {
          hint: "check that host's store: nix-store --verify --check-contents",
        });
      }
      chunks.push(chunk);
    }
    fetched.set(path.baseName, decodeNarTree(Buffer.concat(chunks)));
    // The system and its /usr are made of links; what these name is read too.
    for (const reference of info.references) if (isWanted(path, reference)) await fetch(reference);
  };
  const root = splitStorePath(system, localStore.storeDir)?.[0];
  if (root === undefined) throw new OperationError("STORE_PATH_INVALID", `${system} is not a store path`);
  await fetch(root);

  const nodeOf = (path: string): MemoryTree | "local" | undefined => {
    // A link of the host's must not lead out of the store on this machine.
    if (path.split("/").includes("..")) return undefined;
    const split = splitStorePath(path, localStore.storeDir);
    if (split === undefined) return undefined;
    const [object, below] = split;
    const tree = fetched.get(object.baseName);
    if (tree === undefined) return localStore.isValid(object) ? "local" : undefined;
    let node: MemoryTree | undefined = tree;
    for (const name of below.split("/").filter((part) => part !== "")) {
      node = node?.type === "directory" ? node.entries.get(name) : undefined;
    }
    return node;
  };
  const onDisk = (path: string): string => localStore.layout.onDisk(path);
  return {
    readFile: (path) => {
      const node = nodeOf(path);
      if (node === "local") return probeFile(onDisk(path))?.toString("utf8");
      return node?.type === "regular" ? Buffer.from(node.contents).toString("utf8") : undefined;
    },
    readlink: (path) => {
      const node = nodeOf(path);
      if (node === "local") return probeLink(onDisk(path));
      return node?.type === "symlink" ? node.target : undefined;
    },
    list: (path) => {
      const node = nodeOf(path);
      if (node === "local") return probeDirectory(onDisk(path));
      return node?.type === "directory" ? [...node.entries.keys()] : undefined;
    },
  };
}

/** Of a NixOS system only what its /etc is made of: the rest is large, and told by its name. */
function isWanted({ name }: StorePath, reference: StorePath): boolean {
  if (name.startsWith("nixos-system-")) return reference.name === "etc";
  const isNixosEtc = name === "etc" || name.endsWith("-units");
  return isNixosEtc || name.startsWith("system-") || name === "usr" || name.startsWith("usr-");
}
