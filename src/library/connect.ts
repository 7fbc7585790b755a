/** Sessions to hosts, which end with their use. */

import { dirname, join } from "node:path";
import { rootOf } from "../fleet/deploy.ts";
import { HostSession } from "../fleet/host-session.ts";
import { OPERATOR_KEY } from "../fleet/init.ts";
import type { HostInventory } from "../fleet/inventory.ts";
import { labSshConfig } from "../lab/ssh-config.ts";
import type { LocalStore } from "../store/local-store.ts";
import { exists } from "../system/files.ts";
import { type FleetContext, kitOf } from "./context.ts";
import type { Deployer } from "./deployer.ts";

export type Sessions = ReadonlyMap<string, HostSession>;

/** Opens a session per host, runs `use`, and closes the connections whatever happens. */
export async function withSessions<T>(
  deployer: Deployer,
  context: FleetContext,
  use: (sessions: Sessions) => Promise<T>,
): Promise<T> {
  const { inventory, store } = context;
  const hosts = context.hosts.map((host) => ({ host, kit: kitOf(context, host).outPath }));
  return await withSessionsTo(deployer, { fleet: inventory.name, store, hosts }, use);
}

/** The same for hosts that are known without evaluating the fleet. */
export async function withSessionsTo<T>(
  { fleetFile, observer, ssh, sudoPassword }: Deployer,
  wanted: {
    readonly fleet: string;
    readonly store: LocalStore;
    /** With the full store path of each host's kit; without one there is no session. */
    readonly hosts: readonly { readonly host: HostInventory; readonly kit?: string }[];
  },
  use: (sessions: Sessions) => Promise<T>,
): Promise<T> {
  const { store } = wanted;
  const { lab } = ssh;
  const configFile = lab === undefined ? ssh.configFile : await labSshConfig(lab === true ? wanted.fleet : lab);
  const ownKey = join(dirname(fleetFile), OPERATOR_KEY);
  const identityFile = (await exists(ownKey)) ? ownKey : undefined;
  const { command } = observer;
  const sessions = new Map(
    wanted.hosts.flatMap(({ host, kit }) => {
      if (kit === undefined) return [];
      // In a lab, hosts are known to ssh by their names.
      const target = lab === undefined ? host.target : { host: host.name, user: "root" };
      const opened = new HostSession(
        { ...host, target },
        {
          ssh: {
            configFile,
            identityFile,
            sudoPassword,
            ...(command && { onCommand: (remote, local) => command(host.name, remote, local) }),
          },
          localStore: store,
          kitPath: rootOf(kit, store.storeDir),
          ...(command && { onOwnCommand: (argv) => command(`${host.name} (deployer)`, argv) }),
        },
      );
      return [[host.name, opened] as const];
    }),
  );
  try {
    return await use(sessions);
  } finally {
    await Promise.all([...sessions.values()].map((open) => open.disconnect()));
  }
}
