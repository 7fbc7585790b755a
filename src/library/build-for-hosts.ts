/** Making the systems of hosts, here or on the hosts themselves, with the hooks around that. */

import { systemClock } from "../base/clock.ts";
import { mapConcurrently } from "../base/concurrency.ts";
import { OperationError } from "../base/errors.ts";
import { buildOnHost } from "../fleet/build-on-host.ts";
import { rootOf } from "../fleet/deploy.ts";
import { instantiate } from "../realise/instantiate.ts";
import { buildEach } from "./build.ts";
import { type AroundBuild, runBuildHooks } from "./build-hooks.ts";
import { kitOf, systemOf } from "./context.ts";
import type { Deployer } from "./deployer.ts";
import { CONCURRENCY_DEFAULT } from "./request.ts";

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
  const drvPaths = hosts.flatMap((host) => [
    ...(host.buildOnTarget === true ? [] : [systemOf(context, host).drvPath]),
    kitOf(context, host).drvPath,
  ]);
  const failures = new Map([
    ...(await buildEach(deployer, context, drvPaths)),
    ...(await buildOnTargets(deployer, { ...around, hosts })),
  ]);
  const unbuilt = new Map(
    hosts.flatMap((host) => {
      const failure = failures.get(systemOf(context, host).drvPath) ?? failures.get(kitOf(context, host).drvPath);
      if (failure === undefined) return [];
      if (!(failure instanceof OperationError)) throw failure;
      return [[host.name, failure]];
    }),
  );
  const built = hosts.filter(({ name }) => !unbuilt.has(name));
  const late = await runBuildHooks(deployer, "postBuild", { ...around, hosts: built });
  return { refused: new Map([...refused, ...late]), unbuilt };
}

/** Lets hosts build their own systems; answers why some could not, by derivation. */
async function buildOnTargets(
  { observer, signal }: Deployer,
  around: AroundBuild,
): Promise<ReadonlyMap<string, Error>> {
  const { context, sessions, unreached } = around;
  const hosts = around.hosts.filter(({ buildOnTarget }) => buildOnTarget === true);
  await instantiate(
    context.inventory.evaluation,
    hosts.map((host) => systemOf(context, host).drvPath),
    context.store,
    signal,
  );
  const failures = await mapConcurrently(hosts, CONCURRENCY_DEFAULT, async (host) => {
    const { name } = host;
    const { drvPath } = systemOf(context, host);
    try {
      if (unreached.has(name))
        throw new OperationError("HOST_UNREACHABLE", `${name} is not reached, and is to build its own system`, {
          hint: "deploy again when it is back, or build its system here (deployment.buildOnTarget = false)",
          retryable: true,
        });
      await buildOnHost(sessions.get(name)!, {
        store: context.store,
        drvPath: rootOf(drvPath, context.store.storeDir),
        clock: systemClock,
        signal,
        onNote: (text, minor = false) => observer.update(name, text, { minor }),
      });
      observer.done(name, "has its system, built on the host");
      return [];
    } catch (error) {
      if (!(error instanceof OperationError) || signal.aborted) throw error;
      observer.done(name, "its system could not be built on the host", "failed");
      return [[drvPath, error] as const];
    }
  });
  return new Map(failures.flat());
}
