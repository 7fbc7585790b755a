/** A system that another host has built, sent to its host by that one itself, past the deployer. */

import { OperationError } from "../../base/errors.ts";
import type { StorePath } from "../../format/store-path.ts";
import type { HostSession } from "../host-session.ts";
import type { HostInventory } from "../inventory.ts";

/** A connection that is lost is noticed long before. */
const DEADLINE_MS = 3_600_000;
const SSH_OPTIONS = "-oBatchMode=yes -oConnectTimeout=10 -oServerAliveInterval=10 -oServerAliveCountMax=3";

/** Whether a mesh lets the root of one host log in as that of another. */
export function knowsWay(from: Pick<HostInventory, "sshMesh">, to: Pick<HostInventory, "sshMesh">): boolean {
  const meshesOf = ({ sshMesh = [] }: Pick<HostInventory, "sshMesh">): readonly string[] =>
    sshMesh.filter(({ name }) => name === "root").flatMap(({ meshes }) => meshes);
  return meshesOf(from).some((mesh) => meshesOf(to).includes(mesh));
}

/** Sends the closure of `path`; answers whether it did. That it could not is said, and nothing is lost. */
export async function sendStraight(
  { from, path, to }: { readonly from: HostSession; readonly to: HostSession; readonly path: StorePath },
  {
    onNote,
    signal,
    storeDir,
  }: {
    readonly storeDir: string;
    readonly signal: AbortSignal;
    readonly onNote: (text: string) => void;
  },
): Promise<boolean> {
  const { name, substituteOnDestination } = to.host;
  onNote(`${from.host.name} copies it to ${name}`);
  const substitutes = substituteOnDestination === true ? ["--use-substitutes"] : [];
  try {
    await from.connection.runChecked(
      {
        argv: [
          "env",
          `NIX_SSHOPTS=${SSH_OPTIONS}`,
          "nix-copy-closure",
          "--to",
          ...substitutes,
          `root@${name}`,
          path.render(storeDir),
        ],
      },
      { signal, asRoot: true, deadlineMs: DEADLINE_MS },
    );
    // Until a transaction keeps it.
    await (await to.store(signal)).addTempRoots([path], signal);
    return true;
  } catch (error) {
    if (!(error instanceof OperationError) || signal.aborted) throw error;
    onNote(`${from.host.name} could not copy it to ${name}, so it goes by way of this machine: ${error.message}`);
    return false;
  }
}
