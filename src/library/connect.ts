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
  deployer: Deployer,
  wanted: {
    readonly fleet: string;
    readonly store: LocalStore;
    /** With the full store path of each host's kit; without one there is no session. */
    readonly hosts: readonly { readonly host: HostInventory; readonly kit?: string }[];
  },
  use: (sessions: Sessions) => Promise<T>,
): Promise<T> {
  const makeSession = await sessionMaker(deployer, wanted);
  const sessions = new Map(
    wanted.hosts.flatMap(({ host, kit }) => (kit === undefined ? [] : [[host.name, makeSession(host, kit)] as const])),
  );
  try {
    return await use(sessions);
  } finally {
    await Promise.all([...sessions.values()].map((open) => open.disconnect()));
  }
}

/** Makes sessions to hosts, which connect when they are asked something; whoever makes one ends it. */
export async function sessionMaker(
  { fleetFile, observer, ssh, sudoPassword }: Deployer,
  { fleet, store }: { readonly fleet: string; readonly store: LocalStore },
): Promise<(host: HostInventory, kit: string) => HostSession> {
  const { lab } = ssh;
  const configFile = lab === undefined ? ssh.configFile : await labSshConfig(lab === true ? fleet : lab);
  const ownKey = join(dirname(fleetFile), OPERATOR_KEY);
  const identityFile = (await exists(ownKey)) ? ownKey : undefined;
  const { command } = observer;
  return (host, kit) => {
    // In a lab, hosts are known to ssh by their names.
    const target = lab === undefined ? host.target : { host: host.name, user: "root" };
    return new HostSession(
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
  };
}
