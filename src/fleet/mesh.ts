/**
 * Keys of users who reach each other over ssh (`deployment.sshMesh`). They are made on the hosts, and only what is public
 * leaves these: it is written beside the fleet file, where evaluation reads it. So is what hosts must know of each other, for
 * NixOS configurations, which are evaluated each by itself.
 */

import { dirname, join } from "node:path";
import { OperationError } from "../base/errors.ts";
import { ensureDirectory, exists, namesIn, removeFile, writeFileAtomic } from "../system/files.ts";
import { parseSshPublicKey, renderSshPublicKey, type SshPublicKey } from "./secrets/ssh-key.ts";
import type { SshConnection } from "./ssh.ts";

/** A user of a host, as `nix/modules/ssh-mesh.nix` hands it over. */
export interface MeshUser {
  readonly name: string;
  /** The public key that was collected. */
  readonly key: string | null;
  readonly meshes: readonly string[];
}

/** A host, as `nix/modules/ssh-mesh.nix` hands it over. */
export interface MeshHost {
  /** Where private keys are on it. */
  readonly keyDirectory: string;
  readonly names: readonly string[];
  readonly address: string;
  readonly ports: readonly number[];
  readonly hostKey: string | null;
  /** Those that it is in. */
  readonly meshes: readonly {
    readonly name: string;
    readonly hosts: readonly string[];
    readonly users: readonly string[];
  }[];
}

const DIRECTORY = "pristine.mesh.d";
const HOST_FILE = "host.json";
const HOST_FILE_VERSION = 1;
const DEADLINE_MS = 60_000;

/**
 * Run by `sh -c` with the directory of keys, a user and the key that is known, which may be empty: says the public part of that
 * key, or of a new one. A key's name has the beginning of a hash of its public part, as in `nix/nixos/ssh-mesh/declared.nix`, and
 * it has its name when it is whole. It becomes its user's when a system that uses it is activated.
 */
const SCRIPT = `
set -eu
umask 022
mkdir -p "$1"
pathOf() { printf '%s/%s.%.16s' "$1" "$2" "$(printf %s "$3" | sha256sum)"; }
if [ -n "$3" ] && found=$(ssh-keygen -y -P '' -f "$(pathOf "$@")" 2>/dev/null) && [ "$(printf %s "$found" | cut -d ' ' -f 1,2)" = "$3" ]; then
  printf '%s\\n' "$3"
  exit
fi
umask 077
# Of who was killed; whoever is at work has a minute.
find "$1" -maxdepth 1 -name '.new.*' -mmin +10 -exec rm -rf {} +
new=$(mktemp -d "$1/.new.XXXXXX")
trap 'rm -rf "$new"' EXIT
ssh-keygen -q -t ed25519 -C '' -N '' -f "$new/key"
public=$(cut -d ' ' -f 1,2 "$new/key.pub")
chmod 400 "$new/key"
sync "$new/key"
mv "$new/key" "$(pathOf "$1" "$2" "$public")"
sync "$1"
printf '%s\\n' "$public"
`;

/** The public part of a user's key on its host, which is made when it is not there, or when it is to be another. */
export async function collectKey(
  connection: SshConnection,
  { key, name }: MeshUser,
  { directory, isNew, signal }: { readonly directory: string; readonly isNew: boolean; readonly signal: AbortSignal },
): Promise<SshPublicKey> {
  const outcome = await connection.run(
    { argv: ["sh", "-c", SCRIPT, "mesh", directory, name, isNew ? "" : (key ?? "")] },
    { signal, deadlineMs: DEADLINE_MS, asRoot: true },
  );
  const refused = (why: string): OperationError =>
    new OperationError("MESH_KEY", `${connection.address} has no key of the user '${name}' for ssh: ${why}`, {
      hint: `it is made in ${directory} on the host, by ssh-keygen: see that there is room, and that it can be written to`,
    });
  if (outcome.code !== 0) throw refused(outcome.stderr.toString("utf8").trim().split("\n").at(-1) ?? "");
  try {
    return parseSshPublicKey(outcome.stdout.toString("utf8"));
  } catch (error) {
    throw refused(error instanceof Error ? error.message : String(error));
  }
}

/** Writes down the public keys of a host's users, and forgets those of others. */
export async function writeMeshKeys(
  fleetFile: string,
  host: string,
  keys: ReadonlyMap<string, SshPublicKey>,
): Promise<void> {
  const directory = directoryOf(fleetFile, host);
  if (keys.size > 0) await ensureDirectory(directory);
  for (const [user, key] of keys) await writeFileAtomic(join(directory, `${user}.pub`), `${renderSshPublicKey(key)}\n`);
  if (!(await exists(directory))) return;
  for (const file of await namesIn(directory)) {
    if (file.endsWith(".pub") && !keys.has(file.slice(0, -".pub".length))) await removeFile(join(directory, file));
  }
}

/** Writes down what others in its meshes must know of a host. */
export async function writeMeshHost(
  fleetFile: string,
  host: string,
  { address, hostKey, meshes, names, ports }: Omit<MeshHost, "keyDirectory">,
): Promise<void> {
  const directory = directoryOf(fleetFile, host);
  await ensureDirectory(directory);
  const content = { version: HOST_FILE_VERSION, names, address, ports, hostKey, meshes };
  await writeFileAtomic(join(directory, HOST_FILE), `${JSON.stringify(content, undefined, 2)}\n`);
}

/** Forgets a host that is in no mesh any more. */
export async function forgetMeshHost(fleetFile: string, host: string): Promise<void> {
  await writeMeshKeys(fleetFile, host, new Map());
  const file = join(directoryOf(fleetFile, host), HOST_FILE);
  if (await exists(file)) await removeFile(file);
}

/** The hosts of which something is written down. */
export async function writtenMeshHosts(fleetFile: string): Promise<string[]> {
  const directory = join(dirname(fleetFile), DIRECTORY);
  return (await exists(directory)) ? await namesIn(directory) : [];
}

function directoryOf(fleetFile: string, host: string): string {
  return join(dirname(fleetFile), DIRECTORY, host);
}
