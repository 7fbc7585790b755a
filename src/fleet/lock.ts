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
  const architectures = await architecturesOf(file, options.architectures, options.signal);
  const outcome = await lockNames({
    lockPath,
    architectures,
    signal: options.signal,
    onEvent: options.onEvent,
    offline: options.offline ?? false,
    namesOf: async (versions, signal) => {
      const names = await askNames<Record<string, string[]>>(file, versions, "names", signal);
      for (const architecture of architectures) names[architecture] ??= Object.values(names)[0] ?? [];
      return names;
    },
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

/** The architectures of the fleet's hosts and those asked for besides; learnt without any index. */
async function architecturesOf(
  fleetFile: string,
  extra: readonly string[],
  signal: AbortSignal,
): Promise<DebianArchitecture[]> {
  const nothing = Object.fromEntries(ARCHITECTURES.map((architecture) => [architecture, {}]));
  const hosts = await askNames<string[]>(fleetFile, nothing, "builtins.attrNames names", signal);
  return [...new Set([...hosts, ...extra])].map((wanted) => {
    const known = ARCHITECTURES.find((architecture) => architecture === wanted);
    if (known !== undefined) return known;
    throw new OperationError("LOCK_NO_ARCHITECTURE", `'${wanted}' is not an architecture that can be locked`, {
      hint: `one of: ${ARCHITECTURES.join(", ")}`,
    });
  });
}

/** Evaluates the fleet with packages that are only names; `answer` is an expression over what each architecture needs. */
async function askNames<T>(
  fleetFile: string,
  versions: Readonly<Record<string, Readonly<Record<string, string>>>>,
  answer: string,
  signal: AbortSignal,
): Promise<T> {
  const directory = await makeTemporaryDirectory(join(temporaryDirectory(), "pristine-lock-"));
  try {
    const index = join(directory, "index.json");
    await writeFileAtomic(index, JSON.stringify(versions));
    const pristine = `import (/. + ${nixString(nixDirectory())}) { }`;
    const inputs = `{ fleet = /. + ${nixString(fleetFile)}; index = /. + ${nixString(index)}; }`;
    const expression = `let names = (${pristine}).lockNames ${inputs}; in ${answer}`;
    const { text } = await evaluate({ expression, baseDir: dirname(fleetFile), output: "json", strict: true }, signal);
    return JSON.parse(text) as T;
  } finally {
    await removeTree(directory);
  }
}
