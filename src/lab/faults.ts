/**
 * Faults of a host's cable: pulled, lossy, slow or late. They are made on the cable's two ends in the lab's own network,
 * so they hold in both directions and across reboots of the host, until they are lifted.
 */

import { OperationError } from "../base/errors.ts";
import { readTextIfPresent, writeFileAtomic } from "../system/files.ts";
import { applyDelay } from "./delay.ts";
import { hostPaths, labPaths, segmentNames } from "./lab-names.ts";
import { tool, tryTool } from "./tools.ts";

export interface LinkShape {
  /** Packets lost per hundred, each way. */
  readonly lossPercent?: number | undefined;
  /** Kilobits per second, each way. */
  readonly rateKbit?: number | undefined;
  /** Each way: a round trip takes twice as much longer. */
  readonly delayMs?: number | undefined;
  /** How much the delay varies, up and down. */
  readonly jitterMs?: number | undefined;
}

export interface Faults extends LinkShape {
  readonly link: "up" | "down";
}

const NONE: Faults = { link: "up" };

export async function faultsOf(lab: string, host: string): Promise<Faults> {
  const text = await readTextIfPresent(hostPaths(lab, host).faults);
  return text === undefined ? NONE : (JSON.parse(text) as Faults);
}

export async function setLink(lab: string, host: string, link: "up" | "down"): Promise<void> {
  await setFaults(lab, host, { ...(await faultsOf(lab, host)), link });
}

/** Replaces the shape as a whole: what is not given is lifted. */
export async function setShape(lab: string, host: string, shape: LinkShape): Promise<void> {
  checkRange("loss", shape.lossPercent, 0, 100);
  checkRange("rate", shape.rateKbit, 8, 100_000_000);
  checkRange("delay", shape.delayMs, 0, 60_000);
  checkRange("jitter", shape.jitterMs, 0, 60_000);
  await setFaults(lab, host, { ...shape, link: (await faultsOf(lab, host)).link });
}

async function setFaults(lab: string, host: string, faults: Faults): Promise<void> {
  const before = await faultsOf(lab, host);
  const remember = (state: Faults): Promise<void> =>
    writeFileAtomic(hostPaths(lab, host).faults, JSON.stringify(state), { durable: false });
  await remember(faults);
  try {
    await applyFaults(lab, host, before);
  } catch (error) {
    // What this machine cannot do must not be tried again at every start.
    await remember(before);
    throw error;
  }
}

/** Makes a host's cable as it was last set; `before` is what it is now, when that is known. */
export async function applyFaults(lab: string, host: string, before: Faults = NONE): Promise<void> {
  const { netns } = labPaths(lab);
  const { switchEnd, hostEnd } = segmentNames(host);
  const { link, lossPercent = 0, rateKbit, delayMs = 0, jitterMs = 0 } = await faultsOf(lab, host);
  // Restarting the relay loses what is under way, so an equal delay is left alone.
  if (delayMs !== (before.delayMs ?? 0) || jitterMs !== (before.jitterMs ?? 0))
    await applyDelay(lab, host, { delayMs, jitterMs });
  await tool(["nft", "-f", "-"], { stdin: lossRules(host, lossPercent), netns });
  for (const end of [switchEnd, hostEnd]) {
    if (rateKbit === undefined) await tryTool(["tc", "qdisc", "delete", "dev", end, "root"], { netns });
    else await tool(["tc", "qdisc", "replace", "dev", end, "root", ...rateLimit(rateKbit)], { netns });
  }
  await tool(["ip", "link", "set", switchEnd, link], { netns });
}

/** netem is missing from many kernels, nftables is not. */
export function lossRules(host: string, lossPercent: number): string {
  const { switchEnd, hostEnd } = segmentNames(host);
  const table = `table netdev loss_${switchEnd.slice(2).replaceAll("-", "_")}`;
  // Declaring the table before deleting it makes deleting an absent one right.
  const clear = `${table}\ndelete ${table}\n`;
  if (lossPercent === 0) return clear;
  // The kernel refuses a comparison that is always true.
  const which = lossPercent === 100 ? "" : `numgen random mod 10000 < ${Math.round(lossPercent * 100)} `;
  const chain = (name: string, device: string): string =>
    `  chain ${name} { type filter hook ingress device "${device}" priority 0; ${which}drop; }\n`;
  return `${clear}${table} {\n${chain("from_host", switchEnd)}${chain("to_host", hostEnd)}}\n`;
}

/** A bucket of 10 ms, but never less than a few packets; what waits longer than 400 ms is dropped. */
function rateLimit(rateKbit: number): string[] {
  const burstBytes = Math.max(8_000, Math.ceil((rateKbit * 1000) / 8 / 100));
  return ["tbf", "rate", `${rateKbit}kbit`, "burst", String(burstBytes), "latency", "400ms"];
}

function checkRange(name: string, value: number | undefined, min: number, max: number): void {
  if (value === undefined || (Number.isFinite(value) && value >= min && value <= max)) return;
  throw new OperationError(
    "LAB_SHAPE_INVALID",
    `the ${name} of a link must lie between ${min} and ${max}, not ${value}`,
  );
}
