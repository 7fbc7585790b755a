/** What the `secrets` commands share: the fleet, the operator's keys, and enrolling hosts. */

import { dirname } from "node:path";
import { OperationError } from "../base/errors.ts";
import type { HostInventory } from "../fleet/inventory.ts";
import type { HostSession } from "../fleet/host-session.ts";
import { HostFiles } from "../fleet/secrets/host-files.ts";
import { Identities } from "../fleet/secrets/identities.ts";
import type { SourceContext } from "../fleet/secrets/source.ts";
import { parseSshPublicKey, renderSshPublicKey, sshFingerprint, type SshPublicKey } from "../fleet/secrets/ssh-key.ts";
import { withSessions } from "../library/connect.ts";
import type { FleetContext } from "../library/context.ts";
import { requireApproval } from "./option-values.ts";
import type { Session } from "./session.ts";

export interface IdentityFlags {
  readonly identity: readonly string[];
}

export function sourceContext({ fleetFile, signal }: Session, { identity }: IdentityFlags): SourceContext {
  const directory = dirname(fleetFile);
  let loaded: Promise<Identities> | undefined;
  return { directory, signal, identities: () => (loaded ??= Identities.load(identity, directory)) };
}

export function hostsWithSecrets({ hosts }: FleetContext): HostInventory[] {
  return hosts.filter(({ secrets }) => (secrets?.secrets ?? []).length > 0);
}

const KEY_DEADLINE_MS = 30_000;

/** Enrols the ssh keys of hosts, for their secrets; answers them by the hosts' names. */
export async function enrollHosts(
  session: Session,
  context: FleetContext,
  { yes }: { readonly yes: boolean },
): Promise<ReadonlyMap<string, string>> {
  const enrolled = new Map<string, string>();
  await withSessions(session, context, async (sessions) => {
    for (const { connection, host } of sessions.values()) {
      const question = `Encrypt the secrets of ${host.name} for it?`;
      enrolled.set(host.name, await enrollHost(session, { connection, host }, { yes, question, always: true }));
    }
  });
  return enrolled;
}

/**
 * Reads a host's ssh key over a connection that `ssh` trusts, shows it, and writes it down when it is approved. One that
 * is declared or enrolled already is shown only when that is `always` wanted.
 */
export async function enrollHost(
  { fleetFile, progress, signal, terminal }: Session,
  { connection, host }: Pick<HostSession, "connection" | "host">,
  options: { readonly yes: boolean; readonly question: string; readonly always?: boolean },
): Promise<string> {
  const path = host.secrets?.hostKeyPath ?? null;
  if (path === null) {
    throw new OperationError("SECRET_HOST_KEY", `${host.name} declares no ssh key of ed25519 or rsa`, {
      hint: "see services.openssh.hostKeys",
    });
  }
  const answer = await connection.runChecked({ argv: ["cat", `${path}.pub`] }, { signal, deadlineMs: KEY_DEADLINE_MS });
  const key = keyOf(host.name, answer.stdout.toString("utf8"));
  const text = renderSshPublicKey(key);
  const files = await HostFiles.open(fleetFile, host.name);
  const before = host.secrets?.hostKey ?? null;
  const isKnown = before !== null && files.recipientOf(before) === text;
  if (isKnown && options.always !== true) return text;
  if (before !== null && !isKnown && (await files.enrolled()) === undefined) {
    throw new OperationError(
      "SECRET_HOST_KEY",
      `${host.name} has the ssh key ${sshFingerprint(key)}, and its declaration another`,
      {
        hint: `set ${host.base === "nixos" ? "pristine" : "deployment"}.hostKey = "${text}";`,
      },
    );
  }
  const was = before === null || isKnown ? "" : `, instead of ${sshFingerprint(parseSshPublicKey(before))}`;
  progress.line(`${terminal.colors.bold(host.name)} has the ssh key ${sshFingerprint(key)} (${key.type})${was}`);
  if (!options.yes) {
    const { askYesNo } = await import("../system/prompt.ts");
    const question = `${options.question} Compare it with 'ssh-keygen -lf ${path}.pub' on the host. [y/N] `;
    requireApproval(await askYesNo(question, signal), "no key was enrolled");
  }
  await files.enroll(key);
  return text;
}

function keyOf(host: string, text: string): SshPublicKey {
  try {
    return parseSshPublicKey(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OperationError("SECRET_HOST_KEY", `what ${host} says its ssh key is cannot be used: ${reason}`, {
      hint: "the first of services.openssh.hostKeys must be of ed25519 or rsa",
    });
  }
}
