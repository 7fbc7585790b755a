/** What is written down about a lab before anything of it is made: enough to make it again, and to find it. */

import { FormatError } from "../base/errors.ts";
import { readTextIfPresent, writeFileAtomic } from "../system/files.ts";
import type { HostLimits } from "./cgroup.ts";
import { labPaths } from "./lab-names.ts";

export interface HostRecord extends HostLimits {
  readonly name: string;
  readonly address: string;
  readonly diskBytes: number;
}

export interface LabRecord {
  readonly version: 1;
  readonly name: string;
  /** The first three numbers of the lab's /24. */
  readonly subnet: string;
  /** This machine's address in it. */
  readonly gateway: string;
  readonly hosts: readonly HostRecord[];
  /** The file of the fleet that is rehearsed, by which commands find their lab. */
  readonly fleetFile?: string | undefined;
  /** Public keys that new hosts let in, beside the lab's own. */
  readonly authorizedKeys: readonly string[];
  /** Files of private keys to offer, beside the lab's own. */
  readonly identityFiles: readonly string[];
}

export async function readLabRecord(lab: string): Promise<LabRecord | undefined> {
  const path = labPaths(lab).record;
  const text = await readTextIfPresent(path);
  if (text === undefined) return undefined;
  const record = parsed(text);
  if (record?.version !== 1 || record.name !== lab || !Array.isArray(record.hosts)) {
    throw new FormatError(
      "lab record",
      `${path} is not one of this version; 'pristine lab down ${lab}' removes the lab`,
    );
  }
  return record;
}

export async function writeLabRecord(record: LabRecord): Promise<void> {
  await writeFileAtomic(labPaths(record.name).record, `${JSON.stringify(record, undefined, 2)}\n`);
}

function parsed(text: string): LabRecord | undefined {
  try {
    return JSON.parse(text) as LabRecord;
  } catch {
    // Reported by the caller, which knows the path.
    return undefined;
  }
}
