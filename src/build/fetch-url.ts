/**
 * `builtin:fetchurl` in this process: the file goes to a cache by its hash, then to the store, checked on its way.
 *
 * A download that was interrupted is continued; what any store has fetched before is not fetched again.
 */

import { OperationError } from "../base/errors.ts";
import { textOfByteString } from "../base/byte-string.ts";
import type { Derivation } from "../format/derivation.ts";
import { type Hash, Hasher, hashByteString } from "../format/hash.ts";
import { narChunks, type SyncTreeSource } from "../format/nar.ts";
import type { StorePath } from "../format/store-path.ts";
import { restorePath } from "../store/store-object.ts";
import { cacheDirectory } from "../system/directories.ts";
import { download } from "../system/download.ts";
import { ensureDirectory, exists, readChunks, removeFile, removeTree, rename } from "../system/files.ts";
import { lockFile } from "../system/flock.ts";
import { diskTree } from "../system/tree.ts";

export interface FetchOptions {
  readonly drv: Derivation;
  readonly drvPath: StorePath;
  readonly storeDir: string;
  /** Where the object is to be written; free. */
  readonly destination: string;
  readonly signal: AbortSignal;
  readonly cacheDir?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly onProgress: (bytesDone: number, bytesTotal: number | undefined) => void;
  readonly onRetry: (reason: string, waitMs: number) => void;
}

export interface FetchedObject {
  readonly narHash: Hash;
  readonly narSize: number;
  readonly fetchedBytes: number;
}

/** Fetches what a derivation with `builder = "builtin:fetchurl"` describes. */
export async function fetchUrl(options: FetchOptions): Promise<FetchedObject> {
  const { drv, drvPath, storeDir, destination, signal } = options;
  const output = drv.outputs.get("out");
  if (output?.kind !== "fixed" || drv.outputs.size !== 1) {
    throw new OperationError("BUILD_FAILED", `${drvPath.render(storeDir)}: 'builtin:fetchurl' needs a fixed output`);
  }
  const url = textOfByteString(drv.env.get("url") ?? "");
  const executable = drv.env.get("executable") === "1";
  const unpack = drv.env.get("unpack") === "1";
  const cacheDir = options.cacheDir ?? `${cacheDirectory(options.env)}/downloads`;
  await ensureDirectory(cacheDir, 0o755);
  // Only a flat hash is of the file itself; otherwise the address is part of what identifies it.
  const isFlat = output.method === "flat";
  const source = isFlat ? "" : `-${hashByteString("sha256", url).toBase16().slice(0, 16)}`;
  const file = `${cacheDir}/${output.hash.algorithm}-${output.hash.toBase16()}${source}`;
  const lock = await lockFile(`${file}.lock`, { signal });
  try {
    let mismatch: OperationError | undefined;
    if (await exists(file)) {
      const cached = await toStore(file, destination, { ...options, executable, unpack, expected: output });
      if (cached.matches) return { ...cached.object, fetchedBytes: 0 };
      await removeFile(file);
    }
    let fetchedBytes = 0;
    for (const candidate of addressesFor(url, options.env)) {
      const partial = `${file}.partial`;
      const isLast = candidate === url;
      try {
        const outcome = await download({
          urls: [candidate],
          file: partial,
          signal,
          onProgress: options.onProgress,
          onRetry: options.onRetry,
          attemptsMax: isLast ? undefined : 2,
        });
        fetchedBytes += outcome.fetchedBytes;
      } catch (error) {
        if (isLast || signal.aborted) throw error;
        options.onRetry((error as Error).message, 0);
        // The next one may have other bytes: it starts anew.
        await removeFile(partial);
        continue;
      }
      await rename(partial, file);
      const { object, matches, got } = await toStore(file, destination, {
        ...options,
        executable,
        unpack,
        expected: output,
      });
      if (matches) return { ...object, fetchedBytes };
      await removeFile(file);
      mismatch = hashMismatch(drvPath.render(storeDir), output.hash, got, candidate);
    }
    throw mismatch ?? new OperationError("BUILD_FAILED", `${drvPath.render(storeDir)} names no address`);
  } finally {
    lock.release({ remove: true });
  }
}

/** As Nix words it, because people search for it. */
export function hashMismatch(drvPath: string, specified: Hash, got: Hash, from?: string): OperationError {
  return new OperationError(
    "HASH_MISMATCH",
    `hash mismatch in fixed-output derivation '${drvPath}':\n  specified: ${specified.toSri()}\n     got:    ${got.toSri()}` +
      (from === undefined ? "" : `\n    from:    ${from}`),
    { hint: "the file was changed at its source, or the declared hash is wrong: check which before changing the hash" },
  );
}

/**
 * The addresses to try, the declared one last. `PRISTINE_DEBIAN_MIRROR` (such as `http://mirror.example/debian`) goes
 * first for files of Debian's archive, `PRISTINE_DEBIAN_SECURITY_MIRROR` for those of its security archive; without the
 * latter, `-security` is appended to the former.
 */
export function addressesFor(url: string, env: Readonly<Record<string, string | undefined>>): string[] {
  const match = /^https?:\/\/.*?\/(debian(?:-security)?)\/(pool\/.*)$/.exec(url);
  if (match === null) return [url];
  const mirror = baseOf(env["PRISTINE_DEBIAN_MIRROR"]);
  const security =
    baseOf(env["PRISTINE_DEBIAN_SECURITY_MIRROR"]) ?? (mirror === undefined ? undefined : `${mirror}-security`);
  const base = match[1] === "debian-security" ? security : mirror;
  const replaced = `${base}/${match[2]}`;
  return base === undefined || replaced === url ? [url] : [replaced, url];
}

function baseOf(address: string | undefined): string | undefined {
  return address === undefined || address === "" ? undefined : address.replace(/\/+$/, "");
}

/** Writes the cached file to the store and says whether it is what was declared; if not, nothing remains in the store. */
async function toStore(
  file: string,
  destination: string,
  options: {
    readonly executable: boolean;
    readonly unpack: boolean;
    readonly expected: { readonly method: string; readonly hash: Hash };
    readonly signal: AbortSignal;
  },
): Promise<{ readonly object: Omit<FetchedObject, "fetchedBytes">; readonly matches: boolean; readonly got: Hash }> {
  const { executable, unpack, expected, signal } = options;
  const { algorithm } = expected.hash;
  const hasher = new Hasher(algorithm);
  const chunks = unpack
    ? readChunks(file)
    : narChunks(fileTree(file, executable, expected.method === "flat" ? hasher : undefined));
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      if (expected.method !== "flat") hasher.update(chunk);
      yield chunk;
    }
  };
  const { hash: narHash, size: narSize } = await restorePath(counted(), destination, signal);
  const got = hasher.digest();
  const matches = got.equals(expected.hash);
  if (!matches) await removeTree(destination);
  return { object: { narHash, narSize }, matches, got };
}

/** One file as a tree, hashed while it is read. */
function fileTree(file: string, executable: boolean, hasher: Hasher | undefined): SyncTreeSource {
  const tree = diskTree(file);
  return {
    node: (path) => {
      const node = tree.node(path);
      return node.type === "regular" ? { ...node, executable } : node;
    },
    *read(path, size) {
      for (const chunk of tree.read(path, size)) {
        hasher?.update(chunk);
        yield chunk;
      }
    },
  };
}
