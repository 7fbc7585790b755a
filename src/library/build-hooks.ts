/** Hooks around builds; where hooks run, and who sees what they say. */

import { dirname } from "node:path";
import { mapConcurrently } from "../base/concurrency.ts";
import { OperationError } from "../base/errors.ts";
import { type HookDisplay, HostHooks, requireHookPrograms, runDeployerHooks } from "../fleet/hooks.ts";
import type { HostInventory } from "../fleet/inventory.ts";
import { type Hook, type HookMoment, hooksAt } from "../machine/hook.ts";
import type { TransactionGoal } from "../machine/transaction.ts";
import { build } from "./build.ts";
import type { Sessions } from "./connect.ts";
import { type FleetContext, kitOf, systemOf } from "./context.ts";
import type { Deployer } from "./deployer.ts";

const CONCURRENCY_MAX = 16;

export function hookDisplay({ fleetFile, observer }: Deployer): HookDisplay {
  const { command } = observer;
  return {
    directory: dirname(fleetFile),
    ...(command && {
      onCommand: (subject, on, argv) => command(on === "host" ? subject : `${subject} (${on})`, argv),
    }),
    output: (subject, line) => observer.output(subject, line),
  };
}

/** Refuses what could not run here, before anything is done. */
export async function requireHooks(
  fleet: { readonly name: string; readonly hooks?: readonly Hook[] | undefined },
  hosts: readonly HostInventory[],
): Promise<void> {
  const subjects = hosts.map(({ name, hooks = [] }) => ({ name, hooks }));
  await requireHookPrograms([{ name: `the fleet ${fleet.name}`, hooks: fleet.hooks ?? [] }, ...subjects]);
}

export interface AroundBuild {
  readonly context: FleetContext;
  readonly goal: TransactionGoal;
  readonly hosts: readonly HostInventory[];
  readonly sessions: Sessions;
  /** Hosts that were not reached: their own hooks do not run. */
  readonly unreached: ReadonlySet<string>;
}

/** Runs hooks before or after a build; answers the hosts for which one failed that was to end it. */
export async function runBuildHooks(
  deployer: Deployer,
  moment: "preBuild" | "postBuild",
  { context, goal, hosts, sessions, unreached }: AroundBuild,
): Promise<ReadonlyMap<string, OperationError>> {
  const { inventory } = context;
  const { signal, observer } = deployer;
  const display = hookDisplay(deployer);
  const common = { PRISTINE_FLEET: inventory.name, PRISTINE_GOAL: goal };
  const ofFleet = {
    subject: inventory.name,
    hooks: inventory.hooks,
    facts: { ...common, PRISTINE_HOSTS: hosts.map(({ name }) => name).join(" ") },
    display,
    note: (text: string) => observer.update(inventory.name, text),
  };
  if (moment === "preBuild") await runDeployerHooks(ofFleet, moment, { signal });
  const asked = hosts.filter((host) => hasHooks(host, moment) && !unreached.has(host.name));
  // The kit is what runs hooks on hosts.
  if (asked.length > 0)
    await build(
      deployer,
      context,
      asked.map((host) => kitOf(context, host).drvPath),
    );
  const failures = await mapConcurrently(hosts, CONCURRENCY_MAX, async (host) => {
    const open = sessions.get(host.name);
    const hooks = new HostHooks({
      subject: host.name,
      hooks: host.hooks ?? [],
      facts: {
        ...common,
        PRISTINE_HOST: host.name,
        PRISTINE_ADDRESS: open?.connection.address ?? host.target.host,
        PRISTINE_SYSTEM: systemOf(context, host).outPath,
      },
      display,
      note: (text) => observer.update(host.name, text),
    });
    try {
      if (open !== undefined && asked.includes(host)) await hooks.onBoth(moment, await open.kit(signal), { signal });
      else await hooks.onDeployer(moment, { signal });
      return [];
    } catch (error) {
      if (!(error instanceof OperationError) || signal.aborted) throw error;
      return [[host.name, error] as const];
    }
  });
  if (moment === "postBuild") await runDeployerHooks(ofFleet, moment, { signal });
  return new Map(failures.flat());
}

function hasHooks({ hooks = [] }: HostInventory, moment: HookMoment): boolean {
  return hooksAt(hooks, "host", moment).length > 0;
}
