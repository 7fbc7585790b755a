/** What the `mesh` commands do with a fleet: list its members, and collect their public keys. */

import { collectKey, forgetMeshHost, writeMeshHost, writeMeshKeys, writtenMeshHosts } from "../fleet/mesh.ts";
import type { HostInventory } from "../fleet/inventory.ts";
import { parseSshPublicKey, renderSshPublicKey, sshFingerprint, type SshPublicKey } from "../fleet/secrets/ssh-key.ts";
import { withSessions } from "../library/connect.ts";
import { type FleetContext, withUnknown } from "../library/context.ts";
import { invariant } from "../base/errors.ts";
import { safeText } from "../base/safe-text.ts";
import { renderTable } from "./render/table.ts";
import type { Terminal } from "./render/terminal.ts";
import { enrollHost } from "./secrets-flow.ts";
import type { Session } from "./session.ts";

interface MeshMember {
  readonly mesh: string;
  readonly host: string;
  readonly user: string;
  /** `null` while none was collected. */
  readonly key: string | null;
}

interface CollectedHost {
  readonly host: string;
  readonly users: readonly { readonly name: string; readonly key: string; readonly isNew: boolean }[];
}

export function listMembers(hosts: readonly HostInventory[]): MeshMember[] {
  const members = hosts.flatMap(({ name: host, sshMesh = [] }) =>
    sshMesh.flatMap(({ key, meshes, name: user }) => meshes.map((mesh) => ({ mesh, host, user, key }))),
  );
  return members.sort((one, other) => (one.mesh < other.mesh ? -1 : one.mesh > other.mesh ? 1 : 0));
}

export function renderMembers(members: readonly MeshMember[], terminal: Terminal): string[] {
  if (members.length === 0) return ["no host is in a mesh"];
  const { yellow } = terminal.colors;
  const rows = members.map(({ host, key, mesh, user }) => [
    safeText(mesh),
    host,
    safeText(user),
    key === null ? yellow("not collected yet") : fingerprintOf(key),
  ]);
  return renderTable(["MESH", "HOST", "USER", "KEY"], rows);
}

/** Makes what is missing, one host after another, and writes down each host's keys at once. */
export async function collectMesh(
  session: Session,
  context: FleetContext,
  { isNew, yes }: { readonly isNew: boolean; readonly yes: boolean },
): Promise<CollectedHost[]> {
  const { fleetFile, signal } = session;
  const members = context.hosts.filter(({ sshMeshHost }) => (sshMeshHost?.meshes ?? []).length > 0);
  await writeDeclared(fleetFile, context, members);
  return await withSessions(session, { ...context, hosts: members }, async (sessions) => {
    const collected: CollectedHost[] = [];
    for (const { connection, host } of sessions.values()) {
      const question = `Let the others know ${host.name} by it?`;
      const hostKey = await enrollHost(session, { connection, host }, { yes, question });
      const { sshMesh = [], sshMeshHost } = host;
      invariant(sshMeshHost !== undefined, `${host.name} is in a mesh and has nothing to tell`);
      await writeMeshHost(fleetFile, host.name, { ...sshMeshHost, hostKey });
      const keys = new Map<string, SshPublicKey>();
      const users = [];
      for (const user of sshMesh) {
        const key = await collectKey(connection, user, { directory: sshMeshHost.keyDirectory, isNew, signal });
        keys.set(user.name, key);
        const text = renderSshPublicKey(key);
        users.push({ name: user.name, key: text, isNew: text !== user.key });
      }
      await writeMeshKeys(fleetFile, host.name, keys);
      collected.push({ host: host.name, users });
    }
    return collected;
  });
}

/** Writes down what is known before hosts are asked, so that who is taken out is so while a host is down. */
async function writeDeclared(
  fleetFile: string,
  { hosts, inventory }: FleetContext,
  members: readonly HostInventory[],
): Promise<void> {
  for (const { name, sshMeshHost } of members) {
    if (sshMeshHost !== undefined) await writeMeshHost(fleetFile, name, sshMeshHost);
  }
  const known = new Set(withUnknown(inventory).map(({ name }) => name));
  const gone = (await writtenMeshHosts(fleetFile)).filter((name) => !known.has(name));
  const without = hosts.filter((host) => !members.includes(host)).map(({ name }) => name);
  for (const name of [...without, ...gone]) await forgetMeshHost(fleetFile, name);
}

export function renderCollected(collected: readonly CollectedHost[]): string[] {
  if (collected.length === 0) return ["no host is in a mesh"];
  const lines = collected.flatMap(({ host, users }) =>
    users.map(
      ({ isNew, key, name }) =>
        `${host}: ${safeText(name)} has the key ${fingerprintOf(key)}${isNew ? ", which is new" : ""}`,
    ),
  );
  return collected.some(({ users }) => users.some(({ isNew }) => isNew))
    ? [...lines, "they open what is declared from the next 'pristine deploy' on"]
    : lines;
}

function fingerprintOf(key: string): string {
  try {
    return sshFingerprint(parseSshPublicKey(key));
  } catch {
    // A file that somebody has changed is shown as it is.
    return safeText(key);
  }
}
