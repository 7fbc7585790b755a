/** Health checks of what the host itself has: files, filesystems, memory. */

import {
  type Attempt,
  type DiskWish,
  type FileWish,
  fits,
  renderWanted,
  type WantedAmount,
} from "../machine/health-check.ts";
import type { Host } from "./host.ts";
import { diskOf, memoryOf } from "./measures.ts";

/** Of a file or a response, this much is looked at. */
export const TEXT_CHARS_MAX: number = 1024 * 1024;

export function fileAttempt(host: Host, wish: FileWish, timeoutSeconds: number): Attempt {
  const { path } = wish;
  const stat = ["stat", "--dereference", "--printf=%a\\n%U\\n%G\\n%Y\\n%F", "--", path];
  const { code, stdout, stderr } = host.run(stat, { timeoutSeconds });
  if (code === 124) return { healthy: false, message: `no answer about ${path} after ${timeoutSeconds} s` };
  const exists = code === 0;
  if (!exists && !/No such file or directory|Not a directory/.test(stderr)) {
    return { healthy: false, message: stderr.trim() };
  }
  if (exists !== wish.exists) return { healthy: false, message: `${path} ${exists ? "exists" : "does not exist"}` };
  if (!exists) return { healthy: true, message: `${path} does not exist` };
  const [mode = "", user = "", group = "", modified = "", kind = ""] = stdout.split("\n");
  const problems: string[] = [];
  if (wish.mode !== undefined && Number.parseInt(wish.mode, 8) !== Number.parseInt(mode, 8)) {
    problems.push(`its mode is ${mode}, not ${wish.mode}`);
  }
  if (wish.user !== undefined && wish.user !== user) problems.push(`it belongs to ${user}, not ${wish.user}`);
  if (wish.group !== undefined && wish.group !== group) problems.push(`its group is ${group}, not ${wish.group}`);
  const age = Math.round(Date.parse(host.wallClock()) / 1000 - Number(modified));
  if (wish.maxAgeSeconds !== undefined && age > wish.maxAgeSeconds) {
    problems.push(`it was written ${age} s ago, more than ${wish.maxAgeSeconds}`);
  }
  if (wish.contains !== undefined) {
    // What is no file may have no end.
    if (!kind.startsWith("regular")) problems.push(`it is a ${kind}, which is not read`);
    else {
      const head = ["head", `--bytes=${TEXT_CHARS_MAX}`, "--", path];
      const text = host.run(head, { timeoutSeconds }).stdout;
      if (!fits(text, wish.contains)) problems.push(`it does not contain ${renderWanted(wish.contains)}`);
    }
  }
  if (problems.length > 0) return { healthy: false, message: `${path}: ${problems.join(", ")}` };
  return { healthy: true, message: `${path} is as wanted` };
}

export function diskAttempt(host: Host, wish: DiskWish, timeoutSeconds: number): Attempt {
  const { mountPoint } = wish;
  const { code, stdout } = host.run(["stat", "--format=%m", "--", mountPoint], { timeoutSeconds });
  if (code !== 0 || stdout.trim() !== mountPoint) {
    return { healthy: false, message: `nothing is mounted at ${mountPoint}` };
  }
  const disk = diskOf(host, mountPoint);
  const problems = [
    lackOf("bytes free", wish.free, disk.freeBytes, disk.totalBytes),
    // Without a number of inodes there is no end of them.
    disk.inodesTotal === 0 ? undefined : lackOf("inodes free", wish.inodes, disk.inodesFree, disk.inodesTotal),
  ].filter((problem) => problem !== undefined);
  if (problems.length > 0) return { healthy: false, message: `${mountPoint}: ${problems.join(", ")}` };
  return { healthy: true, message: `${mountPoint}: ${disk.freeBytes} bytes free` };
}

export function memoryAttempt(host: Host, available: WantedAmount): Attempt {
  const { availableBytes, totalBytes } = memoryOf(host);
  const lack = lackOf("bytes available", available, availableBytes, totalBytes);
  return { healthy: lack === undefined, message: lack ?? `${availableBytes} bytes available` };
}

function lackOf(what: string, wanted: WantedAmount | undefined, count: number, total: number): string | undefined {
  if (wanted === undefined) return undefined;
  const least = "count" in wanted ? wanted.count : Math.ceil((wanted.percent / 100) * total);
  if (count >= least) return undefined;
  return `${count} ${what}, and ${least}${"percent" in wanted ? ` (${wanted.percent} %)` : ""} are wanted`;
}
