/** What a host tells about itself: the answers of the kit's `facts`, `status`, `check`, `ephemeral` and `history`. */

import type { RecordedVersion } from "./data-version.ts";
import type { HealthResult } from "./health-check.ts";
import type { FoundProfile, PlacedProfile } from "./profile.ts";
import type { Operator, Receipt, TransactionLock, TransactionStatus } from "./transaction.ts";
import type { UnitState } from "./unit-plan.ts";

/** One numbered link of the system profile. */
export interface Generation {
  readonly number: number;
  /** The full store path of the system. */
  readonly path: string;
  /** When the link was made, ISO 8601 in UTC. */
  readonly date: string;
  /** The profile names it: the boot default. */
  readonly isDefault: boolean;
  /** Profiles beside the system's that were confirmed with it; absent when there are none. */
  readonly profiles?: readonly PlacedProfile[];
}

/** A way in which a host is not what its declaration says. */
export type Drift =
  /** Another system runs than the one that would be booted. */
  | { readonly kind: "running-not-default"; readonly running: string; readonly default: string | null }
  /** A system that runs for a time only. `until` is ISO 8601 in UTC. */
  | {
      readonly kind: "temporary";
      readonly running: string;
      readonly previous: string;
      readonly until: string;
      readonly operator: Operator;
    }
  /** `/system` names another system than the one that was fully activated last. */
  | { readonly kind: "half-activated"; readonly system: string; readonly activated: string | null }
  /** A unit file or drop-in made by hand below `/run/systemd`, or a runtime mask. */
  | { readonly kind: "unit-override"; readonly unit: string; readonly path: string }
  /** systemd has not read the unit's present files. */
  | { readonly kind: "unit-stale"; readonly unit: string }
  /** Wanted by an active target, yet not running. */
  | { readonly kind: "unit-not-running"; readonly unit: string; readonly activeState: string }
  /** The link of a profile leads elsewhere than to what was confirmed. */
  | { readonly kind: "profile-moved"; readonly profile: FoundProfile };

/** What `facts` prints. */
export interface HostFacts {
  readonly version: 1;
  readonly kitVersion: string;
  readonly hostName: string;
  readonly machineId: string | null;
  readonly bootId: string;
  readonly uptimeSeconds: number;
  /** The host's wall clock, ISO 8601 in UTC. */
  readonly time: string;
  /** As the kernel says: `x86_64`, `aarch64`. */
  readonly architecture: string;
  readonly kernel: string;
  readonly memory: { readonly totalBytes: number; readonly availableBytes: number };
  readonly disk: {
    readonly path: string;
    readonly totalBytes: number;
    readonly freeBytes: number;
    readonly inodesTotal: number;
    readonly inodesFree: number;
  };
  readonly systems: {
    /** What `/system` names. */
    readonly system: string | null;
    /** What was fully activated last. */
    readonly activated: string | null;
    readonly booted: string | null;
    /** What the profile names: the boot default. */
    readonly profile: string | null;
  };
  readonly generations: readonly Generation[];
  /** `running`, `degraded`, `starting`, `stopping`, … */
  readonly systemState: string;
  readonly failedUnits: readonly string[];
  /** Units that are loaded and not inactive, for predicting what a switch does. */
  readonly units: readonly UnitState[];
  /** The transaction that is not finished. */
  readonly transaction: TransactionStatus | null;
  readonly lock: TransactionLock | null;
  readonly lastReceipt: Receipt | null;
  readonly drift: readonly Drift[];
  /** Those of the boot default, beside the system's; absent when there are none. */
  readonly profiles?: readonly FoundProfile[];
  /** Of services' data, as what has run has left it. */
  readonly dataVersions?: readonly RecordedVersion[];
}

/** What `check` prints. */
export interface CheckAnswer {
  readonly healthy: boolean;
  readonly results: readonly HealthResult[];
  readonly failedUnits: readonly string[];
}

/** What `stale` prints: units with a process that runs, or has mapped, something of the packages asked about. */
export interface StaleAnswer {
  readonly units: readonly string[];
}

/** One thing that nothing declared. */
export interface EphemeralEntry {
  readonly path: string;
  readonly kind: "file" | "directory" | "link" | "socket" | "fifo" | "device";
  /** Bytes; of a directory, all below it. */
  readonly size: number;
  /** How many entries a directory holds, itself not counted. */
  readonly entries: number;
  readonly owner: string;
  readonly group: string;
  readonly mode: number;
  /** ISO 8601 in UTC. */
  readonly modified: string;
}

/** What `ephemeral` prints. */
export interface EphemeralAnswer {
  /** What lies on volatile filesystems: a reboot erases it. */
  readonly entries: readonly EphemeralEntry[];
  readonly totalBytes: number;
  readonly totalEntries: number;
  /** Declared persistent paths, which were not looked into. */
  readonly persisted: readonly string[];
  /** What lies on persistent filesystems although nothing declared it: it outlives reboots. */
  readonly kept: readonly EphemeralEntry[];
  /** Set when a bound stopped the search. */
  readonly truncated: boolean;
}

/** What `history` prints, newest first. */
export interface HistoryAnswer {
  readonly receipts: readonly Receipt[];
}
