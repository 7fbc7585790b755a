/** Sizes of the host that come from the kernel or from coreutils. */

import type { HostFacts } from "../machine/facts.ts";
import type { Host } from "./host.ts";

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
