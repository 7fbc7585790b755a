/** Files that are switches of the kernel (`/proc/sys`, control groups), and the identity of processes that outlive us. */

import { writeFile } from "node:fs/promises";
import { readTextIfPresent } from "./files.ts";

/** Sets a switch. Says whether the kernel took the value: a missing switch and a refused value are answers here. */
export async function writeKernelFile(path: string, value: string): Promise<boolean> {
  try {
    // Without O_CREAT: a switch that does not exist must not become a file.
    await writeFile(path, value, { flag: "r+" });
    return true;
  } catch {
    // The caller decides whether this switch was optional.
    return false;
  }
}

/** A process that cannot be mistaken for a later one with the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks between the start of the machine and that of the process. */
  readonly startTicks: number;
}

export async function identityOf(pid: number): Promise<ProcessIdentity | undefined> {
  const text = await readTextIfPresent(`/proc/${pid}/stat`).catch(() => undefined);
  if (text === undefined) return undefined;
  // The second field is the program's name in parentheses and may contain anything.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  if (fields[0] === "Z" || fields[0] === "X") return undefined;
  return { pid, startTicks: Number(fields[19]) };
}

export async function isRunning(identity: ProcessIdentity): Promise<boolean> {
  return (await identityOf(identity.pid))?.startTicks === identity.startTicks;
}

/** Changes with every boot of this machine. */
export async function machineBootId(): Promise<string> {
  return ((await readTextIfPresent("/proc/sys/kernel/random/boot_id")) ?? "unknown").trim();
}
