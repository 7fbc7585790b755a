/**
 * Hosts that somebody has installed: what they get before the first deployment, as they have no store, and what keeps a
 * system from being theirs.
 */

import { OperationError } from "../base/errors.ts";
import { sortedReferences } from "../format/path-info.ts";
import type { StorePath } from "../format/store-path.ts";
import {
  ACCOUNTS_HINT,
  accountObstacles,
  accountQueries,
  OWN_ACCOUNTS,
  parseOwnAccounts,
} from "../machine/accounts.ts";
import { type NamedChange, SSH_KEYS_FIELD } from "../machine/system-diff.ts";
import { describeObstacles, GENERATOR, placesOf } from "../machine/foreign-files.ts";
import type { SystemObject } from "../machine/system-object.ts";
import { closureInfos } from "../store/copy.ts";
import type { LocalStore } from "../store/local-store.ts";
import { openDuplex, succeeded } from "../system/process.ts";
import type { SshConnection } from "./ssh.ts";
import { UPLOADED } from "./uploads.ts";

/** Where such a host has the programs of its store; also a root for the collector. */
export const ENGINE = "/nix/var/nix/gcroots/pristine/engine";

const GENERATORS = GENERATOR.slice(0, GENERATOR.lastIndexOf("/"));

const DEADLINE_MS = 60_000;
const REGISTER_DEADLINE_MS = 120_000;

/** `/nix` appears as a whole, with what says that it is ours to take away. */
const PREPARE = `set -e
umask 022
[ ! -e /nix ] || { [ -e /nix/var/pristine/foreign ] && exit 0; echo '/nix is there, and not of our making' >&2; exit 1; }
rm -rf /nix.pristine
mkdir -p /nix.pristine/store /nix.pristine/var/pristine
: >/nix.pristine/var/pristine/foreign
mv -T /nix.pristine /nix
`;

/** Says which paths are taken; each line has one, and after a tab what a link of ours there leads to. */
const LOOK = `tab=$(printf '\\t')
while IFS="$tab" read -r path target; do
  if [ -e "$path" ] || [ -h "$path" ]; then
    [ -n "$target" ] && [ "$(readlink "$path")" = "$target" ] || printf 'pristine obstacle=%s\\n' "$path"
  fi
done
`;

/** Throws when something that is not ours stands where the system's files or units would. */
export async function requireFreePlaces(
  connection: SshConnection,
  system: SystemObject,
  signal: AbortSignal,
): Promise<void> {
  const lines = [...placesOf(system)].map(([path, target]) => `${path}\t${target ?? ""}\n`);
  const command = { argv: ["sh", "-c", LOOK] as const, stdin: lines.join("") };
  const outcome = await connection.runChecked(command, { signal, deadlineMs: DEADLINE_MS, asRoot: true });
  const text = outcome.stdout.toString("utf8");
  const obstacles = [...text.matchAll(/^pristine obstacle=(.*)$/gm)].map(([, path = ""]) => path);
  if (obstacles.length > 0) {
    const { message, hint } = describeObstacles(obstacles);
    throw new OperationError("HOST_IN_THE_WAY", `${connection.address}: ${message}`, { hint });
  }
  await requireFreeAccounts(connection, system, signal);
}

async function requireFreeAccounts(
  connection: SshConnection,
  system: SystemObject,
  signal: AbortSignal,
): Promise<void> {
  const queries = accountQueries(system);
  if (queries === undefined) return;
  // They end with an error when something is not there, which is well.
  const ask = async (argv: readonly [string, ...string[]]): Promise<string> =>
    (await connection.run({ argv }, { signal, deadlineMs: DEADLINE_MS, asRoot: true })).stdout.toString("utf8");
  const answers = {
    passwd: await ask(queries.passwd),
    group: await ask(queries.group),
    homes: await ask(queries.homes),
  };
  const own = parseOwnAccounts(await ask(["cat", OWN_ACCOUNTS]));
  const taken = accountObstacles(system, own, answers);
  if (taken.length === 0) return;
  throw new OperationError("HOST_IN_THE_WAY", `${connection.address}: ${taken.join("; ")}`, { hint: ACCOUNTS_HINT });
}

/** Throws when a change takes away the user by which the deployer comes in, or makes another one of it. */
export function requireWayIn(name: string, user: string, changes: readonly NamedChange[]): void {
  const change = changes.find((one) => one.name === user && one.kind !== "added");
  if (change === undefined) return;
  // Whether its new keys let in, the confirmation shows.
  if (change.kind === "changed" && change.details.every((text) => text.startsWith(`${SSH_KEYS_FIELD}:`))) return;
  throw new OperationError(
    "HOST_IN_THE_WAY",
    `${name} is deployed to as ${user}, which this would ${change.kind === "removed" ? "remove" : "change"}`,
    {
      hint: "come in as another user (deployment.target.user)",
    },
  );
}

/** Gives a host that has no store one, with nothing in it but what the store itself is run by. */
export async function bringEngine(
  connection: SshConnection,
  { engine, from }: { readonly engine: StorePath; readonly from: LocalStore },
  signal: AbortSignal,
): Promise<void> {
  const present = await connection.run({ argv: ["readlink", "-e", ENGINE] }, { signal });
  if (succeeded(present)) return;
  const closure = [...(await closureInfos(from, [engine], signal)).values()];
  await connection.runChecked({ argv: ["sh", "-c", PREPARE] }, { signal, asRoot: true });
  await send(connection, { paths: closure.map(({ path }) => path), from }, signal);
  const path = engine.render("/nix/store");
  const register = `set -e; umask 022
${path}/bin/nix-store --load-db
mkdir -p ${ENGINE.slice(0, ENGINE.lastIndexOf("/"))}
ln -s ${path} ${ENGINE}.new
sync -f /nix
mv -T ${ENGINE}.new ${ENGINE}`;
  const registration = closure.map((info) => {
    const references = sortedReferences(info).map((reference) => reference.render("/nix/store"));
    const { narHash, narSize } = info;
    return [
      info.path.render("/nix/store"),
      narHash.render("base16"),
      narSize,
      "",
      references.length,
      ...references,
      "",
    ].join("\n");
  });
  const command = { argv: ["sh", "-c", register] as const, stdin: registration.join("") };
  await connection.runChecked(command, { signal, deadlineMs: REGISTER_DEADLINE_MS, asRoot: true });
}

/** The system that declares nothing, as the host has it. */
export async function bareSystemOf(connection: SshConnection, signal: AbortSignal): Promise<string> {
  const found = await connection.runChecked({ argv: ["readlink", "-e", ENGINE] }, { signal });
  return found.stdout.toString("utf8").trim();
}

/** With the host's own programs, as those of the store go with it; cut off, it leaves nothing that is in use. */
const REMOVE = `set -e
[ -e /nix/var/pristine/foreign ] || { echo 'its /nix is not of our making' >&2; exit 1; }
exec 9>/run/pristine/kit.lock
flock -w 60 9 || { echo 'another command is at work on the host' >&2; exit 1; }
[ ! -e /nix/var/pristine/lock ] || { echo 'a transaction holds the host' >&2; exit 1; }
engine=$(readlink -e ${ENGINE})
for system in /run/pristine/foreign/system /nix/var/nix/profiles/system; do
  [ "$(readlink -e "$system")" = "$engine" ] || { echo 'it runs or boots a system of ours' >&2; exit 1; }
done
[ ! -e ${OWN_ACCOUNTS} ] || grep -qF '"users":[],"groups":[]' ${OWN_ACCOUNTS} || { echo 'users or groups of ours are left: see the journal' >&2; exit 1; }
if [ -e ${UPLOADED} ]; then
  tac ${UPLOADED} | while IFS= read -r path; do
    if [ -d "$path" ] && [ ! -h "$path" ]; then rmdir --ignore-fail-on-non-empty "$path"; else rm -f "$path" "$path".upload-??????; fi
  done
fi
systemctl stop pristine-boot.service
rm -f ${GENERATOR}
if grep -qF '"${GENERATORS}"' /nix/var/pristine/directories.json; then rmdir --ignore-fail-on-non-empty ${GENERATORS}; fi
systemctl daemon-reload
rm -rf /nix.pristine
mv -T /nix /nix.pristine
rm -rf /nix.pristine /run/pristine /run/current-system /run/booted-system
`;
const REMOVE_DEADLINE_MS = 300_000;

/** Takes the store off a host that runs nothing out of it any more, and all that was recorded there. */
export async function removeStore(connection: SshConnection, signal: AbortSignal): Promise<void> {
  const command = { argv: ["sh", "-c", REMOVE] as const };
  await connection.runChecked(command, { signal, deadlineMs: REMOVE_DEADLINE_MS, asRoot: true });
}

/** What was cut off is sent again, and replaced. */
async function send(
  connection: SshConnection,
  { paths, from }: { readonly paths: readonly StorePath[]; readonly from: LocalStore },
  signal: AbortSignal,
): Promise<void> {
  const [first] = paths;
  if (first === undefined) return;
  const real = from.realPath(first);
  const directory = real.slice(0, real.lastIndexOf("/"));
  const names = paths.map(({ baseName }) => baseName);
  const pack = openDuplex(
    ["tar", "-C", directory, "--owner=0", "--group=0", "--numeric-owner", "-cf", "-", "--", ...names],
    { signal },
  );
  const unpack = await connection.open(["tar", "-C", "/nix/store", "-xpf", "-"], signal);
  let isOpen = true;
  void unpack.exited.then(() => (isOpen = false));
  for await (const chunk of pack.readable as AsyncIterable<Uint8Array>) {
    if (!isOpen) break;
    if (!unpack.writable.write(chunk)) await Promise.race([drained(unpack.writable), unpack.exited]);
  }
  const packed = await pack.close();
  unpack.writable.end();
  const unpacked = await unpack.exited;
  signal.throwIfAborted();
  if (succeeded(packed) && succeeded(unpacked)) return;
  throw new OperationError(
    "HOST_COMMAND_FAILED",
    `the store of ${connection.address} cannot be made: ${unpack.stderrTail().trim() || pack.stderrTail().trim()}`,
  );
}

function drained(writable: { once(event: "drain", listener: () => void): unknown }): Promise<void> {
  return new Promise((resolve) => writable.once("drain", resolve));
}
