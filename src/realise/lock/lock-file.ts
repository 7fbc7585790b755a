/** `pristine.lock`: exactly which packages a fleet is made of, and where they come from. Pure. */

import { FormatError } from "../../base/errors.ts";

export const LOCK_VERSION = 1;
export const LOCK_FILE_NAME = "pristine.lock";
/** Beside the lock: the first tool of every build, by architecture. */
export const BOOTSTRAP_DIRECTORY_NAME = "pristine.lock.d";

export interface LockSource {
  readonly uri: string;
  readonly suite: string;
  readonly component: string;
  readonly inReleaseSha256: string;
  readonly date: string;
}

export interface LockBootstrap {
  readonly package: string;
  readonly version: string;
  /** A directory, relative to the lock. */
  readonly path: string;
  /** Of the directory, as SRI. */
  readonly narHash: string;
}

export interface LockPackage {
  readonly version: string;
  readonly source: number;
  readonly filename: string;
  readonly sha256: string;
  readonly size: number;
  /** In KiB. */
  readonly installedSize: number;
  readonly depends: readonly string[];
}

export interface Lock {
  readonly version: number;
  readonly suite: string;
  readonly sources: readonly LockSource[];
  readonly bootstrap: Readonly<Record<string, LockBootstrap>>;
  readonly architectures: Readonly<Record<string, Readonly<Record<string, LockPackage>>>>;
}

/** The text of the file: two blanks of indentation, keys in order, so that differences read well. */
export function renderLock(lock: Lock): string {
  return `${JSON.stringify(lock, sortKeys, 2)}\n`;
}

/** Reads a lock file; throws `FormatError`. */
export function parseLock(text: string): Lock {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new FormatError(LOCK_FILE_NAME, error instanceof Error ? error.message : String(error));
  }
  const lock = value as Partial<Lock> | null;
  if (typeof lock !== "object" || lock === null || lock.version !== LOCK_VERSION) {
    throw new FormatError(LOCK_FILE_NAME, `is not a lock of version ${LOCK_VERSION}`);
  }
  if (
    typeof lock.suite !== "string" ||
    !Array.isArray(lock.sources) ||
    typeof lock.bootstrap !== "object" ||
    typeof lock.architectures !== "object"
  ) {
    throw new FormatError(LOCK_FILE_NAME, "lacks suite, sources, bootstrap or architectures");
  }
  return lock as Lock;
}

export interface LockChange {
  readonly architecture: string;
  readonly name: string;
  readonly from: string | undefined;
  readonly to: string | undefined;
}

/** Packages whose version differs, by architecture and name. */
export function lockChanges(before: Lock | undefined, after: Lock): LockChange[] {
  const changes: LockChange[] = [];
  const architectures = new Set([...Object.keys(before?.architectures ?? {}), ...Object.keys(after.architectures)]);
  for (const architecture of [...architectures].sort()) {
    const old = before?.architectures[architecture] ?? {};
    const now = after.architectures[architecture] ?? {};
    for (const name of [...new Set([...Object.keys(old), ...Object.keys(now)])].sort()) {
      const [from, to] = [old[name]?.version, now[name]?.version];
      if (from !== to) changes.push({ architecture, name, from, to });
    }
  }
  return changes;
}

function sortKeys(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}
