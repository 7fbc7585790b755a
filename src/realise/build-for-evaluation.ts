/** Import from derivation: builds what an evaluation that is waiting needs, in the store it reads. */

import { realise } from "../build/realise.ts";
import { OperationError } from "../base/errors.ts";
import { StorePath } from "../format/store-path.ts";
import type { LocalStore } from "../store/local-store.ts";
import type { RealiseRequest } from "./evaluate-messages.ts";
import { instantiate } from "./instantiate.ts";

/** The `realise` service of an evaluation whose `storeRoot` is the root of `store`. */
export function buildForEvaluation(store: LocalStore): (request: RealiseRequest, signal: AbortSignal) => Promise<void> {
  return async (request, signal) => {
    const outputs = new Map<string, string[]>();
    const paths: string[] = [];
    for (const element of request.context) {
      const end = element.indexOf("!", 1);
      if (!element.startsWith("!")) paths.push(element.replace(/^=/, ""));
      else {
        const drvPath = element.slice(end + 1);
        const names = outputs.get(drvPath) ?? [];
        names.push(element.slice(1, end));
        outputs.set(drvPath, names);
      }
    }
    const drvPaths = [...outputs.keys()];
    await instantiate(request, [...drvPaths, ...paths], store, signal);
    const parsed = drvPaths.map((path) => StorePath.ofFull(path, store.storeDir));
    const wanted = new Map(parsed.map((path, index) => [path.baseName, outputs.get(drvPaths[index]!)!]));
    if (parsed.length > 0) await realise({ store, drvPaths: parsed, outputs: wanted, signal });
    const plain = paths.map((path) => StorePath.ofFull(path, store.storeDir));
    const valid = await store.validPaths(plain, signal);
    const missing = plain.find((path) => !valid.has(path.baseName));
    if (missing !== undefined) {
      throw new OperationError("PATH_INVALID", `path '${missing.render(store.storeDir)}' is not valid`);
    }
  };
}
