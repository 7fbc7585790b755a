/** Making the systems of hosts, here or elsewhere, with the hooks around that. */

import { OperationError } from "../base/errors.ts";
import { buildEach } from "./build.ts";
import { buildElsewhere, isKitElsewhere, placesElsewhere } from "./build-elsewhere.ts";
import { type AroundBuild, runBuildHooks } from "./build-hooks.ts";
import { kitOf, outputsOf } from "./context.ts";
import type { Deployer } from "./deployer.ts";

type HostErrors = ReadonlyMap<string, OperationError>;

/** Builds for hosts; answers for which a hook refused it, and for which there is no system. */
export async function buildForHosts(
  deployer: Deployer,
  around: AroundBuild,
): Promise<{ readonly refused: HostErrors; readonly unbuilt: HostErrors }> {
  if (around.hosts.length === 0) return { refused: new Map(), unbuilt: new Map() };
  const { context } = around;
  const refused = await runBuildHooks(deployer, "preBuild", around);
  const hosts = around.hosts.filter(({ name }) => !refused.has(name));
  const places = await placesElsewhere(hosts);
  const drvPaths = hosts.flatMap((host) => [
    ...(places.has(host.name) ? [] : outputsOf(context, host).map(({ drvPath }) => drvPath)),
    ...(isKitElsewhere(host, places.get(host.name)) ? [] : [kitOf(context, host).drvPath]),
  ]);
  const failures = await buildEach(deployer, context, drvPaths);
  const elsewhere = await buildElsewhere(deployer, { ...around, hosts }, places);
  const unbuilt = new Map(
    hosts.flatMap((host) => {
      const [failed] = [...outputsOf(context, host), kitOf(context, host)].flatMap(
        ({ drvPath }) => failures.get(drvPath) ?? [],
      );
      const failure = elsewhere.get(host.name) ?? failed;
      if (failure === undefined) return [];
      if (!(failure instanceof OperationError)) throw failure;
      return [[host.name, failure]];
    }),
  );
  const built = hosts.filter(({ name }) => !unbuilt.has(name));
  const late = await runBuildHooks(deployer, "postBuild", { ...around, hosts: built });
  return { refused: new Map([...refused, ...late]), unbuilt };
}
