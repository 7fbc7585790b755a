/** Facts: what the host is, what it runs, what it would boot, and how it differs from what was declared. */

import type { Drift, HostFacts } from "../machine/facts.ts";
import type { FoundProfile } from "../machine/profile.ts";
import type { SystemObject } from "../machine/system-object.ts";
import { unitTypeOf, unitValues } from "../machine/unit-file.ts";
import type { UnitState } from "../machine/unit-plan.ts";
import { failedUnits } from "./activation.ts";
import { readDataVersions } from "./data-versions.ts";
import type { Host } from "./host.ts";
import { diskOf, memoryOf, uptimeSeconds } from "./measures.ts";
import { findProfiles } from "./profiles.ts";
import { activatedSystem, bootedSystem, profileSystem, readGenerations, runningSystem } from "./systems.ts";
import { readLock, readReceipts, type TransactionRecord } from "./transaction-record.ts";

/** Where unit files can be made by hand on a host whose `/etc` cannot be written. */
const OVERRIDE_DIRECTORIES = ["/run/systemd/system", "/run/systemd/system.control", "/run/systemd/user"];

export function collectFacts(host: Host, unfinished: TransactionRecord | undefined): HostFacts {
  const systems = {
    system: runningSystem(host) ?? null,
    activated: activatedSystem(host) ?? null,
    booted: bootedSystem(host) ?? null,
    profile: profileSystem(host) ?? null,
  };
  const units = host.units.list();
  const profiles = findProfiles(host);
  return {
    version: 1,
    kitVersion: host.kitVersion,
    hostName: textAt(host, "/proc/sys/kernel/hostname") ?? "",
    machineId: textAt(host, "/run/machine-id") ?? textAt(host, "/etc/machine-id") ?? null,
    bootId: host.bootId(),
    uptimeSeconds: uptimeSeconds(host),
    time: host.wallClock(),
    architecture: host.run(["uname", "-m"], { timeoutSeconds: 5 }).stdout.trim(),
    kernel: textAt(host, "/proc/sys/kernel/osrelease") ?? "",
    memory: memoryOf(host),
    disk: diskOf(host, "/nix"),
    systems,
    generations: readGenerations(host),
    systemState: host.run(["systemctl", "is-system-running"], { timeoutSeconds: 10 }).stdout.trim(),
    failedUnits: failedUnits(units),
    units: units.filter((unit) => unit.activeState !== "inactive" && unitTypeOf(unit.name) !== "device"),
    transaction: unfinished?.status() ?? null,
    lock: readLock(host) ?? null,
    lastReceipt: readReceipts(host)[0] ?? null,
    drift: [...driftOf(host, systems, units, unfinished), ...(unfinished === undefined ? movedProfiles(profiles) : [])],
    ...(profiles.length === 0 ? {} : { profiles }),
    dataVersions: readDataVersions(host),
  };
}

function textAt(host: Host, path: string): string | undefined {
  return host.files.readFile(path)?.trim();
}

function driftOf(
  host: Host,
  systems: HostFacts["systems"],
  units: readonly UnitState[],
  unfinished: TransactionRecord | undefined,
): Drift[] {
  const drift: Drift[] = [];
  const running = systems.activated ?? systems.system;
  const status = unfinished?.status();
  if (status?.state === "temporary") {
    const { system, previous, operator, revertsInSeconds = 0 } = status;
    const until = new Date(Date.parse(host.wallClock()) + revertsInSeconds * 1000).toISOString();
    drift.push({ kind: "temporary", running: system, previous, until, operator });
  } else if (running !== null && running !== systems.profile) {
    drift.push({ kind: "running-not-default", running, default: systems.profile });
  }
  if (systems.system !== null && systems.system !== systems.activated) {
    drift.push({ kind: "half-activated", system: systems.system, activated: systems.activated });
  }
  for (const directory of OVERRIDE_DIRECTORIES) {
    for (const path of filesBelow(host, directory)) {
      const unit = path.slice(directory.length + 1).split("/")[0] ?? "";
      drift.push({ kind: "unit-override", unit: unit.replace(/\.(?:d|wants|requires|upholds)$/, ""), path });
    }
  }
  for (const unit of staleDefinitions(host)) drift.push({ kind: "unit-stale", unit });
  if (running !== null) drift.push(...notRunning(host, host.system(running), units));
  return drift;
}

function movedProfiles(profiles: readonly FoundProfile[]): Drift[] {
  return profiles
    .filter(({ found, path }) => found !== path)
    .map((profile) => ({ kind: "profile-moved", profile }) as const);
}

function filesBelow(host: Host, directory: string): string[] {
  return (host.files.list(directory) ?? []).toSorted().flatMap((name) => {
    const path = `${directory}/${name}`;
    const isDirectory = host.files.readlink(path) === undefined && host.files.list(path) !== undefined;
    return isDirectory ? filesBelow(host, path) : [path];
  });
}

interface UnitProperties {
  readonly name: string;
  readonly isStale: boolean;
  readonly isOneshot: boolean;
  readonly conditionHeld: boolean;
}

/** One call for all units: blocks of `key=value` lines, separated by empty lines. */
function propertiesOf(host: Host, units: readonly string[]): UnitProperties[] {
  const command = ["systemctl", "show", "--property=Id,NeedDaemonReload,Type,ConditionResult", "--", ...units];
  return host
    .run(command, { timeoutSeconds: 20 })
    .stdout.split("\n\n")
    .flatMap((block) => {
      const values = new Map(block.split("\n").map((line) => [line.split("=")[0], line.slice(line.indexOf("=") + 1)]));
      const name = values.get("Id");
      if (name === undefined || name === "") return [];
      return {
        name,
        isStale: values.get("NeedDaemonReload") === "yes",
        isOneshot: values.get("Type") === "oneshot",
        conditionHeld: values.get("ConditionResult") !== "no",
      };
    });
}

function staleDefinitions(host: Host): string[] {
  return propertiesOf(host, ["*.service", "*.socket", "*.timer", "*.target", "*.mount"])
    .filter((unit) => unit.isStale)
    .map((unit) => unit.name);
}

/** Units that an active target wants and that do not run, but for those that do their work once. */
function notRunning(host: Host, system: SystemObject, units: readonly UnitState[]): Drift[] {
  const states = new Map(units.map((unit) => [unit.name, unit.activeState]));
  const names: string[] = [];
  for (const [name, by] of system.wanted()) {
    if (!["service", "socket", "timer", "path", "mount"].includes(unitTypeOf(name)) || name.includes("@.")) continue;
    if (![...by].some((target) => states.get(target) === "active")) continue;
    const state = states.get(name) ?? "inactive";
    if (state !== "inactive" && state !== "deactivating") continue;
    const unit = system.unit(name);
    // An alias stands for a unit that is listed under its own name.
    if (unit?.isMasked !== false || unit.sources[0]?.endsWith(`/${name}`) !== true) continue;
    if (unitValues(unit, "Service", "Type").at(-1) === "oneshot") continue;
    names.push(name);
  }
  if (names.length === 0) return [];
  return propertiesOf(host, names)
    .filter((unit) => !unit.isOneshot && unit.conditionHeld)
    .map((unit) => ({ kind: "unit-not-running", unit: unit.name, activeState: states.get(unit.name) ?? "inactive" }));
}
