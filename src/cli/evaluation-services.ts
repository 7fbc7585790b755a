/** What an evaluation of a command is served with: where the store is, building, and a place for traces and warnings. */

import type { EvaluationRequest, EvaluationServices } from "../realise/evaluate.ts";
import { storeServices } from "../realise/store-services.ts";
import type { LocalStore } from "../store/local-store.ts";
import { defaultStoreRoot, resolveStoreAddress } from "../store/store-address.ts";
import { safeText } from "../base/safe-text.ts";
import type { Session } from "./session.ts";

export interface ServedEvaluation {
  /** The part of the request that says where the store's files are. */
  readonly storeRoot: Pick<EvaluationRequest, "storeRoot" | "readWrite">;
  readonly services: EvaluationServices;
  /** The local store; made when it is first asked for. */
  readonly store: () => Promise<LocalStore>;
}

export async function evaluationServices(
  session: Session,
  options: { readonly canBuild: boolean },
): Promise<ServedEvaluation> {
  const { signal, terminal } = session;
  const address = await resolveStoreAddress(session.options.store);
  const root = address.kind === "local" ? address.root : defaultStoreRoot();
  let opened: Promise<LocalStore> | undefined;
  const open = async (): Promise<LocalStore> => {
    const { openLocalStore } = await import("../store/open-store.ts");
    return await openLocalStore(session.options.store, signal);
  };
  const store = async (): Promise<LocalStore> => await (opened ??= open());
  return {
    storeRoot: { readWrite: options.canBuild, ...(root === "/" ? {} : { storeRoot: root }) },
    services: {
      onTrace: (text) => terminal.err(`trace: ${safeText(text)}`),
      onWarning: (text, isFromExpression) =>
        terminal.err(
          `${terminal.colors.yellow(isFromExpression ? "evaluation warning:" : "warning:")} ${safeText(text)}`,
        ),
      ...(options.canBuild ? storeServices(store) : {}),
    },
    store,
  };
}
