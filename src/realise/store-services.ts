/** What an evaluation is served with that has a store to write to: building, and closures of binary caches. */

import type { LocalStore } from "../store/local-store.ts";
import type { EvaluationServices } from "./evaluation-services.ts";

type StoreServices = Required<Pick<EvaluationServices, "fetchClosure" | "realise">>;

/** The services of a store, which is opened when it is first needed: the one whose files the evaluation reads. */
export function storeServices(store: () => Promise<LocalStore>): StoreServices {
  return {
    realise: async (request, signal) => {
      const { buildForEvaluation } = await import("./build-for-evaluation.ts");
      await buildForEvaluation(await store())(request, signal);
    },
    fetchClosure: async (request, settings, signal) => {
      const { closureForEvaluation } = await import("./closure-for-evaluation.ts");
      return await closureForEvaluation(await store(), request, settings, signal);
    },
  };
}
