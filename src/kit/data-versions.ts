/** What services' data may look like by now: written down when a system's services start, and when it is confirmed. */

import {
  dataChanges,
  type DataVersion,
  type RecordedVersion,
  recordedAfter,
  snapshotHooks,
} from "../machine/data-version.ts";
import type { Hook } from "../machine/hook.ts";
import type { Host } from "./host.ts";
import { STATE_DIRECTORY, type TransactionRecord } from "./transaction-record.ts";

const FILE = `${STATE_DIRECTORY}/data-versions.json`;

interface DataVersionsFile {
  readonly version: 1;
  readonly data: readonly RecordedVersion[];
}

/** What is written down; nothing when what is there is not ours, which keeps nobody from deploying. */
export function readDataVersions(host: Host): readonly RecordedVersion[] {
  const text = host.files.readFile(FILE);
  try {
    return text === undefined ? [] : (JSON.parse(text) as DataVersionsFile).data;
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}

/** Writes down that the services of a system may run from now on, or that they are what is wanted. */
export function noteDataVersions(host: Host, system: string, { isConfirmed }: { readonly isConfirmed: boolean }): void {
  const ran = versionsOf(host, system);
  if (ran.length === 0) return;
  const before = readDataVersions(host);
  const data = recordedAfter(before, ran, { system, isConfirmed });
  if (JSON.stringify(data) === JSON.stringify(before)) return;
  host.files.writeDurably(FILE, `${JSON.stringify({ version: 1, data } satisfies DataVersionsFile)}\n`);
}

/** What saves data before this activation changes its version. */
export function snapshotsFor(host: Host, { facts, plan }: TransactionRecord): Hook[] {
  return snapshotHooks(versionsOf(host, facts.previous), versionsOf(host, plan.system), readDataVersions(host));
}

/** What a system that is returned to finds, as sentences: the one that is left may have changed data already. */
export function dataAfterReturn(host: Host, { facts }: TransactionRecord): string[] {
  const changes = dataChanges([], versionsOf(host, facts.previous), readDataVersions(host));
  return changes
    .filter(({ kind }) => kind === "backwards")
    .map(({ message, hint }) => `${message.replace("would go backwards", "may have gone ahead")}; ${hint ?? ""}`);
}

function versionsOf(host: Host, system: string): readonly DataVersion[] {
  return host.system(system).meta?.dataVersions ?? [];
}
