/**
 * A lab's network: a switch in a network namespace of its own, with one cable to this machine.
 *
 *     this machine | namespace of the lab             | host
 *     prs-LAB -----+-- up0 [br0] w-HOST --- h-HOST [s-HOST] vb-HOST ---+-- host0
 *
 * Only `prs-LAB` can be seen outside, so firewalls and other software of this machine (which may filter bridges) do not
 * touch what hosts say to each other, names cannot collide, and everything goes with the namespace. Between the switch
 * and a host lies a cable that outlives the host's reboots: faults are made there.
 */

import { OperationError } from "../base/errors.ts";
import { ensureDirectory, exists, writeFileAtomic } from "../system/files.ts";
import { hostPaths, labPaths, segmentNames, uplinkName } from "./lab-names.ts";
import type { LabRecord } from "./lab-record.ts";
import { isMounted, unmountBelow } from "./mounts.ts";
import { overlaps, type Cidr } from "./subnet.ts";
import { tool, tryTool } from "./tools.ts";

const SWITCH = "br0";
const UPLINK_INSIDE = "up0";

interface Link {
  readonly ifname: string;
}

interface Counted {
  readonly stats64: { readonly tx: { readonly bytes: number } };
}

interface Route {
  readonly dst: string;
  readonly dev?: string;
}

interface Address {
  readonly ifname?: string;
  readonly addr_info: readonly { readonly local: string; readonly prefixlen: number }[];
}

/** The address ranges that this machine routes or has, other than through the interface named. */
export async function rangesInUse(exceptInterface: string): Promise<Cidr[]> {
  const routes = JSON.parse(await tool(["ip", "-json", "-4", "route", "show", "table", "all"])) as Route[];
  const addresses = JSON.parse(await tool(["ip", "-json", "-4", "address"])) as Address[];
  return [
    ...routes.filter(({ dst, dev }) => dst !== "default" && dev !== exceptInterface).map(({ dst }) => dst),
    ...addresses
      .filter(({ ifname }) => ifname !== exceptInterface)
      .flatMap(({ addr_info: infos }) => infos.map(({ local, prefixlen }) => `${local}/${prefixlen}`)),
  ];
}

/** Refuses a range that this machine uses for anything but this lab. */
export async function checkSubnetFree(lab: string, range: Cidr): Promise<void> {
  const taken = (await rangesInUse(uplinkName(lab))).find((other) => overlaps(other, range));
  if (taken === undefined) return;
  throw new OperationError(
    "LAB_COLLISION",
    `the network ${range} of lab '${lab}' overlaps ${taken}, which this machine already uses`,
    {
      hint: "give the hosts other addresses, or take down what uses that network (ip route; pristine lab list)",
    },
  );
}

/** Makes what is missing of the switch and its cable to this machine. Says whether the switch itself is a new one. */
export async function makeSwitch(record: LabRecord, signal: AbortSignal): Promise<boolean> {
  const { netns, runtime } = labPaths(record.name);
  const uplink = uplinkName(record.name);
  await ensureDirectory(runtime, 0o755);
  const isNew = !(await isMounted(netns));
  if (isNew) {
    // An interface without its namespace is what a killed run has left.
    await tryTool(["ip", "link", "delete", uplink]);
    await writeFileAtomic(netns, "", { durable: false });
    await tool(["unshare", `--net=${netns}`, "true"], { signal });
    // Hosts speak IPv4 here; the switch itself should say nothing, and filter nothing.
    const quiet =
      "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6; echo 0 >/proc/sys/net/bridge/bridge-nf-call-iptables; true";
    await tryTool(["sh", "-c", quiet], { netns, signal });
  }
  const inside = await linksOf(netns);
  if (!inside.has(SWITCH)) {
    await batch(
      [`link add ${SWITCH} type bridge forward_delay 0 mcast_snooping 0`, `link set ${SWITCH} up`, "link set lo up"],
      netns,
      signal,
    );
  }
  if (!inside.has(UPLINK_INSIDE)) {
    await tryTool(["ip", "link", "delete", uplink]);
    const add = `link add ${UPLINK_INSIDE} type veth peer name ${uplink} netns ${process.pid}`;
    await batch([add, `link set ${UPLINK_INSIDE} master ${SWITCH} up`], netns, signal);
  }
  // Also when a killed run has made the cable and nothing more.
  const commands = [
    `link set ${uplink} addrgenmode none`,
    `address replace ${record.gateway}/24 dev ${uplink}`,
    `link set ${uplink} up`,
  ];
  await batch(commands, undefined, signal);
  return isNew;
}

/** Makes a host's segment when it is missing, and the file that tells the host its address. */
export async function makeSegment(
  record: LabRecord,
  host: string,
  address: string,
  signal: AbortSignal,
): Promise<void> {
  const { netns } = labPaths(record.name);
  const { switchEnd, hostEnd, bridge } = segmentNames(host);
  const paths = hostPaths(record.name, host);
  await ensureDirectory(paths.runtime);
  await writeFileAtomic(paths.network, networkFile(address), { durable: false });
  const inside = await linksOf(netns);
  if (inside.has(switchEnd) && inside.has(bridge)) return;
  await removeSegment(record.name, host);
  await batch(
    [
      `link add ${bridge} type bridge forward_delay 0 mcast_snooping 0`,
      `link set ${bridge} up`,
      `link add ${switchEnd} type veth peer name ${hostEnd}`,
      `link set ${switchEnd} master ${SWITCH} up`,
      `link set ${hostEnd} master ${bridge} up`,
    ],
    netns,
    signal,
  );
}

export async function removeSegment(lab: string, host: string): Promise<void> {
  const { netns } = labPaths(lab);
  if (!(await exists(netns))) return;
  const { switchEnd, bridge } = segmentNames(host);
  for (const name of [switchEnd, bridge]) await tryTool(["ip", "link", "delete", name], { netns });
}

export interface Traffic {
  readonly toHostBytes: number;
  readonly fromHostBytes: number;
}

/** What both ends of a host's cable have sent since it was made, whether it arrived or not. */
export async function trafficOf(lab: string, host: string): Promise<Traffic> {
  const { netns } = labPaths(lab);
  const { switchEnd, hostEnd } = segmentNames(host);
  const sent = async (end: string): Promise<number> => {
    const [link] = JSON.parse(await tool(["ip", "-json", "-s", "link", "show", end], { netns })) as Counted[];
    return link?.stats64.tx.bytes ?? 0;
  };
  return { toHostBytes: await sent(switchEnd), fromHostBytes: await sent(hostEnd) };
}

/** Removes the whole network; hosts must not run any more. */
export async function removeNetwork(lab: string): Promise<void> {
  // The kernel takes a namespace apart in the background; the one interface outside is removed here and now.
  if ((await linksOf(undefined)).has(uplinkName(lab))) await tryTool(["ip", "link", "delete", uplinkName(lab)]);
  await unmountBelow(labPaths(lab).netns);
}

/** Whether this machine has an interface that would belong to this lab. */
export async function hasUplink(lab: string): Promise<boolean> {
  return (await linksOf(undefined)).has(uplinkName(lab));
}

async function linksOf(netns: string | undefined): Promise<Set<string>> {
  const links = JSON.parse((await tool(["ip", "-json", "link", "show"], { netns })) || "[]") as Link[];
  return new Set(links.map(({ ifname }) => ifname));
}

async function batch(commands: readonly string[], netns: string | undefined, signal: AbortSignal): Promise<void> {
  await tool(["ip", "-batch", "-"], { stdin: `${commands.join("\n")}\n`, netns, signal });
}

/** What the host reads about its interface: before what systemd ships for containers (80), after what a system declares (10). */
export function networkFile(address: string): string {
  return `[Match]
Name=host0

[Network]
Address=${address}/24
LinkLocalAddressing=no
IPv6AcceptRA=no
LLMNR=no
MulticastDNS=no
`;
}
