/**
 * Labs: local hosts for rehearsal, demonstration and tests. Each is a systemd container with its own network address, disk,
 * store and database, booted from an empty root. They share this machine's kernel: hosts, not machines of metal.
 *
 * Everything a lab makes has a name that follows from the lab's, so that `labDown`, or the next `labUp`, removes or mends
 * what a killed run has left.
 */

import { OperationError } from "../base/errors.ts";
import {
  ensureDirectory,
  exists,
  isDirectory,
  namesIn,
  readTextIfPresent,
  removeTree,
  replaceSymlink,
  writeFileAtomic,
} from "../system/files.ts";
import { machineBootId } from "../system/kernel-files.ts";
import {
  cgroupDirectories,
  type HostLimits,
  killCgroup,
  labsWithCgroups,
  makeHostCgroup,
  removeCgroup,
} from "./cgroup.ts";
import { stopRelay } from "./delay.ts";
import { copyDisk, detachLoops, forgetDisk, isSeeded, makeDisk, mountDisk, unmountDisk } from "./disk.ts";
import { applyFaults } from "./faults.ts";
import { restoreKernelLimits, raiseKernelLimits } from "./kernel-settings.ts";
import { LabHost } from "./lab-host.ts";
import { lockLab, withAllLabsLocked } from "./lab-lock.ts";
import {
  checkHostName,
  checkLabName,
  DATA_DIRECTORY,
  hostPaths,
  labPaths,
  RUNTIME_DIRECTORY,
  uplinkName,
} from "./lab-names.ts";
import { readLabRecord, writeLabRecord, type HostRecord, type LabRecord } from "./lab-record.ts";
import { unmountBelow } from "./mounts.ts";
import {
  checkSubnetFree,
  hasUplink,
  makeSegment,
  makeSwitch,
  rangesInUse,
  removeNetwork,
  removeSegment,
} from "./network.ts";
import { sweep } from "./power.ts";
import { checkRequirements, checkRoot } from "./requirements.ts";
import { BOOT_DEFAULT } from "./stage-one.ts";
import { installKeys, makeHostKey, makeOperatorKey, operatorPublicKey } from "./ssh-access.ts";
import { writeSshConfig } from "./ssh-config.ts";
import { assignAddresses, checkAddress, chooseSubnet, subnetOf } from "./subnet.ts";
import { tryTool } from "./tools.ts";

const DISK_BYTES = 2 * 1024 ** 3;
const SSH_DEADLINE_MS = 90_000;

export interface LabHostRequest extends HostLimits {
  readonly name: string;
  /** An IPv4 address; without one the lab chooses. */
  readonly address?: string | undefined;
  /** The size of its (sparse) disk, 2 GiB by default; later changes do not affect a disk that exists. */
  readonly diskBytes?: number | undefined;
}

/** The system that new hosts boot first. */
export interface Bootstrap {
  /** Its store path, such as `/nix/store/<hash>-system-bootstrap`. */
  readonly system: string;
  /** Copies its closure into the store with this root (`local?root=…`), registered. */
  seed(root: string, signal: AbortSignal): Promise<void>;
}

export interface LabUpOptions {
  readonly name: string;
  readonly hosts: readonly LabHostRequest[];
  readonly bootstrap: Bootstrap;
  /** Hosts to be made anew, with an empty disk. */
  readonly reset?: readonly string[] | undefined;
  /** The fleet that is rehearsed. */
  readonly fleetFile?: string | undefined;
  /** Public keys that new hosts let in, beside the lab's own. */
  readonly authorizedKeys?: readonly string[] | undefined;
  /** Files of private keys to offer, beside the lab's own: those that the fleet's hosts will know. */
  readonly identityFiles?: readonly string[] | undefined;
  readonly signal: AbortSignal;
  /** How long each host may take to answer by ssh. */
  readonly deadlineMs?: number | undefined;
  readonly onProgress?: ((message: string) => void) | undefined;
}

export interface Lab {
  readonly name: string;
  readonly sshConfig: string;
  readonly gateway: string;
  readonly hosts: readonly LabHost[];
  host(name: string): LabHost;
}

/**
 * Brings a lab to the state asked for: missing hosts are made, those that are off are switched on, running ones are left
 * alone, and those no longer asked for are removed. When it fails or is aborted, what this call has made is removed again.
 */
export async function labUp(options: LabUpOptions): Promise<Lab> {
  const { name, signal, onProgress } = options;
  checkLabName(name);
  for (const host of options.hosts) checkHostName(host.name);
  await checkRequirements();
  const onWait = (): void => onProgress?.(`waiting for another command that works on lab ${name}`);
  const lock = await lockLab(name, { signal, onWait });
  try {
    await forgetBefore(name);
    const before = await readLabRecord(name);
    try {
      return await bringUp(options, before);
    } catch (error) {
      onProgress?.(`removing what was begun of lab ${name}`);
      await takeBack(name, before);
      throw error;
    }
  } finally {
    lock.release({ remove: true });
    await removeEmptyParents();
  }
}

async function bringUp(options: LabUpOptions, before: LabRecord | undefined): Promise<Lab> {
  const { name, signal, onProgress } = options;
  const record = await withAllLabsLocked(signal, async () => {
    const next = await recordFor(options, before);
    await ensureDirectory(labPaths(name).data, 0o755);
    await writeLabRecord(next);
    await raiseKernelLimits();
    return next;
  });
  for (const host of before?.hosts ?? []) {
    if (!record.hosts.some((wanted) => wanted.name === host.name)) {
      onProgress?.(`removing ${host.name}, which is no longer asked for`);
      await removeHost(name, host.name);
    }
  }
  await ensureDirectory(labPaths(name).runtime, 0o755);
  await writeFileAtomic(labPaths(name).bootId, await machineBootId(), { durable: false });
  const isNewSwitch = await makeSwitch(record, signal);
  for (const { name: host, address } of before?.hosts ?? []) {
    // A host that is still plugged into another switch, or has another address, starts anew.
    const wanted = record.hosts.find((other) => other.name === host);
    if (wanted !== undefined && (isNewSwitch || wanted.address !== address)) await sweep(name, host);
  }
  for (const host of options.reset ?? []) {
    await sweep(name, host);
    await forgetDisk(hostPaths(name, host));
  }
  await makeOperatorKey(name, signal);
  await makeDisks(options, record);
  await writeSshConfig(record);
  const hosts = record.hosts.map((host) => new LabHost(name, host));
  const toBoot = hosts.filter((host) => options.reset?.includes(host.name) ?? true);
  onProgress?.(`booting ${toBoot.map((host) => host.name).join(", ")}`);
  await allOrFirstError(signal, toBoot, async (host, either) => {
    await host.powerOn(either);
    await host.waitForSsh(either, options.deadlineMs ?? SSH_DEADLINE_MS);
  });
  return labOf(record);
}

/** What the lab is to be, addresses and all. */
async function recordFor(options: LabUpOptions, before: LabRecord | undefined): Promise<LabRecord> {
  const { name, hosts } = options;
  for (const { name: host, address } of hosts) if (address !== undefined) checkAddress(host, address);
  const asked = hosts.flatMap(({ address }) => (address === undefined ? [] : [address]));
  const others = await otherSubnets(name);
  const subnet =
    asked.length > 0
      ? subnetOf(asked)
      : (before?.subnet ??
        chooseSubnet(name, [...(await rangesInUse(uplinkName(name))), ...others.map((prefix) => `${prefix}.0/24`)]));
  await checkSubnetFree(name, `${subnet}.0/24`);
  const { gateway, addresses } = assignAddresses(
    subnet,
    hosts,
    new Map(before?.hosts.map((host) => [host.name, host.address])),
  );
  if (before !== undefined && (before.subnet !== subnet || before.gateway !== gateway)) {
    throw new OperationError(
      "LAB_COLLISION",
      `lab '${name}' is in ${before.subnet}.0/24, but its hosts now ask for ${subnet}.0/24`,
      {
        hint: `run 'pristine lab down ${name}' first; this loses what its hosts hold`,
      },
    );
  }
  return {
    version: 1,
    name,
    subnet,
    gateway,
    fleetFile: options.fleetFile,
    authorizedKeys: options.authorizedKeys ?? [],
    identityFiles: options.identityFiles ?? [],
    hosts: hosts.map((host): HostRecord => {
      const had = before?.hosts.find((other) => other.name === host.name);
      const address = addresses.get(host.name) ?? "";
      return {
        name: host.name,
        address,
        diskBytes: had?.diskBytes ?? host.diskBytes ?? DISK_BYTES,
        memoryBytes: host.memoryBytes,
        cpus: host.cpus,
      };
    }),
  };
}

async function otherSubnets(name: string): Promise<string[]> {
  const subnets: string[] = [];
  for (const other of await namesIn(DATA_DIRECTORY)) {
    // A record that cannot be read keeps its own lab from coming up, not this one.
    const record = other === name ? undefined : await readLabRecord(other).catch(() => undefined);
    if (record !== undefined) subnets.push(record.subnet);
  }
  return subnets;
}

/** Makes, seeds and mounts disks, and everything else a host needs before it can be switched on. */
async function makeDisks(options: LabUpOptions, record: LabRecord): Promise<void> {
  const { name, signal, bootstrap, onProgress } = options;
  const fresh: HostRecord[] = [];
  for (const host of record.hosts) if (!(await isSeeded(hostPaths(name, host.name)))) fresh.push(host);
  // One disk of each size is seeded through the store, the others are its copies.
  const models = new Map<number, string>();
  for (const host of fresh) {
    const paths = hostPaths(name, host.name);
    const model = models.get(host.diskBytes);
    await makeHostKey(name, host.name, signal);
    if (model === undefined) {
      onProgress?.(`seeding the disk of ${host.name}`);
      await makeDisk(paths, host.diskBytes, signal);
      await mountDisk(paths);
      await ensureDirectory(`${paths.disk}/nix`, 0o755);
      await ensureDirectory(`${paths.disk}/persist`, 0o755);
      await bootstrap.seed(paths.disk, signal);
      await setBootDefault(paths.disk, bootstrap.system);
      await unmountDisk(paths);
      models.set(host.diskBytes, host.name);
    } else {
      onProgress?.(`copying the disk for ${host.name}`);
      await copyDisk(hostPaths(name, model), paths, signal);
    }
  }
  const authorizedKeys = [await operatorPublicKey(name), ...record.authorizedKeys];
  for (const host of record.hosts) {
    const paths = hostPaths(name, host.name);
    await makeSegment(record, host.name, host.address, signal);
    await applyFaults(name, host.name);
    await makeHostCgroup(paths.cgroup, host);
    await mountDisk(paths);
    if (!fresh.includes(host)) continue;
    await installKeys(name, host.name, authorizedKeys);
    await writeFileAtomic(paths.seeded, `${bootstrap.system}\n`);
  }
}

async function setBootDefault(disk: string, system: string): Promise<void> {
  if (!(await exists(`${disk}${system}`))) {
    throw new OperationError("LAB_SEED_INCOMPLETE", `${system} was not copied to the disk of the host`, {
      hint: "this is a bug of the caller",
    });
  }
  const profiles = `${disk}${BOOT_DEFAULT.slice(0, BOOT_DEFAULT.lastIndexOf("/"))}`;
  await ensureDirectory(profiles, 0o755);
  await replaceSymlink(system, `${profiles}/system-1-link`);
  await replaceSymlink("system-1-link", `${disk}${BOOT_DEFAULT}`);
}

/** Removes a lab and all it holds: every process, mount, interface, cgroup and file. Says whether there was anything. */
export async function labDown(
  name: string,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<boolean> {
  checkLabName(name);
  checkRoot();
  const lock = await lockLab(name, { signal: options.signal });
  try {
    const there = (await labNames()).includes(name) || (await hasUplink(name));
    await removeLab(name);
    return there;
  } finally {
    lock.release({ remove: true });
    await removeEmptyParents();
  }
}

async function removeLab(name: string): Promise<void> {
  const { cgroup, runtime, data } = labPaths(name);
  await stopAll(name);
  await unmountBelow(data);
  await detachLoops(data);
  await removeCgroup(cgroup);
  await removeTree(runtime);
  await removeTree(data);
}

/** Ends everything that runs for a lab, and its mounts and network; its disks and keys stay. */
async function stopAll(name: string): Promise<void> {
  const { cgroup, runtime } = labPaths(name);
  for (const host of await namesIn(`${runtime}/hosts`)) await sweep(name, host);
  await killCgroup(cgroup);
  await removeNetwork(name);
  await unmountBelow(runtime);
}

async function removeHost(name: string, host: string): Promise<void> {
  const { runtime, data } = hostPaths(name, host);
  await sweep(name, host);
  await stopRelay(name, host);
  await removeSegment(name, host);
  await unmountBelow(runtime);
  await detachLoops(data);
  await removeTree(runtime);
  await removeTree(data);
}

/** After a failed start: the lab is what it was before. */
async function takeBack(name: string, before: LabRecord | undefined): Promise<void> {
  if (before === undefined) return removeLab(name);
  for (const host of await namesIn(`${labPaths(name).data}/hosts`)) {
    const seeded = await isSeeded(hostPaths(name, host));
    if (!seeded || !before.hosts.some((other) => other.name === host)) await removeHost(name, host);
  }
  // Hosts that are to be removed may be gone already: what is left decides.
  const hosts = [];
  for (const host of before.hosts) if (await exists(hostPaths(name, host.name).image)) hosts.push(host);
  await writeLabRecord({ ...before, hosts });
}

/** What a reboot of this machine, or a run killed half-way, has left is put in order. */
async function forgetBefore(name: string): Promise<void> {
  const { runtime, bootId, record } = labPaths(name);
  const rebooted = (await readTextIfPresent(bootId)) !== (await machineBootId());
  if (await exists(record)) {
    if (rebooted) {
      await stopAll(name);
      await removeTree(runtime);
    }
    return;
  }
  // No record: nothing can be relied on.
  if ((await isDirectory(runtime)) || (await cgroupDirectories(labPaths(name).cgroup)).length > 0)
    await removeLab(name);
}

/** The labs that have left anything on this machine. */
export async function labNames(): Promise<string[]> {
  const names = new Set([
    ...(await namesIn(RUNTIME_DIRECTORY)),
    ...(await namesIn(DATA_DIRECTORY)),
    ...(await labsWithCgroups()),
  ]);
  return [...names].filter((name) => !name.startsWith(".")).sort();
}

/** A lab that exists, or `undefined`. */
export async function openLab(name: string): Promise<Lab | undefined> {
  const record = await readLabRecord(name);
  return record === undefined ? undefined : labOf(record);
}

function labOf(record: LabRecord): Lab {
  const hosts = record.hosts.map((host) => new LabHost(record.name, host));
  return {
    name: record.name,
    sshConfig: labPaths(record.name).sshConfig,
    gateway: record.gateway,
    hosts,
    host: (name) => {
      const found = hosts.find((host) => host.name === name);
      if (found === undefined)
        throw new OperationError("LAB_UNKNOWN", `the lab '${record.name}' has no host '${name}'`);
      return found;
    },
  };
}

export interface LabSummary {
  readonly name: string;
  readonly interface: string;
  readonly network: string;
  readonly sshConfig: string;
  readonly fleetFile: string | undefined;
  /** False for what a killed command has left: `lab down` removes it, `lab up` mends it. */
  readonly complete: boolean;
  readonly hosts: readonly HostSummary[];
}

export interface HostSummary {
  readonly name: string;
  readonly address: string;
  readonly power: string;
  readonly boots: number;
  readonly link: "up" | "down";
  readonly lossPercent: number;
  readonly delayMs: number;
  readonly rateKbit: number | undefined;
  readonly memoryBytes: number | undefined;
  readonly diskBytes: number;
}

export async function labList(): Promise<LabSummary[]> {
  const summaries: LabSummary[] = [];
  for (const name of await labNames()) {
    const record = await readLabRecord(name).catch(() => undefined);
    const hosts = record === undefined ? [] : await Promise.all(labOf(record).hosts.map(summaryOf));
    let complete = record !== undefined;
    for (const host of hosts) complete &&= await isSeeded(hostPaths(name, host.name));
    summaries.push({
      name,
      interface: uplinkName(name),
      network: record === undefined ? "" : `${record.subnet}.0/24`,
      sshConfig: labPaths(name).sshConfig,
      fleetFile: record?.fleetFile,
      complete,
      hosts,
    });
  }
  return summaries;
}

export async function summaryOf(host: LabHost): Promise<HostSummary> {
  const { link, lossPercent = 0, delayMs = 0, rateKbit } = await host.faults();
  return {
    name: host.name,
    address: host.address,
    power: await host.powerState(),
    boots: await host.bootCount(),
    link,
    lossPercent,
    delayMs,
    rateKbit,
    memoryBytes: (await host.memory())?.bytes,
    diskBytes: host.record.diskBytes,
  };
}

/** With the last lab go the directories and settings that all of them share. */
async function removeEmptyParents(): Promise<void> {
  if ((await labNames()).length > 0) return;
  const left = (await namesIn(RUNTIME_DIRECTORY)).filter(
    (name) => name !== ".lock" && name !== ".kernel-settings.json",
  );
  if (left.length > 0) return;
  await restoreKernelLimits();
  await removeTree(`${RUNTIME_DIRECTORY}/.lock`);
  await removeCgroup("pristine-lab");
  const parents = [RUNTIME_DIRECTORY, DATA_DIRECTORY].flatMap((path) => [path, path.slice(0, path.lastIndexOf("/"))]);
  // Others' files keep a directory where it is.
  for (const path of [...parents, "/run/systemd/nspawn"]) await tryTool(["rmdir", path]);
}

/** The first failure ends the others; all have ended when it is reported, so that nothing is still at work during cleaning. */
async function allOrFirstError<T>(
  signal: AbortSignal,
  items: readonly T[],
  task: (item: T, either: AbortSignal) => Promise<void>,
): Promise<void> {
  const failing = new AbortController();
  const either = AbortSignal.any([signal, failing.signal]);
  await Promise.allSettled(
    items.map(async (item) => {
      try {
        await task(item, either);
      } catch (error) {
        failing.abort(error);
      }
    }),
  );
  either.throwIfAborted();
}
