/** What a fleet declares of its secrets, as `nix/modules/secrets.nix` hands it over, and which host has which. */

import { resolve } from "node:path";
import { OperationError } from "../../base/errors.ts";
import type { HostInventory } from "../inventory.ts";

/** What there is of a secret for a host. Only what is `fresh` can be deployed. */
export type SecretState =
  | "fresh"
  /** No file has been written for the host. */
  | "missing"
  /** The operators' file is not the one that the host's was made from. */
  | "stale"
  /** The host's file is for another ssh key than is enrolled. */
  | "other-key"
  /** The host's file is not as it was written. */
  | "changed"
  /** The operators' file does not exist. */
  | "without-file"
  /** No ssh key of the host is enrolled, or none that can be used. */
  | "without-key"
  /** The fleet is no file. */
  | "without-directory";

interface DeclaredFile {
  readonly name: string;
  readonly path: string;
  readonly owner: string;
  readonly group: string;
  readonly mode: string;
  readonly restartUnits: readonly string[];
  readonly reloadUnits: readonly string[];
  /** Where it is defined, for people. */
  readonly place: string;
}

export interface DeclaredSecret extends DeclaredFile {
  readonly file: string | null;
  readonly generate: Generator | null;
  readonly command: readonly string[] | null;
  readonly environment: string | null;
  readonly state: SecretState;
}

export interface Generator {
  readonly length: number;
  readonly alphabet: string;
  readonly command: readonly string[] | null;
}

export interface HostSecrets {
  /** The enrolled public ssh key, as it is declared. */
  readonly hostKey: string | null;
  /** Where the host has the private one. */
  readonly hostKeyPath: string | null;
  readonly secrets: readonly DeclaredSecret[];
  readonly templates: readonly DeclaredFile[];
}

/** A file in the repository, and who gets what it says. */
export interface OperatorsFile {
  readonly path: string;
  readonly generate: Generator | null;
  readonly users: readonly { readonly host: HostInventory; readonly secret: DeclaredSecret }[];
}

/** Every operators' file that hosts name. */
export function operatorsFiles(hosts: readonly HostInventory[]): OperatorsFile[] {
  const files = new Map<string, OperatorsFile>();
  for (const host of hosts) {
    for (const secret of host.secrets?.secrets ?? []) {
      if (secret.file === null) continue;
      const known = files.get(secret.file);
      files.set(secret.file, {
        path: secret.file,
        generate: known?.generate ?? secret.generate,
        users: [...(known?.users ?? []), { host, secret }],
      });
    }
  }
  return [...files.values()];
}

/** The file that a name or path means; a path that no host names is a file without users. */
export function findOperatorsFile(hosts: readonly HostInventory[], wanted: string): OperatorsFile {
  const files = operatorsFiles(hosts);
  const path = resolve(wanted);
  const found = files.filter((file) => file.users.some(({ secret }) => secret.name === wanted));
  const [named, other] = found;
  if (other !== undefined) {
    throw new OperationError(
      "SECRET_AMBIGUOUS",
      `hosts have different files for the secret '${wanted}': ${found.map((file) => file.path).join(", ")}`,
      { hint: "name the file" },
    );
  }
  const byPath = named ?? files.find((file) => file.path === path);
  if (byPath !== undefined) return byPath;
  if (wanted.endsWith(".age")) return { path, generate: null, users: [] };
  const secrets = hosts.flatMap((host) => host.secrets?.secrets ?? []);
  const elsewhere = secrets.find(({ name }) => name === wanted);
  if (elsewhere !== undefined) {
    throw new OperationError(
      "SECRET_WITHOUT_FILE",
      `the secret '${wanted}' is kept in no file: ${describeSource(elsewhere)}`,
      {
        hint: `change it there, and run 'pristine secrets rekey --refresh'; it is declared in ${elsewhere.place}`,
      },
    );
  }
  const names = [...new Set(secrets.map(({ name }) => name))].sort();
  throw new OperationError("SECRET_UNKNOWN", `no host has a secret '${wanted}'`, {
    hint:
      names.length === 0
        ? "declare it: deployment.secrets.NAME.file"
        : `there are ${names.join(", ")}; a file that is not declared yet is named with its .age`,
  });
}

/** Where a secret comes from, in words. */
export function describeSource({ file, command, environment }: DeclaredSecret): string {
  if (file !== null) return file;
  return command === null ? `it is the variable ${environment ?? ""}` : `it comes from '${command[0] ?? ""}'`;
}
