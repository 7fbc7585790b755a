/**
 * What of a system only a reboot brings into force: it is compared with what the host has booted, and what the running
 * system has set in the kernel stays set until then.
 */

import type { SystemObject } from "./system-object.ts";

export interface RebootReason {
  readonly kind: "kernel" | "initrd" | "kernel-parameters" | "kernel-modules" | "stage-2" | "sysctl";
  /** One clause for people. */
  readonly message: string;
}

export interface RebootInput {
  /** What the host has booted, and what it runs; absent when it does not say. */
  readonly booted: SystemObject | undefined;
  readonly running?: SystemObject | undefined;
  readonly wanted: SystemObject;
}

/** Entries at the top of a system that only booting reads. */
const BOOT_ENTRIES: readonly (readonly [entry: string, kind: RebootReason["kind"], what: string])[] = [
  ["kernel", "kernel", "the kernel changes"],
  ["kernel-modules", "kernel-modules", "the kernel's modules change"],
  ["initrd", "initrd", "the initrd changes"],
  ["kernel-params", "kernel-parameters", "the kernel's parameters change"],
];

/** Why a host has to be rebooted until all of `wanted` is in force; nothing when a switch is enough. */
export function rebootNeed({ booted, running, wanted }: RebootInput): RebootReason[] {
  if (booted === undefined || booted.path === wanted.path) return [];
  const reasons: RebootReason[] = [];
  for (const [entry, kind, what] of BOOT_ENTRIES) {
    const [was, is] = [booted.topEntry(entry), wanted.topEntry(entry)];
    if (was !== is && is !== undefined) reasons.push({ kind, message: `${what}${difference(kind, was, is)}` });
  }
  // NixOS's stage 2 names its system; ours does not.
  const isOurs = booted.meta !== undefined && wanted.meta !== undefined;
  if (isOurs && hasNewLines(booted.topEntry("init"), wanted.topEntry("init"))) {
    reasons.push({ kind: "stage-2", message: "stage 2 has new commands, which run before systemd" });
  }
  if (textsBelow(booted, "/etc/modprobe.d") !== textsBelow(wanted, "/etc/modprobe.d")) {
    reasons.push({ kind: "kernel-modules", message: "modules that are loaded keep their options" });
  }
  const kept = [booted, running ?? booted].flatMap((system) => [...sysctlsOf(system)]);
  const after = sysctlsOf(wanted);
  const gone = [...new Set(kept.filter((key) => !after.has(key)))].sort();
  if (gone.length > 0) {
    reasons.push({
      kind: "sysctl",
      message: `${gone.join(", ")} ${gone.length === 1 ? "keeps its" : "keep their"} value`,
    });
  }
  return reasons;
}

/** What is gone has been done at the last boot, and nobody misses it. */
function hasNewLines(was = "", is = ""): boolean {
  const before = new Set(was.split("\n"));
  return is.split("\n").some((line) => !before.has(line));
}

/** Parameters are short enough to be told. */
function difference(kind: RebootReason["kind"], was: string | undefined, is: string): string {
  if (kind !== "kernel-parameters") return "";
  const before = new Set(was?.split(/\s+/).filter((word) => word !== ""));
  const after = new Set(is.split(/\s+/).filter((word) => word !== ""));
  const changed = [
    ...[...before].filter((word) => !after.has(word)).map((word) => `-${word}`),
    ...[...after].filter((word) => !before.has(word)).map((word) => `+${word}`),
  ];
  return changed.length === 0 ? "" : ` (${changed.join(" ")})`;
}

function textsBelow(system: SystemObject, directory: string): string {
  const names = system.list(directory) ?? [];
  return JSON.stringify(names.map((name) => [name, system.read(`${directory}/${name}`)]));
}

/** The settings that a system makes when it starts. */
function sysctlsOf(system: SystemObject): ReadonlySet<string> {
  const keys = new Set<string>();
  for (const name of system.list("/etc/sysctl.d") ?? []) {
    for (const line of (system.read(`/etc/sysctl.d/${name}`) ?? "").split("\n")) {
      const key = /^\s*-?([^#;=\s][^=]*?)\s*=/.exec(line)?.[1];
      if (key !== undefined) keys.add(key);
    }
  }
  return keys;
}
