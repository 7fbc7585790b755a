/** The configuration with which this machine's OpenSSH knows a lab's hosts by their names. */

import { OperationError } from "../base/errors.ts";
import { exists, readTextIfPresent, writeFileAtomic } from "../system/files.ts";
import { hostPaths, labPaths } from "./lab-names.ts";
import type { LabRecord } from "./lab-record.ts";

/** The file for `ssh -F`, when there is such a lab. */
export async function labSshConfig(lab: string): Promise<string> {
  const path = labPaths(lab).sshConfig;
  if (await exists(path)) return path;
  throw new OperationError("LAB_UNKNOWN", `there is no lab '${lab}' on this machine`, {
    hint: "'pristine lab up' makes one of your fleet; 'pristine lab list' shows those there are",
  });
}

export async function writeSshConfig(record: LabRecord): Promise<void> {
  const paths = labPaths(record.name);
  const known: string[] = [];
  for (const { name, address } of record.hosts) {
    const [type, key] = ((await readTextIfPresent(`${hostPaths(record.name, name).hostKey}.pub`)) ?? "").split(" ");
    if (key !== undefined) known.push(`${name},${address} ${type} ${key}\n`);
  }
  await writeFileAtomic(paths.knownHosts, known.join(""), { mode: 0o600, durable: false });
  await writeFileAtomic(paths.sshConfig, sshConfig(record), { mode: 0o600, durable: false });
}

export function sshConfig(record: LabRecord): string {
  const { identity, knownHosts } = labPaths(record.name);
  // A deployed system knows its operator's keys, not the lab's. Files that do not exist are passed over.
  const identities = [identity, ...record.identityFiles, "~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"];
  const hosts = record.hosts.map(({ name, address }) => `Host ${name} ${address}\n  HostName ${address}\n`);
  return `# Hosts of the lab '${record.name}': ssh -F ${labPaths(record.name).sshConfig} HOST
${hosts.join("")}
Host ${record.hosts.map(({ name, address }) => `${name} ${address}`).join(" ")}
  User root
  Port 22
${identities.map((path) => `  IdentityFile ${quoted(path)}\n`).join("")}  UserKnownHostsFile ${knownHosts}
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  UpdateHostKeys no
  PasswordAuthentication no
  KbdInteractiveAuthentication no
  ConnectTimeout 10
  LogLevel ERROR
`;
}

function quoted(path: string): string {
  return /[\s"#]/.test(path) ? `"${path}"` : path;
}
