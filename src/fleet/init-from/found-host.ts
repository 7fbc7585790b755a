/** A host that a source names, with what the source says of it; nothing was asked of the host itself. */

import { OperationError } from "../../base/errors.ts";
import type { SshTarget } from "../inventory.ts";

export interface FoundHost {
  /** Its name in the fleet. */
  readonly name: string;
  /** What named it: a source, or `FILE:LINE` of one. */
  readonly origin: string;
  readonly target: SshTarget;
  readonly tags: readonly string[];
  /** Why nothing reaches it by ssh, as its source says. */
  readonly elsewhere?: string;
}

const NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
/** What `deployment.target` takes. */
const ADDRESS = /^[a-zA-Z0-9_.:%][a-zA-Z0-9_.:%-]*$/;
const USER = /^[a-zA-Z_][a-zA-Z0-9_.-]*$/;
const PORT_MAX = 65535;

/** The name of a host that is known by its address: its first label, or the digits of an IP address with dashes. */
export function nameOf(address: string, place: string, wayOut: string): string {
  const isNumeric = address.includes(":") || /^\d+(?:\.\d+){3}$/.test(address);
  const name = isNumeric
    ? address
        .toLowerCase()
        .replace(/[^a-z0-9]+/g, "-")
        .replace(/^-|-$/g, "")
    : address.split(".")[0]!;
  return requireName(name, place, wayOut);
}

/** The same name, when a host can be called so. */
export function requireName(name: string, place: string, wayOut: string): string {
  if (NAME.test(name)) return name;
  throw new OperationError("INIT_NAME_INVALID", `${place}: '${name}' cannot be the name of a host`, {
    hint: `a name has lower-case letters, digits and dashes, begins and ends with a letter or digit, and has at most 63 of them; ${wayOut}`,
  });
}

/** What of a target cannot be declared, and why. */
export function targetProblem({
  host,
  port,
  user,
}: SshTarget): { part: "host" | "port" | "user"; message: string } | undefined {
  if (!ADDRESS.test(host)) return { part: "host", message: `'${host}' is no address for ssh` };
  if (port !== undefined && !(Number.isInteger(port) && port >= 1 && port <= PORT_MAX)) {
    return { part: "port", message: `a port is a number from 1 to ${PORT_MAX}` };
  }
  if (user === undefined || USER.test(user)) return undefined;
  return { part: "user", message: `'${user}' is no name of a user` };
}

/** Two hosts of one name or at one address cannot be in one fleet. */
export function requireDistinct(hosts: readonly Pick<FoundHost, "name" | "origin">[], wayOut: string): void {
  requireOnce(hosts, ({ name }) => name, "are both called", wayOut);
}

export function requireOneAddressEach(hosts: readonly FoundHost[]): void {
  const reached = hosts.filter(({ elsewhere }) => elsewhere === undefined);
  const addressOf = ({ target: { host, port = 22 } }: FoundHost): string =>
    port === 22 ? host : `${host} port ${port}`;
  requireOnce(reached, addressOf, "both have the address", "leave one of them out: they would be one machine");
}

function requireOnce<T extends Pick<FoundHost, "origin">>(
  hosts: readonly T[],
  keyOf: (host: T) => string,
  both: string,
  hint: string,
): void {
  const [first, second] = [...Map.groupBy(hosts, keyOf).values()].find((same) => same.length > 1) ?? [];
  if (first === undefined || second === undefined) return;
  throw new OperationError("INIT_HOST_TWICE", `${first.origin} and ${second.origin} ${both} ${keyOf(first)}`, { hint });
}
