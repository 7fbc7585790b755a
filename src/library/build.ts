/** Building derivations of the fleet into the local store. */

import { renderBytes, renderCount } from "../base/quantities.ts";
import { realiseWhatCan } from "../build/realise.ts";
import { rootOf } from "../fleet/deploy.ts";
import { instantiate } from "../realise/instantiate.ts";
import { BuildCounts } from "./build-counts.ts";
import { type FleetContext, kitOf } from "./context.ts";
import type { Deployer } from "./deployer.ts";

/** Builds derivations of the evaluation into the local store; the first failure ends it all and is thrown. */
export async function build(deployer: Deployer, context: FleetContext, drvPaths: readonly string[]): Promise<void> {
  await buildEach(deployer, context, drvPaths, { keepGoing: false });
}

/** Builds what can be built of them; answers why others could not be, by derivation. */
export async function buildEach(
  { observer, signal }: Deployer,
  context: FleetContext,
  drvPaths: readonly string[],
  { keepGoing }: { readonly keepGoing: boolean } = { keepGoing: true },
): Promise<ReadonlyMap<string, Error>> {
  const wanted = [...new Set(drvPaths)];
  observer.update("build", "instantiating");
  await instantiate(context.inventory.evaluation, wanted, context.store, signal);
  const counts = new BuildCounts(observer);
  const roots = new Map(wanted.map((path) => [path, rootOf(path, context.store.storeDir)]));
  const { failures } = await realiseWhatCan({
    store: context.store,
    drvPaths: [...roots.values()],
    keepGoing,
    signal,
    onEvent: (event) => counts.take(event),
  });
  const done =
    counts.built + counts.fetched === 0
      ? "everything is in the store"
      : `${renderCount(counts.built, "derivation")} built, ${renderCount(counts.fetched, "file")} fetched (${renderBytes(counts.fetchedBytes)})`;
  observer.done("build", done, failures.size === 0 ? "ok" : "failed");
  return new Map(
    [...roots].flatMap(([path, { baseName }]) => {
      const failure = failures.get(baseName);
      return failure === undefined ? [] : [[path, failure]];
    }),
  );
}

/** Builds the host kit for every platform among the hosts. */
export async function buildKits(deployer: Deployer, context: FleetContext): Promise<void> {
  await build(
    deployer,
    context,
    context.hosts.map((host) => kitOf(context, host).drvPath),
  );
}
