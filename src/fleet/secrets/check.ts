/** What keeps declared secrets from being deployed, or from being read by those who are to: looked for without any host. */

import { OperationError } from "../../base/errors.ts";
import { readBytesIfPresent } from "../../system/files.ts";
import type { HostInventory, Inventory } from "../inventory.ts";
import { stanzasOf } from "./age-file.ts";
import { type DeclaredSecret, operatorsFiles, type SecretState } from "./declared.ts";
import type { Identities } from "./identities.ts";
import { parseSshPublicKey } from "./ssh-key.ts";
import { sshKeyTag } from "./ssh-stanza.ts";

export interface SecretProblem {
  /** Of one host, or of everybody's file. */
  readonly host?: string;
  readonly secret: string;
  readonly place: string;
  readonly problem: string;
  readonly hint: string;
}

/** What a state means, and what leads out of it. */
export const STATES: Readonly<Record<SecretState, { readonly meaning: string; readonly wayOut: string }>> = {
  fresh: { meaning: "ready", wayOut: "" },
  missing: { meaning: "not encrypted for the host yet", wayOut: "pristine secrets rekey HOST" },
  stale: { meaning: "changed since it was encrypted for the host", wayOut: "pristine secrets rekey HOST" },
  "other-key": { meaning: "encrypted for another ssh key than the host's", wayOut: "pristine secrets rekey HOST" },
  changed: { meaning: "has a file that Pristine did not write", wayOut: "pristine secrets rekey HOST" },
  "without-file": { meaning: "has no file", wayOut: "pristine secrets edit SECRET" },
  "without-key": { meaning: "the host's ssh key is not enrolled", wayOut: "pristine secrets rekey --enroll HOST" },
  "without-directory": { meaning: "the fleet is no file", wayOut: "" },
};

export function wayOutOf(host: HostInventory, { name, state, generate }: DeclaredSecret): string {
  const { wayOut } = STATES[state];
  const way = state === "without-file" && generate !== null ? wayOut.replace("edit", "generate") : wayOut;
  return way.replace("HOST", host.name).replace("SECRET", name);
}

/** Looks at all secrets of these hosts; `identities` is absent where nobody is to decrypt anything. */
export async function checkSecrets(
  { secrets: { recipients } }: Inventory,
  hosts: readonly HostInventory[],
  identities: Identities | undefined,
  signal: AbortSignal,
): Promise<SecretProblem[]> {
  const problems: SecretProblem[] = [];
  for (const host of hosts) {
    for (const secret of host.secrets?.secrets ?? []) {
      if (secret.state === "fresh") continue;
      const { name, place } = secret;
      const hint = `run '${wayOutOf(host, secret)}'`;
      problems.push({ host: host.name, secret: name, place, problem: STATES[secret.state].meaning, hint });
    }
  }
  for (const { path, users } of operatorsFiles(hosts)) {
    const [{ secret }] = users as [(typeof users)[number]];
    const bytes = await readBytesIfPresent(path);
    if (bytes === undefined) continue;
    try {
      if (!isFor(stanzasOf(bytes, path), recipients)) {
        problems.push({
          secret: secret.name,
          place: path,
          problem: "is encrypted for others than meta.secrets.recipients",
          hint: "run 'pristine secrets rekey --operators'",
        });
      }
      await identities?.decrypt(bytes, path, signal);
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      problems.push({ secret: secret.name, place: path, problem: error.message, hint: error.hint ?? "" });
    }
  }
  return problems;
}

/** Whether a header is for these keys, as far as it says: native keys are not named in it, only counted. */
function isFor(stanzas: readonly (readonly string[])[], recipients: readonly string[]): boolean {
  const ssh = recipients.filter((text) => !text.startsWith("age1")).map((text) => sshKeyTag(parseSshPublicKey(text)));
  const tags = stanzas.filter(([type]) => type?.startsWith("ssh-") === true).map(([, tag]) => tag);
  return stanzas.length === recipients.length && tags.length === ssh.length && ssh.every((tag) => tags.includes(tag));
}
