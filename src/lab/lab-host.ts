/** One host of a lab, to be switched, disturbed and looked at. */

import { OperationError } from "../base/errors.ts";
import { readTail } from "../system/files.ts";
import type { ProcessOutcome } from "../system/process.ts";
import { type MemoryUse, memoryUse } from "./cgroup.ts";
import { fillDisk, releaseDisk, writtenBytes } from "./disk.ts";
import { faultsOf, setLink, setShape, type Faults, type LinkShape } from "./faults.ts";
import { type Traffic, trafficOf } from "./network.ts";
import { hostPaths, labPaths } from "./lab-names.ts";
import { readLabRecord, type HostRecord } from "./lab-record.ts";
import * as power from "./power.ts";
import { runOnHost, waitForSsh } from "./ssh-access.ts";

const POWER_OFF_DEADLINE_MS = 20_000;
const REBOOT_DEADLINE_MS = 60_000;
const CONSOLE_TAIL_BYTES = 64 * 1024;

export class LabHost {
  readonly lab: string;
  readonly record: HostRecord;

  constructor(lab: string, record: HostRecord) {
    this.lab = lab;
    this.record = record;
  }

  get name(): string {
    return this.record.name;
  }

  get address(): string {
    return this.record.address;
  }

  /** The host's disk as seen from this machine, also while it is off: `nix/` and `persist/`. */
  get diskRoot(): string {
    return hostPaths(this.lab, this.name).disk;
  }

  /** For `ssh -F`. */
  get sshConfig(): string {
    return labPaths(this.lab).sshConfig;
  }

  async powerState(): Promise<power.PowerState> {
    return power.powerState(this.lab, this.name);
  }

  /** How often it was booted; grows with every boot, whoever asked for it. */
  async bootCount(): Promise<number> {
    return power.bootCount(this.lab, this.name);
  }

  /** Ends it at one instant. What it wrote is kept, as nothing on this machine loses power with it. */
  async powerCut(): Promise<void> {
    await power.powerCut(this.lab, this.name);
  }

  /** Boots it when it is off, from what its disk says. */
  async powerOn(signal: AbortSignal): Promise<void> {
    await power.powerOn(this.lab, this.name, this.record, signal);
  }

  /** Shuts it down in order; says whether it obeyed in time or had to be cut off. */
  async powerOff(signal: AbortSignal, deadlineMs: number = POWER_OFF_DEADLINE_MS): Promise<boolean> {
    return power.powerOff(this.lab, this.name, signal, deadlineMs);
  }

  async reboot(signal: AbortSignal, deadlineMs: number = REBOOT_DEADLINE_MS): Promise<void> {
    await power.reboot(this.lab, this.name, signal, deadlineMs);
  }

  /** Waits until it has been booted more than `count` times. */
  async waitForBoot(count: number, signal: AbortSignal, deadlineMs: number = REBOOT_DEADLINE_MS): Promise<void> {
    if (await power.reaches(signal, deadlineMs, async () => (await this.bootCount()) > count)) return;
    throw new OperationError(
      "LAB_HOST_SILENT",
      `${this.name} has not booted again within ${deadlineMs / 1000} seconds`,
    );
  }

  async link(state: "up" | "down"): Promise<void> {
    await setLink(this.lab, this.name, state);
  }

  /** Replaces the shape of its link as a whole: what is not given is lifted. */
  async shape(shape: LinkShape): Promise<void> {
    await setShape(this.lab, this.name, shape);
  }

  async faults(): Promise<Faults> {
    return faultsOf(this.lab, this.name);
  }

  /** Takes all space on its disk but so many bytes. */
  async fillDisk(leaveBytes: number = 0): Promise<void> {
    await fillDisk(hostPaths(this.lab, this.name), leaveBytes);
  }

  async releaseDisk(): Promise<void> {
    await releaseDisk(hostPaths(this.lab, this.name));
  }

  /** What has passed its cable, in both directions, lost packets included. */
  async traffic(): Promise<Traffic> {
    return trafficOf(this.lab, this.name);
  }

  /** What was written to its disk since the lab was made, all of it on the disk now. */
  async writtenBytes(): Promise<number> {
    return writtenBytes(hostPaths(this.lab, this.name));
  }

  /** Waits until it lets the operator in by ssh. */
  async waitForSsh(signal: AbortSignal, deadlineMs: number): Promise<void> {
    const whyNot = async (): Promise<string> =>
      `${await this.powerState()}; last on its console: ${lastLines(await this.consoleLog(2_000), 3)}`;
    await waitForSsh(this.lab, { host: this.name, address: this.address }, { deadlineMs, signal, whyNot });
  }

  /** Runs a command on it, over a connection of its own. */
  async run(
    command: readonly string[],
    options: { readonly signal?: AbortSignal | undefined; readonly deadlineMs?: number; readonly stdin?: string } = {},
  ): Promise<ProcessOutcome> {
    return runOnHost(this.lab, this.name, command, options);
  }

  /** The end of what it wrote to its console. */
  async consoleLog(sizeMax: number = CONSOLE_TAIL_BYTES): Promise<string> {
    return (await readTail(hostPaths(this.lab, this.name).console, sizeMax).catch(() => Buffer.alloc(0))).toString(
      "utf8",
    );
  }

  /** What it uses of its memory, or `undefined` when it is off. */
  async memory(): Promise<MemoryUse | undefined> {
    return memoryUse(hostPaths(this.lab, this.name).cgroup);
  }
}

/** A handle on a host of a lab that exists. */
export async function openLabHost(lab: string, host: string): Promise<LabHost> {
  const record = await readLabRecord(lab);
  if (record === undefined) {
    throw new OperationError("LAB_UNKNOWN", `there is no lab '${lab}'`, {
      hint: "'pristine lab list' shows those there are",
    });
  }
  const found = record.hosts.find(({ name }) => name === host);
  if (found !== undefined) return new LabHost(lab, found);
  throw new OperationError("LAB_UNKNOWN", `the lab '${lab}' has no host '${host}'`, {
    hint: `it has: ${record.hosts.map(({ name }) => name).join(", ")}`,
  });
}

function lastLines(text: string, count: number): string {
  return text.trim().split("\n").slice(-count).join(" | ");
}
