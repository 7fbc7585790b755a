/**
 * What changes between two systems of a host: packages, users, groups, files of `/etc`, ports, persistence, units, and
 * whether the change may lock the operator out.
 */

import {
  persistentPathOf,
  type PersistentPath,
  type SystemGroup,
  type SystemMeta,
  type SystemObject,
  type SystemPackage,
  type SystemUser,
} from "./system-object.ts";
import { diffSecrets, type SecretChange, SECRETS, secretsOf } from "./secrets.ts";
import { differingInhibitors, type InhibitorChange } from "./switch-inhibitors.ts";
import { predictLockout, type LockoutWarning, type OperatorAccess } from "./lockout.ts";
import { condenseDiff, diffLines, type DiffLine } from "./text-diff.ts";
import { diffUnits } from "./unit-diff.ts";
import type { UnitChange, UnitPlan, UnitState } from "./unit-plan.ts";

export interface PackageChange {
  readonly name: string;
  readonly kind: "added" | "removed" | "changed";
  /** Versions, or the same version twice when only the build differs. */
  readonly before?: string;
  readonly after?: string;
  /** Bytes of the unpacked package, where they are known. */
  readonly sizeBefore?: number;
  readonly sizeAfter?: number;
}

export interface NamedChange {
  readonly name: string;
  readonly kind: "added" | "removed" | "changed";
  /** For a change, the fields that differ, such as `shell: /bin/sh → /bin/bash`. */
  readonly details: readonly string[];
}

export interface FileChange {
  /** The path on the host, such as `/etc/nginx/nginx.conf`. */
  readonly path: string;
  readonly kind: "added" | "removed" | "changed";
}

export interface PortChange {
  readonly port: number;
  readonly protocol: "tcp" | "udp";
  readonly kind: "opened" | "closed";
}

export interface SystemDiff {
  /** The two systems are one and the same store path. */
  readonly isSame: boolean;
  readonly packages: readonly PackageChange[];
  readonly users: readonly NamedChange[];
  readonly groups: readonly NamedChange[];
  readonly etc: readonly FileChange[];
  readonly ports: readonly PortChange[];
  readonly persistence: readonly FileChange[];
  readonly firewall: "unchanged" | "enabled" | "disabled";
  readonly secrets: readonly SecretChange[];
  readonly units: UnitPlan;
  /** What keeps the host from switching to the new system. */
  readonly inhibitors: readonly InhibitorChange[];
  readonly lockout: readonly LockoutWarning[];
}

export interface SystemDiffInput {
  /** What runs now; absent for a host that has never had a system of ours. */
  readonly old: SystemObject | undefined;
  readonly next: SystemObject;
  /** From the host's facts; without them every unit that the old system wants is taken to be active. */
  readonly states?: readonly UnitState[];
  /** Units whose processes run programs or libraries that the new system no longer has. */
  readonly stale?: ReadonlySet<string>;
  /** Of systems that do not list their packages. */
  readonly packages?: { readonly before: readonly SystemPackage[]; readonly after: readonly SystemPackage[] };
  /** The size of a package by its store path, where it is known. */
  readonly sizeOf?: (path: string) => number | undefined;
  readonly access: OperatorAccess;
}

export function diffSystems(input: SystemDiffInput): SystemDiff {
  const { old, next } = input;
  const before = old?.meta;
  const after = next.meta;
  const states = input.states ?? (old === undefined ? [] : presumedStates(old));
  const isSame = old?.path === next.path;
  const packages = input.packages ?? { before: before?.packages ?? [], after: after?.packages ?? [] };
  const { stale = new Set() } = input;
  const units = diffUnits(old === undefined ? { old: [], next, states: [] } : { old: [old], next, states, stale });
  return {
    isSame,
    packages: diffPackages(packages.before, packages.after, input.sizeOf ?? (() => undefined)),
    users: diffNamed(before?.users ?? [], after?.users ?? [], userFields),
    groups: diffNamed(before?.groups ?? [], after?.groups ?? [], groupFields),
    etc: isSame ? [] : diffEtc(old, next),
    ports: [...diffPorts("tcp", before, after), ...diffPorts("udp", before, after)],
    persistence: diffPersistence(before, after),
    firewall:
      (before?.firewall ?? false) === (after?.firewall ?? false)
        ? "unchanged"
        : after?.firewall === true
          ? "enabled"
          : "disabled",
    secrets: isSame ? [] : diffSecrets(secretsOf(old), secretsOf(next)),
    units: withNewlyWanted(units, old, next, states),
    inhibitors: old === undefined ? [] : differingInhibitors(old, next),
    lockout: predictLockout({ old, next, units, access: input.access }),
  };
}

/**
 * Adds, for people, the units that come up because an active target of the new system newly wants them. The executor
 * starts targets, not these.
 */
function withNewlyWanted(
  units: UnitPlan,
  old: SystemObject | undefined,
  next: SystemObject,
  states: readonly UnitState[],
): UnitPlan {
  const before = old?.wanted() ?? new Map<string, ReadonlySet<string>>();
  const mentioned = new Set(units.changes.map((change) => change.unit));
  const active = new Set(states.filter((state) => state.activeState === "active").map((state) => state.name));
  const started: UnitChange[] = [];
  for (const [unit, by] of next.wanted()) {
    const target = [...by].find((name) => units.targets.includes(name));
    if (target === undefined || before.has(unit) || mentioned.has(unit) || active.has(unit)) continue;
    if (next.unit(unit)?.isMasked !== false) continue;
    started.push({ unit, action: "start", reason: `newly wanted by ${target}` });
  }
  const changes = [...units.changes, ...started].sort((one, other) => (one.unit < other.unit ? -1 : 1));
  return { ...units, changes };
}

/** Without facts: what the system's targets want, and the targets themselves, count as active. */
function presumedStates(system: SystemObject): UnitState[] {
  const names = new Set<string>();
  for (const [unit, by] of system.wanted()) {
    names.add(unit);
    for (const name of by) if (name.endsWith(".target")) names.add(name);
  }
  return [...names].sort().map((name) => ({ name, activeState: "active", subState: "running" }));
}

function diffPackages(
  before: readonly SystemPackage[],
  after: readonly SystemPackage[],
  sizeOf: (path: string) => number | undefined,
): PackageChange[] {
  const old = new Map(before.map((item) => [item.name, item]));
  const next = new Map(after.map((item) => [item.name, item]));
  return namesOfBoth(old, next).flatMap((name): PackageChange[] => {
    const was = old.get(name);
    const is = next.get(name);
    if (was?.path === is?.path) return [];
    const [sizeBefore, sizeAfter] = [was && sizeOf(was.path), is && sizeOf(is.path)];
    return [
      {
        name,
        kind: was === undefined ? "added" : is === undefined ? "removed" : "changed",
        ...(was && { before: was.version }),
        ...(is && { after: is.version }),
        ...(sizeBefore === undefined ? {} : { sizeBefore }),
        ...(sizeAfter === undefined ? {} : { sizeAfter }),
      },
    ];
  });
}

/** The store paths of packages that one of them has and the other has not, at the same name or not at all. */
export function differingPackages(
  old: SystemObject | undefined,
  next: SystemObject,
): Record<"gone" | "come", string[]> {
  const before = new Set(old?.meta?.packages.map(({ path }) => path));
  const after = new Set(next.meta?.packages.map(({ path }) => path));
  return { gone: [...before].filter((path) => !after.has(path)), come: [...after].filter((path) => !before.has(path)) };
}

function namesOfBoth<T>(old: ReadonlyMap<string, T>, next: ReadonlyMap<string, T>): string[] {
  return [...new Set([...old.keys(), ...next.keys()])].sort();
}

type Fields = readonly (readonly [label: string, value: string])[];

export const SSH_KEYS_FIELD = "ssh keys";

function userFields(user: SystemUser): Fields {
  return [
    ["uid", String(user.uid)],
    ["gid", String(user.gid)],
    ["home", user.home],
    ["shell", user.shell],
    [SSH_KEYS_FIELD, String(user.keys)],
    ...(user.account === undefined ? [] : accountFields(user.account)),
  ];
}

function accountFields(account: NonNullable<SystemUser["account"]>): Fields {
  return [
    ["groups", account.groups.join(" ")],
    ["description", account.description],
    ["locked", account.isLocked ? "yes" : "no"],
    ["linger", account.isLingering === true ? "yes" : "no"],
  ];
}

function groupFields(group: SystemGroup): Fields {
  return [
    ["gid", String(group.gid)],
    ["members", group.members.join(" ")],
  ];
}

function diffNamed<T extends { readonly name: string }>(
  before: readonly T[],
  after: readonly T[],
  fieldsOf: (item: T) => Fields,
): NamedChange[] {
  const old = new Map(before.map((item) => [item.name, item]));
  const next = new Map(after.map((item) => [item.name, item]));
  return namesOfBoth(old, next).flatMap((name): NamedChange[] => {
    const was = old.get(name);
    const is = next.get(name);
    if (was === undefined) return [{ name, kind: "added", details: [] }];
    if (is === undefined) return [{ name, kind: "removed", details: leftBy(was) }];
    const values = new Map(fieldsOf(is));
    const details = fieldsOf(was).flatMap(([label, value]) =>
      values.get(label) === value ? [] : [`${label}: ${value} → ${values.get(label) ?? ""}`],
    );
    return details.length === 0 ? [] : [{ name, kind: "changed", details }];
  });
}

/** What stays of a user on a host that has others. */
function leftBy(was: object): string[] {
  const { account, home } = was as Partial<SystemUser>;
  return account === undefined || account.homeMode === null ? [] : [`(its files in ${home} stay)`];
}

function diffPorts(protocol: "tcp" | "udp", before?: SystemMeta, after?: SystemMeta): PortChange[] {
  const old = new Set(before?.openPorts[protocol]);
  const next = new Set(after?.openPorts[protocol]);
  return [...new Set([...old, ...next])]
    .filter((port) => old.has(port) !== next.has(port))
    .sort((one, other) => one - other)
    .map((port) => ({ port, protocol, kind: next.has(port) ? "opened" : "closed" }));
}

function diffPersistence(before?: SystemMeta, after?: SystemMeta): FileChange[] {
  const pathsOf = (meta?: SystemMeta): Set<string> => {
    const entries: PersistentPath[] =
      meta === undefined ? [] : [...meta.persistence.directories, ...meta.persistence.files];
    return new Set(entries.map(persistentPathOf));
  };
  const old = pathsOf(before);
  const next = pathsOf(after);
  return [...new Set([...old, ...next])]
    .filter((path) => old.has(path) !== next.has(path))
    .sort()
    .map((path) => ({ path, kind: next.has(path) ? "added" : "removed" }));
}

/** Compares `/etc` file by file; directories and files that are the same store object are not looked into. */
function diffEtc(old: SystemObject | undefined, next: SystemObject): FileChange[] {
  const changes: FileChange[] = [];
  diffDirectory(old, next, "/etc", changes);
  // These are told as secrets.
  return changes.filter(({ path }) => !path.startsWith(`${SECRETS}/`));
}

/** Links that pull units in; where they lead changes with the unit's own file, which is shown. */
const UNIT_LINKS = /^\/etc\/systemd\/system\/[^/]+\.(?:wants|requires|upholds)$/;

function diffDirectory(
  old: SystemObject | undefined,
  next: SystemObject | undefined,
  path: string,
  changes: FileChange[],
): void {
  const before = new Set(old?.list(path));
  const after = new Set(next?.list(path));
  for (const name of [...new Set([...before, ...after])].sort()) {
    const at = `${path}/${name}`;
    const was = before.has(name) ? old : undefined;
    const is = after.has(name) ? next : undefined;
    const wasAt = was?.resolve(at);
    const isAt = is?.resolve(at);
    if (wasAt !== undefined && isAt !== undefined && wasAt.path === isAt.path) continue;
    const wasDirectory = was?.list(at) !== undefined;
    const isDirectory = is?.list(at) !== undefined;
    if (wasDirectory || isDirectory) {
      if (was !== undefined && !wasDirectory) changes.push({ path: at, kind: "removed" });
      diffDirectory(wasDirectory ? was : undefined, isDirectory ? is : undefined, at, changes);
      if (is !== undefined && !isDirectory) changes.push({ path: at, kind: "added" });
    } else if (was === undefined) changes.push({ path: at, kind: "added" });
    else if (is === undefined) changes.push({ path: at, kind: "removed" });
    else if (UNIT_LINKS.test(path)) continue;
    else if (wasAt?.kind !== "inside" || isAt?.kind !== "inside" || was.read(at) !== is.read(at)) {
      changes.push({ path: at, kind: "changed" });
    }
  }
}

/** The changed lines of one file with a little context, for showing on demand. */
export function diffEtcFile(old: SystemObject | undefined, next: SystemObject, path: string, context = 3): DiffLine[] {
  return condenseDiff(diffLines(old?.read(path) ?? "", next.read(path) ?? ""), context);
}
