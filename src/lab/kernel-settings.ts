/**
 * Limits of this machine that many hosts would run into. They are raised while there are labs; what they were is
 * written down first and restored with the last lab.
 */

import { readTextIfPresent, removeFile, writeFileAtomic } from "../system/files.ts";
import { writeKernelFile } from "../system/kernel-files.ts";
import { RUNTIME_DIRECTORY } from "./lab-names.ts";

/** systemd opens a few of these per host and user manager; the usual 128 are gone at about twenty hosts. */
const LIMITS_MIN: Readonly<Record<string, number>> = {
  "fs/inotify/max_user_instances": 1024,
};

const RECORD = `${RUNTIME_DIRECTORY}/.kernel-settings.json`;

interface Raised {
  readonly setting: string;
  readonly before: string;
  readonly raisedTo: string;
}

export async function raiseKernelLimits(): Promise<void> {
  if ((await readTextIfPresent(RECORD)) !== undefined) return;
  const raised: Raised[] = [];
  for (const [setting, value] of Object.entries(LIMITS_MIN)) {
    const before = (await readTextIfPresent(`/proc/sys/${setting}`))?.trim();
    if (before !== undefined && Number(before) < value) raised.push({ setting, before, raisedTo: String(value) });
  }
  if (raised.length === 0) return;
  await writeFileAtomic(RECORD, JSON.stringify(raised), { durable: false });
  // In a container of its own this machine may not change them; few hosts need no more.
  for (const { setting, raisedTo } of raised) await writeKernelFile(`/proc/sys/${setting}`, raisedTo);
}

export async function restoreKernelLimits(): Promise<void> {
  const text = await readTextIfPresent(RECORD);
  if (text === undefined) return;
  for (const { setting, before, raisedTo } of JSON.parse(text) as Raised[]) {
    const now = (await readTextIfPresent(`/proc/sys/${setting}`))?.trim();
    // Somebody else's later change stays.
    if (now === raisedTo) await writeKernelFile(`/proc/sys/${setting}`, before);
  }
  await removeFile(RECORD);
}
