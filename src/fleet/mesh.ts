/**
 * Keys of users who reach each other over ssh (`deployment.sshMesh`). They are made on the hosts, and only what is public
 * leaves these: it is written beside the fleet file, where evaluation reads it.
 */

import { dirname, join } from "node:path";
import { OperationError } from "../base/errors.ts";
import { ensureDirectory, exists, namesIn, removeFile, writeFileAtomic } from "../system/files.ts";
import { parseSshPublicKey, renderSshPublicKey, type SshPublicKey } from "./secrets/ssh-key.ts";
import type { SshConnection } from "./ssh.ts";

/** A user of a host, as `nix/modules/ssh-mesh.nix` hands it over. */
export interface MeshUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  /** The public key that was collected. */
  readonly key: string | null;
  readonly meshes: readonly string[];
}

const KEYS = "/persist/etc/ssh/mesh";
const DEADLINE_MS = 60_000;

/**
 * Run by `sh -c` with a user, its numbers and the key that is known, which may be empty: says the public part of that key, or of a
 * new one. A key's name has the beginning of a hash of its public part, as in `nix/modules/ssh-mesh.nix`, and it has its
 * name when it is whole.
 */
const SCRIPT = `
set -eu
umask 022
mkdir -p ${KEYS}
pathOf() { printf '%s/%s.%.16s' ${KEYS} "$1" "$(printf %s "$2" | sha256sum)"; }
if [ -n "$3" ] && found=$(ssh-keygen -y -P '' -f "$(pathOf "$1" "$3")" 2>/dev/null) && [ "$(printf %s "$found" | cut -d ' ' -f 1,2)" = "$3" ]; then
  printf '%s\\n' "$3"
  exit
fi
umask 077
new=$(mktemp -d ${KEYS}/.new.XXXXXX)
trap 'rm -rf "$new"' EXIT
ssh-keygen -q -t ed25519 -C '' -N '' -f "$new/key"
public=$(cut -d ' ' -f 1,2 "$new/key.pub")
chown "$2" "$new/key"
chmod 400 "$new/key"
sync "$new/key"
mv "$new/key" "$(pathOf "$1" "$public")"
sync ${KEYS}
printf '%s\\n' "$public"
`;

/** The public part of a user's key on its host, which is made when it is not there, or when it is to be another. */
export async function collectKey(
  connection: SshConnection,
  user: MeshUser,
  { isNew, signal }: { readonly isNew: boolean; readonly signal: AbortSignal },
): Promise<SshPublicKey> {
  const { uid, gid, key, name } = user;
  const outcome = await connection.run(
    { argv: ["sh", "-c", SCRIPT, "mesh", name, `${uid}:${gid}`, isNew ? "" : (key ?? "")] },
    { signal, deadlineMs: DEADLINE_MS, asRoot: true },
  );
  const refused = (why: string): OperationError =>
    new OperationError("MESH_KEY", `${connection.address} has no key of the user '${name}' for ssh: ${why}`, {
      hint: `it is made in ${KEYS} on the host, by ssh-keygen: see that there is room, and that /persist can be written to`,
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
  const directory = join(dirname(fleetFile), "pristine.mesh.d", host);
  if (keys.size > 0) await ensureDirectory(directory);
  for (const [user, key] of keys) await writeFileAtomic(join(directory, `${user}.pub`), `${renderSshPublicKey(key)}\n`);
  if (!(await exists(directory))) return;
  for (const file of await namesIn(directory)) {
    if (file.endsWith(".pub") && !keys.has(file.slice(0, -".pub".length))) await removeFile(join(directory, file));
  }
}
