/**
 * What a switch has to do to units: from the definitions of two systems and the units that are active now.
 *
 * The rules and the `X-` keys are NixOS's. Three things are added, because here `/usr` and not the unit names a
 * program: a unit whose running program left the system counts as changed, a unit that nothing wants any more is
 * stopped although its package still ships the file, and a changed socket or path unit is restarted together with the
 * service behind it.
 */

import {
  compareUnits,
  templateOf,
  unitFlag,
  unitTypeOf,
  unitValues,
  type UnitComparison,
  type UnitDefinition,
} from "./unit-file.ts";
import type { SystemBase } from "./system-object.ts";
import { activeUnits, type UnitChange, type UnitPlan, type UnitState } from "./unit-plan.ts";

/** The unit files of one system. */
export interface UnitSource {
  unit(name: string): UnitDefinition | undefined;
  unitNames(): readonly string[];
  wanted(): ReadonlyMap<string, ReadonlySet<string>>;
  /** Where this is `foreign`, targets are the host's own. */
  readonly base?: SystemBase | undefined;
  /** Where the programs that a unit starts really lie. */
  programs(unit: UnitDefinition): readonly string[];
  /** What the message bus reads: its services and who may own and call what, each with where it lies. */
  busFiles(): readonly string[];
}

export interface UnitDiffInput {
  /** What was fully activated last; after an interruption also what may have been activated in part. */
  readonly old: readonly UnitSource[];
  readonly next: UnitSource;
  readonly states: readonly UnitState[];
  /** Units whose processes run programs or libraries that the new system no longer has. */
  readonly stale?: ReadonlySet<string>;
  /**
   * Units to treat as active although they are not: those an interrupted switch has stopped already. They are
   * started when the new system has them.
   */
  readonly alsoActive?: ReadonlySet<string>;
}

/** Never touched: sessions, what systemd makes itself, the units that carry a transaction, a check that is being run. */
const UNTOUCHED =
  /^(?:session-.*\.scope|user(?:-runtime-dir)?@.*\.service|init\.scope|-\.(?:mount|slice)|pristine-(?:transaction|rollback|revert|deadline|expiry)\..*|pristine-check-.*\.service)$/;

/** What a mount is of: a remount would change none of these, and say nothing. */
const MOUNTED_KEYS: readonly string[] = ["What", "Type"];

/** Mounts whose loss would take the host down. */
const ESSENTIAL_MOUNTS = new Set([
  "nix.mount",
  "nix-store.mount",
  "persist.mount",
  "run.mount",
  "tmp.mount",
  "usr.mount",
]);

/**
 * Restarted in one go unless their unit says otherwise: with these stopped while an executor dies, nobody could reach
 * the host, or services would lose where they log to.
 */
const KEPT_UP = new Set([
  "ssh.service",
  "sshd.service",
  "systemd-journald.service",
  "systemd-logind.service",
  "systemd-networkd.service",
  "systemd-resolved.service",
  "systemd-udevd.service",
]);

/** The message bus: a restart breaks every session and service on it, and what it reads it reads anew when told to. */
const MESSAGE_BUS = new Set(["dbus.service", "dbus-broker.service"]);

class PlanBuilder {
  readonly stop = new Set<string>();
  readonly reload = new Set<string>();
  readonly restart = new Set<string>();
  readonly start = new Set<string>();
  readonly targets = new Set<string>();
  readonly skipped = new Set<string>();
  readonly changes: UnitChange[] = [];

  note(unit: string, action: UnitChange["action"], reason: string): void {
    this.changes.push({ unit, action, reason });
  }

  skip(unit: string, reason: string): void {
    this.skipped.add(unit);
    this.note(unit, "skip", reason);
  }

  build(): UnitPlan {
    const sorted = (units: ReadonlySet<string>): string[] => [...units].sort();
    return {
      stop: sorted(this.stop),
      // What is restarted or stopped anyway is not reloaded as well.
      reload: sorted(this.reload).filter((unit) => !this.stop.has(unit) && !this.restart.has(unit)),
      restart: sorted(this.restart).filter((unit) => !this.stop.has(unit)),
      start: sorted(this.start),
      targets: sorted(this.targets),
      skipped: sorted(this.skipped),
      changes: this.changes.toSorted((one, other) => (one.unit < other.unit ? -1 : 1)),
    };
  }
}

export function diffUnits(input: UnitDiffInput): UnitPlan {
  const { old, next, stale = new Set<string>(), alsoActive = new Set<string>() } = input;
  const plan = new PlanBuilder();
  const active = activeUnits(input.states);
  const running = new Set(input.states.filter((state) => state.subState === "running").map(({ name }) => name));
  const isUnneeded = unneededIn(old, next);

  for (const name of [...alsoActive].sort()) {
    if (active.has(name) || UNTOUCHED.test(name)) continue;
    const definition = next.unit(name);
    if (definition === undefined || definition.isMasked || !mayBeStarted(definition)) continue;
    if (unitTypeOf(name) === "target") plan.targets.add(name);
    else {
      plan.start.add(name);
      plan.note(name, "start", "was active before");
    }
  }

  for (const name of [...active].sort()) {
    if (UNTOUCHED.test(name) || isConnectionInstance(next, name)) continue;
    const before = old.map((source) => source.unit(name)).filter((unit) => unit !== undefined);
    const after = next.unit(name);
    if (before.length === 0 && after === undefined) continue;
    if (after === undefined || after.isMasked) {
      if (before[0] !== undefined) stopRemoved(plan, before[0], after === undefined ? "removed" : "masked");
      continue;
    }
    const type = unitTypeOf(name);
    if (type === "target") {
      planTarget(plan, after);
      continue;
    }
    if (isUnneeded(name)) {
      stopRemoved(plan, before[0] ?? after, "no longer wanted");
      continue;
    }
    const isStale = stale.has(name) || (running.has(name) && hasOtherProgram(old, next, name, after));
    planActive(plan, { name, type, before, after, isStale, active, next });
    if (MESSAGE_BUS.has(name) && old.some((source) => source.busFiles().join() !== next.busFiles().join())) {
      act(plan, "reload", name, "services on the message bus changed");
    }
  }
  if (next.base === "foreign") startWanted(plan, input, active);
  return plan.build();
}

/** To start a target of the host's again would start whatever else is stopped there: what it wants of ours is named. */
function startWanted(plan: PlanBuilder, { old, next }: UnitDiffInput, active: ReadonlySet<string>): void {
  for (const [name, by] of next.wanted()) {
    const unit = next.unit(name);
    if (unit === undefined || unit.isMasked || active.has(name) || plan.start.has(name)) continue;
    if (!mayBeStarted(unit) || ![...by].some((target) => active.has(target))) continue;
    const isOneshot = unitValues(unit, "Service", "Type").at(-1) === "oneshot";
    const isKnown = old.some((source) => {
      const before = source.unit(name);
      return before !== undefined && source.wanted().has(name) && compareUnits(before, unit).kind === "same";
    });
    // What does its work once has done it.
    if (isOneshot && isKnown) continue;
    plan.start.add(name);
    plan.note(name, "start", isKnown ? "does not run" : "wanted by the system now");
  }
}

/** Whether a running service's program lies elsewhere in the new system, as after an upgrade of its package. */
function hasOtherProgram(old: readonly UnitSource[], next: UnitSource, name: string, after: UnitDefinition): boolean {
  if (unitTypeOf(name) !== "service") return false;
  const programs = next.programs(after);
  return old.some((source) => {
    const before = source.unit(name);
    return before !== undefined && source.programs(before).some((program, i) => program !== programs[i]);
  });
}

function stopRemoved(plan: PlanBuilder, unit: UnitDefinition, reason: string): void {
  if (!unitFlag(unit, "X-StopOnRemoval", true)) plan.skip(unit.name, `${reason}, X-StopOnRemoval=false`);
  else if (unitFlag(unit, "RefuseManualStop", false)) plan.skip(unit.name, `${reason}, refuses to be stopped`);
  else if (ESSENTIAL_MOUNTS.has(unit.name)) plan.skip(unit.name, `${reason}, the host needs it`);
  else {
    plan.stop.add(unit.name);
    plan.note(unit.name, "stop", reason);
  }
}

function mayBeStarted(unit: UnitDefinition): boolean {
  return !unitFlag(unit, "RefuseManualStart", false) && !unitFlag(unit, "X-OnlyManualStart", false);
}

/** Targets are never restarted, but started again, so that what they newly want comes up. */
function planTarget(plan: PlanBuilder, after: UnitDefinition): void {
  if (unitFlag(after, "X-StopOnReconfiguration", false)) {
    plan.stop.add(after.name);
    plan.note(after.name, "stop", "X-StopOnReconfiguration");
  }
  if (mayBeStarted(after)) plan.targets.add(after.name);
}

interface ActiveUnit {
  readonly name: string;
  readonly type: string;
  readonly before: readonly UnitDefinition[];
  readonly after: UnitDefinition;
  readonly isStale: boolean;
  readonly active: ReadonlySet<string>;
  readonly next: UnitSource;
}

function planActive(plan: PlanBuilder, unit: ActiveUnit): void {
  const { name, type, before, after } = unit;
  const comparison = before.length === 0 ? undefined : worstOf(before.map((unit) => compareUnits(unit, after)));
  const isSame = comparison?.kind === "same";
  if (isSame && !unit.isStale) return;
  const keys = comparison === undefined || comparison.kind === "same" ? [] : comparison.keys;
  const reason =
    comparison === undefined
      ? "defined by the system now"
      : isSame
        ? "runs a program or library that is replaced"
        : `${keys.slice(0, 4).join(", ")}${keys.length > 4 ? ", …" : ""} changed`;

  switch (type) {
    case "mount":
      if (ESSENTIAL_MOUNTS.has(name)) plan.skip(name, `${reason}, the host needs it`);
      else act(plan, keys.some((key) => MOUNTED_KEYS.includes(key)) ? "restart" : "reload", name, reason);
      return;
    case "service":
      planService(plan, unit, comparison?.kind === "reload" && !unit.isStale, reason);
      return;
    case "timer":
      act(plan, "restart", name, reason);
      return;
    case "socket":
    case "path":
      planTrigger(plan, unit, reason);
      return;
    default:
      // Slices follow the manager's reload; automounts and swaps keep what they have until a reboot.
      if (type !== "slice") plan.skip(name, `${reason}, takes effect after a reboot`);
  }
}

function worstOf(comparisons: readonly UnitComparison[]): UnitComparison {
  return (
    comparisons.find(({ kind }) => kind === "restart") ??
    comparisons.find(({ kind }) => kind === "reload") ?? { kind: "same" }
  );
}

function act(plan: PlanBuilder, action: "reload" | "restart", name: string, reason: string): void {
  plan[action].add(name);
  plan.note(name, action, reason);
}

function planService(plan: PlanBuilder, unit: ActiveUnit, isReloadEnough: boolean, reason: string): void {
  const { name, after } = unit;
  const canReload =
    unitValues(after, "Service", "ExecReload").length > 0 ||
    unitValues(after, "Service", "Type").at(-1) === "notify-reload";
  if ((isReloadEnough || unitFlag(after, "X-ReloadIfChanged", false)) && canReload) {
    act(plan, "reload", name, reason);
  } else if (!unitFlag(after, "X-RestartIfChanged", true)) {
    plan.skip(name, `${reason}, X-RestartIfChanged=false`);
  } else if (unitFlag(after, "RefuseManualStop", false) || unitFlag(after, "X-OnlyManualStart", false)) {
    plan.skip(name, `${reason}, refuses to be restarted`);
  } else if (MESSAGE_BUS.has(name)) {
    plan.skip(name, `${reason}, takes effect after a reboot`);
  } else if (unitFlag(after, "X-StopIfChanged", !KEPT_UP.has(name))) {
    plan.stop.add(name);
    plan.note(name, "restart", reason);
    const sockets = activeSocketsOf(unit);
    for (const socket of sockets) {
      plan.stop.add(socket);
      plan.start.add(socket);
    }
    if (sockets.length === 0 && mayBeStarted(after)) plan.start.add(name);
  } else {
    act(plan, "restart", name, reason);
  }
}

/** Sockets that start this service: with them stopped too, no connection is taken by half a service. */
function activeSocketsOf({ name, after, active, next }: ActiveUnit): string[] {
  if (unitFlag(after, "X-NotSocketActivated", false)) return [];
  const named = unitValues(after, "Service", "Sockets").flatMap((value) => value.split(/\s+/));
  const candidates = named.length > 0 ? named : [`${name.slice(0, -".service".length)}.socket`];
  return candidates.filter((socket) => {
    const definition = next.unit(socket);
    return active.has(socket) && definition !== undefined && !definition.isMasked;
  });
}

/** A changed socket or path unit is restarted with the service it activates, which holds its descriptors. */
function planTrigger(plan: PlanBuilder, unit: ActiveUnit, reason: string): void {
  const { name, type, after, active, next } = unit;
  if (!unitFlag(after, "X-RestartIfChanged", true) || unitFlag(after, "RefuseManualStop", false)) {
    plan.skip(name, `${reason}, refuses to be restarted`);
    return;
  }
  const section = type === "socket" ? "Socket" : "Path";
  const key = type === "socket" ? "Service" : "Unit";
  const service = unitValues(after, section, key).at(-1) ?? `${name.slice(0, name.lastIndexOf("."))}.service`;
  const definition = next.unit(service);
  if (KEPT_UP.has(service) || (definition !== undefined && unitFlag(definition, "RefuseManualStop", false))) {
    plan.skip(name, `${reason}, takes effect after a reboot`);
    return;
  }
  plan.stop.add(name);
  plan.start.add(name);
  plan.note(name, "restart", reason);
  if (type === "socket" && active.has(service) && definition !== undefined) plan.stop.add(service);
}

/** Instances of a service that a socket starts per connection belong to that connection. */
function isConnectionInstance(next: UnitSource, name: string): boolean {
  const template = templateOf(name);
  if (template === undefined || !template.endsWith("@.service")) return false;
  const socket = next.unit(template.replace("@.service", ".socket"));
  return socket !== undefined && unitValues(socket, "Socket", "Accept").at(-1)?.toLowerCase() === "yes";
}

const PULLING_KEYS = ["Wants", "Requires", "BindsTo", "Upholds"];

/**
 * Tells units that an old `.wants` directory pulled in and that nothing in the new system does: not a directory, not
 * another unit, not a socket, timer or path.
 */
function unneededIn(old: readonly UnitSource[], next: UnitSource): (name: string) => boolean {
  let wantedBefore: ReadonlyMap<string, unknown>[] | undefined;
  let wantedAfter: ReadonlyMap<string, unknown> | undefined;
  let pulled: Set<string> | undefined;
  return (name) => {
    if (!["service", "socket", "timer", "path", "mount"].includes(unitTypeOf(name))) return false;
    wantedBefore ??= old.map((source) => source.wanted());
    if (!wantedBefore.some((wanted) => wanted.has(name))) return false;
    wantedAfter ??= next.wanted();
    if (wantedAfter.has(name)) return false;
    pulled ??= pulledIn(next, wantedAfter);
    return !pulled.has(name);
  };
}

/** Every unit that some unit of the system that may itself run pulls in or triggers. */
function pulledIn(next: UnitSource, wanted: ReadonlyMap<string, unknown>): Set<string> {
  const pulled = new Set<string>();
  for (const name of next.unitNames()) {
    const unit = next.unit(name);
    if (unit === undefined || unit.isMasked) continue;
    for (const key of PULLING_KEYS) {
      for (const value of unitValues(unit, "Unit", key)) {
        for (const target of value.split(/\s+/)) pulled.add(target);
      }
    }
    // A trigger that nothing wants triggers nothing.
    const type = unitTypeOf(name);
    if (!wanted.has(name)) continue;
    const stem = name.slice(0, name.lastIndexOf("."));
    if (type === "socket") pulled.add(unitValues(unit, "Socket", "Service").at(-1) ?? `${stem}.service`);
    if (type === "timer") pulled.add(unitValues(unit, "Timer", "Unit").at(-1) ?? `${stem}.service`);
    if (type === "path") pulled.add(unitValues(unit, "Path", "Unit").at(-1) ?? `${stem}.service`);
    for (const value of unitValues(unit, "Service", "Sockets")) {
      for (const socket of value.split(/\s+/)) pulled.add(socket);
    }
  }
  return pulled;
}
