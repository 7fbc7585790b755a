/** Names of the labs that tests make, by which a later run removes what a killed one has left. */

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { labDown, labNames } from "../../src/lab/lab.ts";
import { type FileLock, tryLockFile } from "../../src/system/flock.ts";

const TEST_LAB = /^test(\d+)[a-z]?$/;

/** One lab per test process; a letter tells further ones apart. */
export const TEST_LAB_NAME: string = `test${process.pid}`;

/** Held until this process ends, however it ends. */
const heldSubnets: FileLock[] = [];

/** A network that nothing on this machine has, and that no other test process is given as long as this one lives. */
export function takeTestSubnet(): string {
  const directory = join(tmpdir(), "pristine-test-subnets");
  mkdirSync(directory, { recursive: true });
  const here = Object.values(networkInterfaces()).flatMap((addresses = []) => addresses.map(({ address }) => address));
  for (let tried = 0; tried < 200; tried += 1) {
    const subnet = `10.77.${20 + ((process.pid + tried) % 200)}`;
    if (here.some((address) => address.startsWith(`${subnet}.`))) continue;
    const lock = tryLockFile(join(directory, subnet));
    if (lock === undefined) continue;
    heldSubnets.push(lock);
    return subnet;
  }
  throw new Error("no network from 10.77.20 to 10.77.219 is free for a lab of this test");
}

/** Removes the labs of test processes that are no more. */
export async function removeStaleLabs(): Promise<void> {
  for (const name of await labNames()) {
    const pid = Number(TEST_LAB.exec(name)?.[1] ?? 0);
    if (pid !== 0 && (pid === process.pid || !isAlive(pid))) await labDown(name);
  }
}

/** Everything that the labs of this process could leave behind on this machine. */
export function tracesOfLabs(): string[] {
  const run = (...argv: [string, ...string[]]): string[] =>
    execFileSync(argv[0], argv.slice(1), { encoding: "utf8" }).split("\n").filter(Boolean);
  const mine = (lines: readonly string[]): string[] => lines.filter((line) => line.includes(TEST_LAB_NAME));
  return [
    ...mine(readFileSync("/proc/self/mountinfo", "utf8").split("\n")),
    ...mine(run("ip", "-o", "link")),
    ...mine(run("losetup", "--list", "--noheadings")),
    ...mine(run("ps", "-eo", "args")),
    ...mine(run("find", "/sys/fs/cgroup", "-maxdepth", "4", "-type", "d", "-path", "*pristine-lab*")),
    ...mine(run("sh", "-c", "find /run/pristine /var/lib/pristine -maxdepth 2 2>/dev/null || true")),
  ];
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
