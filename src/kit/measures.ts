/** Sizes of the host that come from the kernel or from coreutils. */

import type { HostFacts } from "../machine/facts.ts";
import type { Host } from "./host.ts";

/** Since the first process started: a container's kernel has run for longer. */
export function uptimeSeconds(host: Host): number {
  const stat = host.files.readFile("/proc/1/stat") ?? "";
  // The name in brackets may hold spaces; the start time is the 20th field after it, in hundredths of a second.
  const startedAt = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
  const now = Number((host.files.readFile("/proc/uptime") ?? "").split(" ")[0]);
  return Math.max(0, Math.round(now - startedAt / 100));
}

/** The file system that a path lies on, and the numbers of its device. */
export function mountOf(host: Host, path: string): { readonly type: string; readonly device: string } {
  const mounts = (host.files.readFile("/proc/self/mountinfo") ?? "").split("\n").flatMap((line) => {
    const [fields = "", source = ""] = line.split(" - ");
    const [, , device = "", , at = ""] = fields.split(" ");
    const isAbove = at === "/" || path === at || path.startsWith(`${at}/`);
    return at !== "" && isAbove ? [{ at, device, type: source.split(" ")[0] ?? "" }] : [];
  });
  // Of two at the same place the later one covers the other.
  return mounts.reduce((best, mount) => (mount.at.length >= best.at.length ? mount : best), {
    at: "",
    device: "",
    type: "an unknown file system",
  });
}

export function diskOf(host: Host, path: string): HostFacts["disk"] {
  // Block size, blocks, blocks free for others than root, inodes, free inodes.
  const { code, stdout } = host.run(["stat", "--file-system", "--format=%S %b %a %c %d", path], { timeoutSeconds: 10 });
  const [blockSize = 0, blocks = 0, free = 0, inodesTotal = 0, inodesFree = 0] = stdout.trim().split(" ").map(Number);
  if (code !== 0 || blockSize === 0) {
    // Unknown is not full.
    return {
      path,
      totalBytes: 0,
      freeBytes: Number.MAX_SAFE_INTEGER,
      inodesTotal: 0,
      inodesFree: Number.MAX_SAFE_INTEGER,
    };
  }
  return {
    path,
    totalBytes: blocks * blockSize,
    freeBytes: free * blockSize,
    inodesTotal,
    // Some file systems have no fixed number of inodes and say 0.
    inodesFree: inodesTotal === 0 ? Number.MAX_SAFE_INTEGER : inodesFree,
  };
}

export function memoryOf(host: Host): HostFacts["memory"] {
  const text = host.files.readFile("/proc/meminfo") ?? "";
  const bytesOf = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0) * 1024;
  return { totalBytes: bytesOf("MemTotal"), availableBytes: bytesOf("MemAvailable") };
}
