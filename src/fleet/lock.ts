/** Locks a fleet: asks the evaluator which packages its hosts need, and resolves them against Debian's indexes. */

import { dirname, join, resolve } from "node:path";
import { OperationError } from "../base/errors.ts";
import { type DebianArchitecture, type LockEvent, lockFleet as lockNames } from "../realise/lock/lock.ts";
import { evaluate } from "../realise/evaluate.ts";
import { temporaryDirectory } from "../system/directories.ts";
import { exists, makeTemporaryDirectory, removeTree, writeFileAtomic } from "../system/files.ts";
import { nixDirectory, nixString } from "./inventory.ts";

export interface FleetLockOptions {
  /** Architectures to lock besides those of the fleet's hosts. */
  readonly architectures: readonly string[];
  readonly offline?: boolean;
  readonly signal: AbortSignal;
  readonly onEvent: (event: LockEvent) => void;
}

export interface FleetLock {
  readonly lockPath: string;
  /** Locked packages per architecture. */
  readonly packages: Readonly<Record<string, number>>;
  /** What a deployment may have to download, per architecture. */
  readonly bytes: Readonly<Record<string, number>>;
  readonly changes: readonly {
    readonly architecture: string;
    readonly name: string;
    readonly from: string | undefined;
    readonly to: string | undefined;
  }[];
}

const ARCHITECTURES: readonly DebianArchitecture[] = ["amd64", "arm64"];

/** Writes `pristine.lock` beside the fleet file. Nothing is written when anything fails. */
export async function lockFleet(fleetFile: string, options: FleetLockOptions): Promise<FleetLock> {
  const file = resolve(fleetFile);
  if (!(await exists(file))) {
    throw new OperationError("FLEET_FILE_MISSING", `there is no fleet file ${fleetFile}`, {
      hint: "run 'pristine init' to make one, or name it with --fleet FILE",
    });
  }
  const lockPath = join(dirname(file), "pristine.lock");
  const outcome = await lockNames({
    lockPath,
    signal: options.signal,
    onEvent: options.onEvent,
    offline: options.offline ?? false,
    namesOf: (versions, signal) => namesOf(file, versions, options.architectures, signal),
  });
  const packages: Record<string, number> = {};
  const bytes: Record<string, number> = {};
  for (const [architecture, locked] of Object.entries(outcome.lock.architectures)) {
    const all = Object.values(locked);
    packages[architecture] = all.length;
    bytes[architecture] = all.reduce((sum, entry) => sum + entry.size, 0);
  }
  return { lockPath, packages, bytes, changes: outcome.changes };
}

/** The names each architecture needs: the fleet evaluated with packages that are only names. */
async function namesOf(
  fleetFile: string,
  versions: Record<string, Record<string, string>>,
  extra: readonly string[],
  signal: AbortSignal,
): Promise<Record<string, readonly string[]>> {
  const directory = await makeTemporaryDirectory(join(temporaryDirectory(), "pristine-lock-"));
  try {
    const index = join(directory, "index.json");
    await writeFileAtomic(index, JSON.stringify(versions));
    const expression = `(import (/. + ${nixString(nixDirectory())}) { }).lockNames { fleet = /. + ${nixString(fleetFile)}; index = /. + ${nixString(index)}; }`;
    const { text } = await evaluate({ expression, baseDir: dirname(fleetFile), output: "json", strict: true }, signal);
    const names = JSON.parse(text) as Record<string, string[]>;
    for (const architecture of extra) {
      if (!ARCHITECTURES.some((known) => known === architecture)) {
        throw new OperationError(
          "LOCK_NO_ARCHITECTURE",
          `'${architecture}' is not an architecture that can be locked`,
          {
            hint: `one of: ${ARCHITECTURES.join(", ")}`,
          },
        );
      }
      names[architecture] ??= Object.values(names)[0] ?? [];
    }
    return names;
  } finally {
    await removeTree(directory);
  }
}
