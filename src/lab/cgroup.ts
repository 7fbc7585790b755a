/**
 * Control groups of labs: `pristine-lab/<lab>/<host>/{ctl,machine}` in every hierarchy that containers need.
 *
 * They bound a host's memory and processors, and they are the register of a lab's processes: what is in a lab's cgroup is the lab's,
 * whoever started it and whatever became of its parent, so ending a lab never needs to trust a process id.
 */

import { systemClock } from "../base/clock.ts";
import { OperationError } from "../base/errors.ts";
import { ensureDirectory, isDirectory, namesIn, readTextIfPresent } from "../system/files.ts";
import { writeKernelFile } from "../system/kernel-files.ts";
import { CGROUP } from "./lab-names.ts";
import { mounts, type Mount } from "./mounts.ts";
import { tryTool } from "./tools.ts";

export interface Hierarchy {
  readonly path: string;
  /** `unified` with controllers is a pure version 2 system; beside others it only tracks processes. */
  readonly kind: "unified" | "systemd" | "memory" | "cpu";
  readonly hasMemory: boolean;
}

/** What a host may use of this machine; what is absent has no limit. */
export interface HostLimits {
  /** Of memory; a host that has this limit has no swap. */
  readonly memoryBytes?: number | undefined;
  /** Of processors, at one time. */
  readonly cpus?: number | undefined;
}

/** What a host uses of its memory. */
export interface MemoryUse {
  readonly bytes: number;
  /** Without the page cache of files, which gives way when there is need. */
  readonly heldBytes: number;
  /** The memory of its programs. */
  readonly anonymousBytes: number;
  /** How often the kernel ended one of its programs because the limit was reached. */
  readonly outOfMemory: number;
}

const KILL_DEADLINE_MS = 10_000;

export async function hierarchies(): Promise<Hierarchy[]> {
  const found = hierarchiesOf(await mounts());
  if (found.length > 0) return found;
  throw new OperationError(
    "LAB_CGROUPS_MISSING",
    "no control groups are mounted below /sys/fs/cgroup, which containers need",
    {
      hint: "mount -t cgroup2 cgroup2 /sys/fs/cgroup, or use a machine (or virtual machine) that was booted normally",
    },
  );
}

export function hierarchiesOf(all: readonly Mount[]): Hierarchy[] {
  const below = all.filter(({ path }) => path === "/sys/fs/cgroup" || path.startsWith("/sys/fs/cgroup/"));
  const unified = below.find(({ type }) => type === "cgroup2");
  const named = below.find(({ type, superOptions }) => type === "cgroup" && superOptions.includes("name=systemd"));
  const memory = below.find(({ type, superOptions }) => type === "cgroup" && superOptions.includes("memory"));
  const cpu = below.find(({ type, superOptions }) => type === "cgroup" && superOptions.includes("cpu"));
  const found: Hierarchy[] = [];
  if (named !== undefined) found.push({ path: named.path, kind: "systemd", hasMemory: false });
  if (unified !== undefined) found.push({ path: unified.path, kind: "unified", hasMemory: memory === undefined });
  if (memory !== undefined) found.push({ path: memory.path, kind: "memory", hasMemory: true });
  if (cpu !== undefined) found.push({ path: cpu.path, kind: "cpu", hasMemory: false });
  return found;
}

/** Makes a host's cgroup with its two leaves: `ctl` for what watches over it, `machine` for the container. */
export async function makeHostCgroup(group: string, limits: HostLimits): Promise<void> {
  const all = await hierarchies();
  for (const hierarchy of all) {
    const path = `${hierarchy.path}/${group}`;
    await ensureDirectory(`${path}/ctl`);
    await ensureDirectory(`${path}/machine`);
    if (hierarchy.kind === "unified" && hierarchy.hasMemory) await enableControllers(hierarchy.path, group);
  }
  await limitMemory(group, limits.memoryBytes, all);
  await limitProcessors(group, limits.cpus, all);
}

async function limitMemory(group: string, bytes: number | undefined, all: readonly Hierarchy[]): Promise<void> {
  for (const { path, kind } of all.filter(({ hasMemory }) => hasMemory)) {
    const [limit, lifted] = kind === "memory" ? ["memory.limit_in_bytes", "-1"] : ["memory.max", "max"];
    const [swap, swapping] = kind === "memory" ? ["memory.swappiness", "60"] : ["memory.swap.max", "max"];
    // Where the kernel does not count swap there is no such switch.
    await writeKernelFile(`${path}/${group}/${swap}`, bytes === undefined ? swapping : "0");
    const file = `${path}/${group}/${limit}`;
    if ((await writeKernelFile(file, String(bytes ?? lifted))) || bytes === undefined) continue;
    throw new OperationError("LAB_MEMORY_LIMIT_FAILED", `the memory limit of ${bytes} bytes was refused by ${file}`, {
      hint: "leave the limit out, or boot this machine with the memory controller enabled",
    });
  }
}

/** How often the kernel looks at what a group has used of its time. */
const PERIOD_MICROSECONDS = 100_000;

async function limitProcessors(group: string, cpus: number | undefined, all: readonly Hierarchy[]): Promise<void> {
  const cpu = all.find(({ kind }) => kind === "cpu") ?? all.find(({ kind }) => kind === "unified");
  const [limit, lifted] = cpu?.kind === "cpu" ? ["cpu.cfs_quota_us", "-1"] : ["cpu.max", "max"];
  const file = `${cpu?.path}/${group}/${limit}`;
  const quota = cpus === undefined ? lifted : String(Math.round(cpus * PERIOD_MICROSECONDS));
  if ((await writeKernelFile(file, quota)) || cpus === undefined) return;
  throw new OperationError("LAB_CPU_LIMIT_FAILED", `the limit of ${cpus} processors was refused by ${file}`, {
    hint: "leave the limit out, or boot this machine with the cpu controller enabled",
  });
}

/** Version 2 passes controllers down level by level, each only to children. */
async function enableControllers(root: string, group: string): Promise<void> {
  let path = root;
  for (const name of ["", ...group.split("/")]) {
    if (name !== "") path += `/${name}`;
    for (const controller of ["memory", "pids", "cpu"]) {
      // One that this machine lacks is done without; a memory limit that then fails is reported.
      await writeKernelFile(`${path}/cgroup.subtree_control`, `+${controller}`);
    }
  }
}

/** The directories that make up a cgroup, one per hierarchy. */
export async function cgroupDirectories(group: string): Promise<string[]> {
  const found: string[] = [];
  for (const { path } of await hierarchies()) if (await isDirectory(`${path}/${group}`)) found.push(`${path}/${group}`);
  return found;
}

/** The memory that a cgroup and all below it use. */
export async function memoryUse(group: string): Promise<MemoryUse | undefined> {
  for (const { path, kind, hasMemory } of await hierarchies()) {
    if (!hasMemory) continue;
    const directory = `${path}/${group}`;
    const isOld = kind === "memory";
    const bytes = await readTextIfPresent(`${directory}/${isOld ? "memory.usage_in_bytes" : "memory.current"}`);
    if (bytes === undefined) continue;
    const statistics = (await readTextIfPresent(`${directory}/memory.stat`)) ?? "";
    const sizeOf = (name: string): number => Number(new RegExp(`^${name} (\\d+)$`, "m").exec(statistics)?.[1] ?? 0);
    const total = isOld ? "total_" : "";
    // Version 1 counts in the group of the program that was ended, and not in those above it.
    const events = isOld
      ? await tryTool(["grep", "-rhs", "--include=memory.oom_control", "^oom_kill ", directory])
      : await tryTool(["grep", "-hs", "^oom_kill ", `${directory}/memory.events`]);
    const killed = events.stdout.toString("utf8").matchAll(/^oom_kill (\d+)$/gm);
    return {
      bytes: Number(bytes),
      heldBytes: Number(bytes) - sizeOf(`${total}active_file`) - sizeOf(`${total}inactive_file`),
      anonymousBytes: sizeOf(isOld ? "total_rss" : "anon"),
      outOfMemory: [...killed].reduce((sum, [, count]) => sum + Number(count), 0),
    };
  }
  return undefined;
}

/** Everything that runs in a cgroup and below it. */
export async function processesIn(group: string): Promise<number[]> {
  const directories = await cgroupDirectories(group);
  if (directories.length === 0) return [];
  // Groups come and go while they are read: what was read before that is still an answer.
  const listed = await tryTool(["find", ...directories, "-name", "cgroup.procs", "-exec", "cat", "{}", "+"]);
  const pids = new Set(listed.stdout.toString("utf8").split("\n").map(Number));
  // The kernel shows processes of a foreign process namespace as 0.
  pids.delete(0);
  return [...pids];
}

/** Ends everything in a cgroup at once and waits until it is gone. */
export async function killCgroup(group: string): Promise<void> {
  const deadline = systemClock.nowMs() + KILL_DEADLINE_MS;
  for (let pauseMs = 5; ; pauseMs = Math.min(pauseMs * 2, 100)) {
    const pids = await processesIn(group);
    if (pids.length === 0) return;
    for (const pid of pids) sendSignal(pid, "SIGKILL");
    if (systemClock.nowMs() > deadline) {
      throw new OperationError("LAB_PROCESS_STUCK", `processes of ${group} do not end: ${pids.join(", ")}`, {
        hint: "they wait for a disk or the network inside the kernel; look at /proc/PID/stack, then run the command again",
        retryable: true,
      });
    }
    await systemClock.sleep(pauseMs);
  }
}

/** Removes a cgroup in which nothing runs any more. */
export async function removeCgroup(group: string): Promise<void> {
  const deadline = systemClock.nowMs() + KILL_DEADLINE_MS;
  for (;;) {
    const directories = await cgroupDirectories(group);
    if (directories.length === 0) return;
    // A process that has ended may be counted for a moment longer.
    await tryTool(["find", ...directories, "-depth", "-type", "d", "-delete"]);
    if (systemClock.nowMs() > deadline) {
      throw new OperationError("LAB_CGROUP_STUCK", `the control groups ${directories.join(", ")} cannot be removed`, {
        retryable: true,
      });
    }
    if ((await cgroupDirectories(group)).length > 0) await systemClock.sleep(20);
  }
}

/** Labs that have a cgroup. */
export async function labsWithCgroups(): Promise<string[]> {
  const labs = new Set<string>();
  for (const { path } of await hierarchies()) {
    for (const name of await namesIn(`${path}/${CGROUP}`))
      if (await isDirectory(`${path}/${CGROUP}/${name}`)) labs.add(name);
  }
  return [...labs];
}

/** Sends a signal, by name or by number (real-time signals have no name). Says whether there was such a process. */
export function sendSignal(pid: number, signal: NodeJS.Signals | number): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    // It has ended in the meantime; being forbidden is impossible for root.
    return false;
  }
}
