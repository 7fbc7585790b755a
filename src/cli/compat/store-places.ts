/** Where an evaluation finds the files of the store that a command line names. */

import type { EvaluationRequest } from "../../realise/evaluate.ts";
import type { StoreAddress } from "../../store/store-address.ts";

export function placesOf(
  address: StoreAddress | undefined,
): Pick<EvaluationRequest, "storeDir" | "storeStateDir"> & { readonly storeRoot: string } {
  const local = address?.kind === "local" ? address : undefined;
  const storeDir = local?.storeDir ?? (process.env["NIX_STORE_DIR"] || undefined);
  return {
    storeRoot: local === undefined || local.root === "/" ? "" : local.root,
    ...(storeDir === undefined ? {} : { storeDir }),
    ...(local?.stateDir === undefined ? {} : { storeStateDir: local.stateDir }),
  };
}
