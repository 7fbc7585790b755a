/** Writes a deployment of one host into a file, which is as large as what the host lacks and needs no memory for that. */

import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { createGzip } from "node:zlib";
import { OperationError } from "../../base/errors.ts";
import { topologicalOrder } from "../../format/closure-graph.ts";
import type { PathInfo } from "../../format/path-info.ts";
import { sign, type SigningKey } from "../../format/signature.ts";
import { type BundleManifest, renderHeader, renderSigned } from "../../machine/bundle.ts";
import type { TransactionPlan } from "../../machine/transaction.ts";
import { serveInput } from "../../protocol/serve.ts";
import { closureInfos } from "../../store/copy.ts";
import type { ReadStore } from "../../store/store.ts";
import { fileError, isSystemError } from "../../system/file-error.ts";
import { readChunks, removeFile, writeFileAtomic } from "../../system/files.ts";
import { rootOf, rootsOf } from "../deploy.ts";
import { sshSignature } from "./ssh-signature.ts";

/** What a host is known to run. */
export interface BundleBase {
  readonly system: string;
  readonly generation?: number;
}

export interface BundleRequest {
  readonly fleet: string;
  readonly plan: TransactionPlan;
  readonly kit: string;
  readonly hostKey: string | null;
  readonly base: BundleBase | undefined;
  readonly key: SigningKey;
  readonly madeAt: Date;
  readonly validSeconds: number;
  readonly store: ReadStore;
  readonly signal: AbortSignal;
  /** Called with what was read of the objects so far. */
  readonly onProgress: (progress: { readonly bytesDone: number; readonly bytesTotal: number }) => void;
}

/** Writes the file as a whole or not at all; answers what is in it. */
export async function writeBundle(file: string, request: BundleRequest): Promise<BundleManifest> {
  const { plan, kit, key, madeAt, store, signal } = request;
  const { storeDir } = store;
  const infos = await missingInfos(request);
  const bytesTotal = infos.reduce((sum, { narSize }) => sum + narSize, 0);
  let bytesDone = 0;
  const narOf = async function* (info: PathInfo): AsyncGenerator<Uint8Array> {
    for await (const chunk of store.nar(info.path, signal)) {
      yield chunk;
      request.onProgress({ bytesDone: (bytesDone += chunk.length), bytesTotal });
    }
  };
  const objects = infos.map((info) => {
    const signatures = [...info.signatures, sign(info, storeDir, key)];
    return { info: { ...info, signatures }, nar: () => narOf(info) };
  });
  const payload = `${file}.payload`;
  try {
    const sha256 = createHash("sha256");
    let bytes = 0;
    const packed = Readable.from(serveInput(objects, storeDir)).compose(createGzip(), { signal }) as Readable;
    const measured = async function* (): AsyncGenerator<Uint8Array> {
      for await (const chunk of packed as AsyncIterable<Uint8Array>) {
        sha256.update(chunk);
        bytes += chunk.length;
        yield chunk;
      }
    };
    await writeFileAtomic(payload, measured(), { durable: false });
    const manifest: BundleManifest = {
      version: 1,
      id: plan.id,
      sequence: madeAt.getTime(),
      fleet: request.fleet,
      host: plan.host,
      hostKey: request.hostKey,
      key: key.name,
      madeAt: madeAt.toISOString(),
      expiresAt: new Date(madeAt.getTime() + request.validSeconds * 1000).toISOString(),
      base: request.base ?? null,
      kit,
      plan,
      paths: infos.map(({ path, narHash, narSize }) => {
        return { path: path.render(storeDir), narHash: narHash.render("nix32"), narSize };
      }),
      payload: { bytes, sha256: sha256.digest("hex") },
    };
    const text = renderSigned(manifest);
    const header = renderHeader("pristine-bundle", {
      size: text.length,
      signature: sshSignature("pristine-bundle", text, key),
    });
    await writeFileAtomic(file, joined(Buffer.from(header + text), readChunks(payload)));
    return manifest;
  } catch (error) {
    throw isSystemError(error) ? fileError(`writing ${file}`, error) : error;
  } finally {
    await removeFile(payload);
  }
}

async function* joined(beginning: Uint8Array, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield beginning;
  yield* rest;
}

/** What the host lacks when it runs the base, references first. */
async function missingInfos({ plan, kit, base, store, signal }: BundleRequest): Promise<PathInfo[]> {
  const roots = [...rootsOf(plan, store.storeDir), rootOf(kit, store.storeDir)];
  const closure = await closureInfos(store, roots, signal);
  const present =
    base === undefined
      ? new Map<string, PathInfo>()
      : await closureInfos(store, [rootOf(base.system, store.storeDir)], signal);
  return topologicalOrder(
    [...closure.values()].map(({ path }) => path).filter(({ baseName }) => !present.has(baseName)),
    ({ baseName }) => closure.get(baseName)?.references ?? [],
  ).map(({ baseName }) => closure.get(baseName)!);
}

/** Throws when nobody here knows what the host has: a difference to it cannot be made. */
export async function requireBase({ system }: BundleBase, store: ReadStore, signal: AbortSignal): Promise<void> {
  const path = rootOf(system, store.storeDir);
  if ((await store.validPaths([path], signal)).has(path.baseName)) return;
  throw new OperationError("BUNDLE_BASE_UNKNOWN", `${system} is not in the store of this machine`, {
    hint: "check out the fleet as the host has it and run 'pristine build', or make a bundle without a base",
  });
}
