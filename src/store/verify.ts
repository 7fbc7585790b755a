/** Checks a local store: that what is valid is there, and that contents are what was registered. */

import type { StorePath } from "../format/store-path.ts";
import { exists } from "../system/files.ts";
import type { StoreDatabase } from "./store-database.ts";
import type { StoreLayout } from "./store-layout.ts";
import { hashPath } from "./store-object.ts";

export interface VerifyOptions {
  readonly checkContents?: boolean | undefined;
  /** Only these; all valid paths when absent. */
  readonly paths?: readonly StorePath[] | undefined;
  readonly signal: AbortSignal;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

export interface VerifyFault {
  readonly path: StorePath;
  readonly kind: "missing" | "modified" | "unreadable";
  readonly message: string;
  /** Of a modified object: its hashes. */
  readonly expected?: string;
  readonly found?: string;
}

export interface VerifyReport {
  readonly checked: number;
  readonly faults: readonly VerifyFault[];
}

export async function verifyStore(
  layout: StoreLayout,
  database: StoreDatabase,
  options: VerifyOptions,
): Promise<VerifyReport> {
  const paths = options.paths ?? database.allPaths();
  const faults: VerifyFault[] = [];
  let checked = 0;
  for (const path of paths) {
    options.signal.throwIfAborted();
    const fault = await verifyPath(layout, database, path, options);
    if (fault !== undefined) faults.push(fault);
    checked++;
    options.onProgress?.(checked, paths.length);
  }
  return { checked, faults };
}

async function verifyPath(
  layout: StoreLayout,
  database: StoreDatabase,
  path: StorePath,
  options: VerifyOptions,
): Promise<VerifyFault | undefined> {
  const at = layout.realPath(path);
  const shown = path.render(layout.storeDir);
  if (!(await exists(at))) return { path, kind: "missing", message: `${shown} is registered but not on disk` };
  if (options.checkContents !== true) return undefined;
  const info = database.pathInfo(path);
  if (info === undefined) return { path, kind: "missing", message: `${shown} is not valid` };
  try {
    const { hash } = await hashPath(at, options.signal);
    if (hash.equals(info.narHash)) return undefined;
    const [expected, found] = [info.narHash.render("nix32"), hash.render("nix32")];
    return {
      path,
      kind: "modified",
      message: `${shown} was modified: expected ${expected}, got ${found}`,
      expected,
      found,
    };
  } catch (error) {
    options.signal.throwIfAborted();
    return { path, kind: "unreadable", message: `${shown} cannot be read: ${(error as Error).message}` };
  }
}
