/** What a builder left becomes store objects: canonical form, hash and references in one pass, checks, registration. */

import { OperationError } from "../base/errors.ts";
import { renderContentAddress } from "../format/content-address.ts";
import { type Derivation, outputPathOf } from "../format/derivation.ts";
import { topologicalOrder } from "../format/closure-graph.ts";
import { type Hash, type HashAlgorithm, Hasher } from "../format/hash.ts";
import type { PathInfo } from "../format/path-info.ts";
import type { StorePath } from "../format/store-path.ts";
import type { LocalStore } from "../store/local-store.ts";
import { dumpPath } from "../store/store-object.ts";
import { exists, moveTree, readChunks, removeTree, statusOf } from "../system/files.ts";
import { canonicaliseTree } from "../system/tree.ts";
import { hashMismatch } from "./fetch-url.ts";
import { checkOutputs } from "./output-checks.ts";
import { ReferenceScanner } from "./reference-scanner.ts";

export interface BuiltOutputs {
  readonly drv: Derivation;
  readonly drvPath: StorePath;
  readonly store: LocalStore;
  /** The store directory as the builder saw it, on disk. */
  readonly builtStoreDir: string;
  /** All that an output may refer to besides the outputs. */
  readonly inputClosure: Iterable<StorePath>;
  readonly signal: AbortSignal;
}

/** Takes the outputs into the store. Those that were valid before are left as they are. */
export async function registerOutputs(built: BuiltOutputs): Promise<void> {
  const { drv, drvPath, store, builtStoreDir, signal } = built;
  const shown = drvPath.render(store.storeDir);
  const outputs = new Map<string, StorePath>();
  for (const name of drv.outputs.keys()) outputs.set(name, outputPathOf(drv, name, store.storeDir)!);
  const candidates = [...built.inputClosure, ...outputs.values()];
  const infos = new Map<string, PathInfo>();
  for (const [name, path] of outputs) {
    const at = path.render(builtStoreDir);
    if (!(await exists(at))) {
      throw new OperationError(
        "OUTPUT_MISSING",
        `builder for '${shown}' failed to produce output path for output '${name}' at '${path.render(store.storeDir)}'`,
      );
    }
    const fault = canonicaliseTree(at);
    if (fault !== undefined) {
      const where = fault.path === "" ? "" : `/${fault.path}`;
      throw new OperationError("OUTPUT_REFUSED", `'${path.render(store.storeDir)}${where}' ${fault.reason}`);
    }
    const scanner = new ReferenceScanner(candidates);
    const hasher = new Hasher("sha256");
    let narSize = 0;
    for await (const chunk of dumpPath(at, signal)) {
      hasher.update(chunk);
      scanner.update(chunk);
      narSize += chunk.length;
    }
    const narHash = hasher.digest();
    const references = scanner.references();
    const contentAddress = await fixedAddress(built, name, at, narHash, references);
    infos.set(name, {
      path,
      narHash,
      narSize,
      references,
      deriver: drvPath,
      signatures: [],
      ...(contentAddress === undefined ? {} : { contentAddress }),
      ultimate: true,
      registrationTime: Math.floor(Date.now() / 1000),
    });
  }
  checkOutputs(
    drv,
    store.storeDir,
    [...infos].map(([name, info]) => ({ name, ...info })),
    (path) => store.database.references(path),
    (path) => store.database.pathInfo(path)?.narSize ?? 0,
  );
  const fresh = new Map(
    [...infos.values()].filter(({ path }) => !store.isValid(path)).map((info) => [info.path.baseName, info]),
  );
  // Also finds outputs that refer to each other in a circle, which no store can hold.
  const order = orderOf(shown, fresh);
  for (const path of order) {
    const destination = store.realPath(path);
    await removeTree(destination);
    await moveTree(path.render(builtStoreDir), destination);
  }
  await store.register(order.map((path) => ({ info: fresh.get(path.baseName)! })));
}

function orderOf(shown: string, infos: ReadonlyMap<string, PathInfo>): StorePath[] {
  try {
    return topologicalOrder(
      [...infos.values()].map(({ path }) => path),
      (path) => infos.get(path.baseName)?.references ?? [],
    );
  } catch (error) {
    throw new OperationError(
      "OUTPUT_REFUSED",
      `the outputs of '${shown}' refer to each other: ${(error as Error).message}`,
    );
  }
}

/** For a fixed output, checks its contents and says how they address it. */
async function fixedAddress(
  built: BuiltOutputs,
  outputName: string,
  at: string,
  narHash: Hash,
  references: readonly StorePath[],
): Promise<string | undefined> {
  const output = built.drv.outputs.get(outputName);
  if (output?.kind !== "fixed") return undefined;
  const { storeDir } = built.store;
  const shown = built.drvPath.render(storeDir);
  const { algorithm } = output.hash;
  let got: Hash;
  if (output.method === "flat") {
    const status = await statusOf(at);
    if (status?.kind !== "file" || (status.mode & 0o111) !== 0) {
      throw new OperationError(
        "OUTPUT_REFUSED",
        `output path of '${shown}' should be a non-executable regular file since recursive hashing is not enabled`,
        { hint: 'set outputHashMode = "recursive"' },
      );
    }
    got = await hashChunks(algorithm, readChunks(at));
  } else if (output.method === "nar") {
    got = algorithm === "sha256" ? narHash : await hashChunks(algorithm, dumpPath(at, built.signal));
  } else {
    throw new OperationError(
      "DERIVATION_UNSUPPORTED",
      `'${shown}' has the output hash mode '${output.method}', which is not supported`,
    );
  }
  if (!got.equals(output.hash)) throw hashMismatch(shown, output.hash, got);
  if (references.length > 0) {
    const list = references.map((path) => `\n  ${path.render(storeDir)}`).join("");
    throw new OperationError(
      "OUTPUT_REFUSED",
      `the fixed output of '${shown}' must not refer to store paths, but it does:${list}`,
    );
  }
  return renderContentAddress({ method: output.method, hash: output.hash });
}

async function hashChunks(algorithm: HashAlgorithm, chunks: AsyncIterable<Uint8Array>): Promise<Hash> {
  const hasher = new Hasher(algorithm);
  for await (const chunk of chunks) hasher.update(chunk);
  return hasher.digest();
}
