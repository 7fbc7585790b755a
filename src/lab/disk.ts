/**
 * A host's disk: a sparse file with ext4, mounted on this machine through a loop device that goes with its last mount.
 *
 * It holds `nix/` and `persist/`; the host sees them as `/nix` and `/persist`. Because it is a file system of its own, a
 * host can run out of space without anybody else noticing.
 */

import { freeBytes, ensureDirectory, exists, readText, removeFile } from "../system/files.ts";
import { type HostPaths } from "./lab-names.ts";
import { isMounted, mounts, unmountBelow } from "./mounts.ts";
import { tool, tryTool } from "./tools.ts";

const FILLING = "lab-filling";
const SYNC_DEADLINE_MS = 120_000;

/** Makes an empty disk; whatever was in its place is lost. */
export async function makeDisk(paths: HostPaths, bytes: number, signal: AbortSignal): Promise<void> {
  await unmountBelow(paths.disk);
  await removeFile(paths.seeded);
  await removeFile(paths.image);
  await ensureDirectory(paths.data, 0o700);
  await tool(["truncate", `--size=${bytes}`, paths.image], { signal });
  // Half the usual bytes per inode: a system's tree of links is many small things. Nothing is reserved for root.
  await tool(["mkfs.ext4", "-q", "-F", "-i", "8192", "-m", "0", "-E", "lazy_itable_init=1,nodiscard", paths.image], {
    signal,
  });
}

/** Copies a complete, unmounted disk, keeping its holes. */
export async function copyDisk(from: HostPaths, to: HostPaths, signal: AbortSignal): Promise<void> {
  await unmountBelow(to.disk);
  await removeFile(to.seeded);
  await ensureDirectory(to.data, 0o700);
  await tool(["cp", "--sparse=always", "--reflink=auto", from.image, to.image], { signal, deadlineMs: 300_000 });
}

export async function mountDisk(paths: HostPaths): Promise<void> {
  await ensureDirectory(paths.disk);
  if (await isMounted(paths.disk)) return;
  // Without noinit_itable the kernel would fill the sparse file with empty inode tables in the background.
  await tool(["mount", "-o", "loop,noatime,noinit_itable", paths.image, paths.disk]);
}

export async function unmountDisk(paths: HostPaths): Promise<void> {
  // A host that boots at this moment may hold a copy of the mount for an instant, which puts off the writing.
  await tool(["sync", "--file-system", paths.disk], { deadlineMs: SYNC_DEADLINE_MS });
  await unmountBelow(paths.disk);
}

/** Takes all space but so many bytes, or gives it back. */
export async function fillDisk(paths: HostPaths, leaveBytes: number): Promise<void> {
  const path = `${paths.disk}/${FILLING}`;
  await removeFile(path);
  // The largest single allocation may be a little less than what is free, so what then remains is taken too.
  let taken = 0;
  for (let round = 0; round < 8; round += 1) {
    const free = (await freeBytes(paths.disk)) - leaveBytes;
    if (free < 4096) return;
    const step = round === 0 ? free : Math.floor(free / 2);
    if ((await tryTool(["fallocate", "--offset", String(taken), "--length", String(step), path])).code === 0)
      taken += step;
  }
}

export async function releaseDisk(paths: HostPaths): Promise<void> {
  await removeFile(`${paths.disk}/${FILLING}`);
}

const SECTOR_BYTES = 512;

/** What was written to a disk since it was mounted, and what is still to be. */
export async function writtenBytes(paths: HostPaths): Promise<number> {
  const mount = (await mounts()).find(({ path }) => path === paths.disk);
  if (mount === undefined) return 0;
  await tool(["sync", "--file-system", paths.disk], { deadlineMs: SYNC_DEADLINE_MS });
  // The seventh number is sectors written; a sector has this size here, whatever the disk's own are.
  const [, , , , , , sectors] = (await readText(`/sys/dev/block/${mount.device}/stat`)).trim().split(/\s+/);
  return Number(sectors) * SECTOR_BYTES;
}

/** Makes a disk count as missing; its host must be off. */
export async function forgetDisk(paths: HostPaths): Promise<void> {
  await unmountBelow(paths.disk);
  await removeFile(paths.seeded);
}

export async function isSeeded(paths: HostPaths): Promise<boolean> {
  return (await exists(paths.seeded)) && (await exists(paths.image));
}

/** Loop devices that still hold a lab's images, after the mounts are gone, are told to let go. */
export async function detachLoops(directory: string): Promise<void> {
  const listed = await tryTool(["losetup", "--list", "--noheadings", "--raw", "--output", "NAME,BACK-FILE"]);
  for (const line of listed.stdout.toString("utf8").split("\n")) {
    const [device, file] = line.split(" ");
    if (device !== undefined && file?.startsWith(`${directory}/`) === true)
      await tryTool(["losetup", "--detach", device]);
  }
}
