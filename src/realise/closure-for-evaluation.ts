/** `fetchClosure`: closures of binary caches, made valid in the store that an evaluation reads. */

import { textOfByteString } from "../base/byte-string.ts";
import { OperationError } from "../base/errors.ts";
import type { FetchSettings } from "../fetch/fetch-settings.ts";
import { loginOf } from "../fetch/netrc.ts";
import type { FetchClosureRequest, FetchedClosure } from "../format/input/request.ts";
import { parsePublicKey } from "../format/signature.ts";
import { StorePath } from "../format/store-path.ts";
import { BinaryCacheStore } from "../store/binary-cache-store.ts";
import { copyClosure } from "../store/copy.ts";
import type { LocalStore } from "../store/local-store.ts";
import { makeContentAddressed } from "../store/make-content-addressed.ts";
import { isContentAddressed } from "../store/trust.ts";

/** Makes the closure valid unless it is; then no cache is asked. */
export async function closureForEvaluation(
  store: LocalStore,
  request: FetchClosureRequest,
  settings: FetchSettings,
  signal: AbortSignal,
): Promise<FetchedClosure> {
  const { storeDir } = store;
  const root = StorePath.ofFull(request.fromPath, storeDir);
  const openCache = async (): Promise<BinaryCacheStore> =>
    await BinaryCacheStore.open(
      textOfByteString(request.fromStore),
      {
        storeDir,
        attemptsMax: settings.downloadAttempts,
        loginOf: async (host) => await loginOf(host, settings.netrcFile),
      },
      signal,
    );
  if (request.toPath === undefined) {
    if (!store.isValid(root)) {
      const trust = {
        requiresSignatures: settings.requireSigs,
        keys: settings.trustedPublicKeys.map((key) => parsePublicKey(key)),
      };
      await copyClosure({ from: await openCache(), to: store, roots: [root], trust, signal });
    }
    return await described(store, root, signal);
  }
  const known = request.toPath === "" ? undefined : StorePath.ofFull(request.toPath, storeDir);
  if (known !== undefined && store.isValid(known)) return await described(store, known, signal);
  const made = await makeContentAddressed({ from: await openCache(), to: store, root, signal });
  return await described(store, made, signal);
}

async function described(store: LocalStore, path: StorePath, signal: AbortSignal): Promise<FetchedClosure> {
  // The evaluation is going to use it.
  await store.addTempRoots([path], signal);
  const info = await store.pathInfo(path);
  const full = path.render(store.storeDir);
  if (info === undefined) throw new OperationError("PATH_INVALID", `path '${full}' is not valid`);
  return { path: full, isContentAddressed: isContentAddressed(info, store.storeDir) };
}
