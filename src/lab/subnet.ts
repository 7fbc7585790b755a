/** Addresses of a lab: one private /24, chosen so that it overlaps nothing this machine already knows. Pure. */

import { createHash } from "node:crypto";
import { OperationError } from "../base/errors.ts";

/** The first three numbers of a /24, such as `10.77.20`. */
export type SubnetPrefix = string;

/** An address range as routes and interfaces have it, such as `10.0.0.0/8`; a lone address counts as /32. */
export type Cidr = string;

const CHOICES = 200;
const HOST_NUMBER_FIRST = 11;

/** Ranges that cannot be anybody's real machines, so that rehearsing never hides one. */
const REHEARSABLE: readonly Cidr[] = [
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "100.64.0.0/10",
  "198.18.0.0/15",
  "192.0.2.0/24",
  "198.51.100.0/24",
  "203.0.113.0/24",
];

/** The /24 for a lab whose hosts ask for no addresses: 10.77.N, with N from the name, or the next that is free. */
export function chooseSubnet(lab: string, taken: readonly Cidr[]): SubnetPrefix {
  const first = createHash("sha256").update(lab).digest().readUInt16BE(0) % CHOICES;
  for (let tried = 0; tried < CHOICES; tried += 1) {
    const prefix = `10.77.${20 + ((first + tried) % CHOICES)}`;
    if (!taken.some((range) => overlaps(range, `${prefix}.0/24`))) return prefix;
  }
  throw new OperationError("LAB_COLLISION", "no free network was found in 10.77.20.0 to 10.77.219.255", {
    hint: "remove labs that are no longer needed: pristine lab list, pristine lab down NAME",
  });
}

/** The /24 that holds all addresses asked for. */
export function subnetOf(addresses: readonly string[]): SubnetPrefix {
  const prefixes = new Set(addresses.map((address) => address.slice(0, address.lastIndexOf("."))));
  const [prefix] = prefixes;
  if (prefixes.size !== 1 || prefix === undefined) {
    throw new OperationError("LAB_ADDRESSES_APART", `a lab has one network, but its hosts ask for ${prefixes.size}`, {
      hint: `give all hosts addresses within one /24; asked for: ${addresses.join(", ")}`,
    });
  }
  return prefix;
}

/** Refuses what is no IPv4 address, and what may be a real machine's. */
export function checkAddress(host: string, address: string): void {
  if (rangeOf(address) === undefined || address.includes("/")) {
    throw new OperationError("LAB_ADDRESS_INVALID", `'${address}', the address of ${host}, is not an IPv4 address`);
  }
  if (!REHEARSABLE.some((range) => overlaps(range, address))) {
    throw new OperationError(
      "LAB_ADDRESS_PUBLIC",
      `${host} has the public address ${address}, which a lab may not take`,
      {
        hint: `its real owner could not be reached meanwhile; use a private one (${REHEARSABLE.slice(0, 3).join(", ")})`,
      },
    );
  }
}

/**
 * Gives every host an address: what it asks for, else what it had, else the next free number. The gateway is `.1`,
 * or `.254` when a host wants `.1`.
 */
export function assignAddresses(
  prefix: SubnetPrefix,
  hosts: readonly { readonly name: string; readonly address?: string | undefined }[],
  previous: ReadonlyMap<string, string>,
): { readonly gateway: string; readonly addresses: ReadonlyMap<string, string> } {
  const addresses = new Map<string, string>();
  const used = new Set<string>();
  const take = (name: string, address: string): void => {
    if (used.has(address)) {
      throw new OperationError("LAB_ADDRESS_TWICE", `two hosts of the lab have the address ${address}; one is ${name}`);
    }
    used.add(address);
    addresses.set(name, address);
  };
  for (const { name, address } of hosts) if (address !== undefined) take(name, address);
  const gateway = used.has(`${prefix}.1`) ? `${prefix}.254` : `${prefix}.1`;
  if (used.has(gateway))
    throw new OperationError("LAB_ADDRESS_TWICE", `the lab needs ${gateway} for this machine itself`);
  used.add(gateway);
  for (const { name } of hosts) {
    const had = previous.get(name);
    if (!addresses.has(name) && had?.startsWith(`${prefix}.`) === true && !used.has(had)) take(name, had);
  }
  let number = HOST_NUMBER_FIRST;
  for (const { name } of hosts) {
    if (addresses.has(name)) continue;
    while (used.has(`${prefix}.${number}`)) number += 1;
    if (number > 253) throw new OperationError("LAB_TOO_LARGE", "a lab has room for about 240 hosts");
    take(name, `${prefix}.${number}`);
  }
  return { gateway, addresses };
}

export function overlaps(one: Cidr, other: Cidr): boolean {
  const a = rangeOf(one);
  const b = rangeOf(other);
  return a !== undefined && b !== undefined && a.first <= b.last && b.first <= a.last;
}

function rangeOf(cidr: Cidr): { readonly first: number; readonly last: number } | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:\/(\d{1,2}))?$/.exec(cidr);
  if (match === null) return undefined;
  const numbers = match.slice(1, 5).map(Number);
  const length = match[5] === undefined ? 32 : Number(match[5]);
  if (numbers.some((number) => number > 255) || length > 32) return undefined;
  const address = numbers.reduce((sum, number) => sum * 256 + number, 0);
  const size = 2 ** (32 - length);
  const first = Math.floor(address / size) * size;
  return { first, last: first + size - 1 };
}
