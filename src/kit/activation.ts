/**
 * Making a system the running one: the live steps that the way forward and the way back share.
 *
 * Each of them may be repeated at any time and from any state that an interruption leaves.
 */

import { withSecretUnits } from "../machine/secrets.ts";
import type { SystemObject } from "../machine/system-object.ts";
import type { StepName } from "../machine/transaction.ts";
import { diffUnits } from "../machine/unit-diff.ts";
import type { UnitPlan, UnitState } from "../machine/unit-plan.ts";
import { noteDataVersions } from "./data-versions.ts";
import { switchForeign } from "./foreign.ts";
import type { Host, Outcome } from "./host.ts";
import { StepFailure } from "./kit-error.ts";
import { changedSecrets, decryptSecrets, switchSecrets } from "./secrets.ts";
import { flipSystem, markActivated } from "./systems.ts";
import type { TransactionRecord } from "./transaction-record.ts";

const ACTIVATION_TIMEOUT_SECONDS = 300;
const TMPFILES_TIMEOUT_SECONDS = 60;
const HOST_NAME_FILE = "/proc/sys/kernel/hostname";
const LOG_LINES_MAX = 15;
/** `systemd-tmpfiles`: some lines were invalid, or could not be applied; the rest was. */
const TMPFILES_PARTIAL_CODES = [65, 73];
/** When to look whether a unit that came up falls over again. */
const SETTLE_SAMPLES_MS = [150, 350];

/** One direction of a transaction: what may be active now, and what shall be. */
export interface Activation {
  readonly host: Host;
  readonly record: TransactionRecord;
  readonly direction: "forward" | "back";
  readonly from: readonly SystemObject[];
  readonly to: SystemObject;
}

export function activationTimeoutSeconds(record: TransactionRecord): number {
  return record.plan.activationTimeoutSeconds ?? ACTIVATION_TIMEOUT_SECONDS;
}

/** The way to the new system. */
export function forwardActivation(host: Host, record: TransactionRecord): Activation {
  const { previous, partial } = record.facts;
  const from = [previous, ...partial].map((path) => host.system(path));
  return { host, record, direction: "forward", from, to: host.system(record.plan.system) };
}

/** The way back to the recorded previous system. */
export function backActivation(host: Host, record: TransactionRecord): Activation {
  const { previous, partial } = record.facts;
  const to = host.system(previous);
  // Before the flip nothing can run with the new system's definitions.
  const isUnflipped = partial.length === 0 && !record.hasBegun("flip");
  const from = isUnflipped ? [to] : [record.plan.system, ...partial].map((path) => host.system(path));
  return { host, record, direction: "back", from, to };
}

/** Compares units and records the result once, so that a repetition after an interruption does the same. */
export function planUnits(activation: Activation, inherited: readonly string[] = []): UnitPlan {
  const { host, record, direction } = activation;
  const states = host.units.list();
  if (direction === "forward" && record.activeUnits() === undefined) {
    const active = states.filter((state) => state.activeState === "active").map((state) => state.name);
    const units = [...new Set([...active, ...inherited])].sort();
    record.append({ kind: "active-units", units, failed: failedUnits(states) });
  }
  const present = record.unitPlan(direction);
  if (present !== undefined) return present;
  const units = withUsersOfSecrets(activation, computeUnitPlan(activation, states), states);
  record.append({ kind: "units", direction, units });
  return units;
}

/** Adds what has to know of secrets that changed, whose new version is decrypted by now. */
function withUsersOfSecrets(activation: Activation, units: UnitPlan, states: readonly UnitState[]): UnitPlan {
  const { host, from, to, direction, record } = activation;
  try {
    // On the way back they are there, unless somebody has removed them.
    if (direction === "back") decryptSecrets(host, to);
  } catch (error) {
    record.append({ kind: "note", message: error instanceof Error ? error.message : String(error) });
  }
  return withSecretUnits(units, changedSecrets(host, from, to), states, (unit) => to.unit(unit) !== undefined);
}

export function computeUnitPlan(
  activation: Pick<Activation, "host" | "from" | "to"> & { readonly record?: TransactionRecord },
  states: readonly UnitState[],
): UnitPlan {
  const { host, from, to, record } = activation;
  return diffUnits({
    old: from,
    next: to,
    states,
    stale: new Set(host.units.stale(goneFrom(from, to))),
    alsoActive: new Set(record?.activeUnits()),
  });
}

/** Tells packages that the systems left behind have and the other one has not. */
function goneFrom(from: readonly SystemObject[], to: SystemObject): (storePath: string) => boolean {
  const kept = new Set(to.meta?.packages.map((item) => item.path));
  const gone = new Set<string>();
  for (const system of from) {
    for (const { path } of system.meta?.packages ?? []) if (!kept.has(path)) gone.add(path);
  }
  return (storePath) => gone.has(storePath);
}

type LiveStep =
  "stop" | "flip" | "tmpfiles" | "reload-manager" | "reset-failed" | "reload" | "restart" | "start" | "activated";

const LIVE_ACTIONS: Readonly<Record<LiveStep, (activation: Activation, units: UnitPlan) => void>> = {
  stop(activation, units) {
    const { host, record } = activation;
    const outcome = host.units.stop(units.stop, activationTimeoutSeconds(record));
    // A unit that will not stop is killed by systemd; it must not keep the rest from going on.
    if (!outcome.ok) record.append({ kind: "note", message: `stop: ${outcome.message}` });
  },
  flip({ host, from, to, direction }) {
    if (to.base === "foreign") {
      switchForeign(host, { from, to }, { isReturn: direction === "back" });
      return;
    }
    flipSystem(host, to.path);
    switchSecrets(host, from, to);
  },
  tmpfiles({ host, record, to }) {
    setHostName(host, to);
    const command = ["systemd-tmpfiles", "--create", "--remove", "--exclude-prefix=/dev"];
    const { code, stderr } = host.run(command, { timeoutSeconds: TMPFILES_TIMEOUT_SECONDS });
    if (code !== 0 && !TMPFILES_PARTIAL_CODES.includes(code)) {
      record.append({ kind: "note", message: `systemd-tmpfiles failed (${code}): ${lastLineOf(stderr)}` });
    }
    removeCopies(host, to);
  },
  "reload-manager"(activation) {
    const { host, from, to, direction } = activation;
    // Its services may start as soon as systemd knows them.
    if (direction === "forward") noteDataVersions(host, to.path, { isConfirmed: false });
    const isStale = host.units.isManagerStale(goneFrom(from, to));
    require(activation, "reload-manager", isStale ? host.units.reexecuteManager() : host.units.reloadManager());
  },
  "reset-failed"({ host, record }) {
    const outcome = host.units.resetFailed();
    if (!outcome.ok) record.append({ kind: "note", message: `reset-failed: ${outcome.message}` });
  },
  reload(activation, units) {
    const { host, record } = activation;
    // What an interruption has left stopped is started below, with the new definition anyway.
    const active = new Set(
      host.units
        .list()
        .filter((s) => s.activeState === "active")
        .map((s) => s.name),
    );
    const outcome = host.units.reload(
      units.reload.filter((unit) => active.has(unit)),
      activationTimeoutSeconds(record),
    );
    require(activation, "reload", outcome, units.reload);
  },
  restart(activation, units) {
    const { host, record } = activation;
    require(activation, "restart", host.units.restart(units.restart, activationTimeoutSeconds(record)), units.restart);
  },
  start(activation, units) {
    const { host, record } = activation;
    const names = [...units.start, ...units.targets];
    require(activation, "start", host.units.start(names, activationTimeoutSeconds(record)), names);
  },
  activated({ host, to }) {
    markActivated(host, to.path);
  },
};

/** Files of `/etc` that need a mode or an owner which the store cannot give, and what they are copied from. */
const COPIES = "/run/pristine/etc";
const COPIED = "/etc/pristine/copies";

/** What the system does not declare is gone; tmpfiles only makes what is missing. */
function removeCopies(host: Host, system: SystemObject): void {
  const declared = new Set(system.list(COPIED));
  for (const name of host.files.list(COPIES) ?? []) {
    if (!declared.has(name)) host.files.remove(`${COPIES}/${name}`, { durable: false });
  }
}

/** systemd sets the name at boot only. */
function setHostName(host: Host, system: SystemObject): void {
  const name = system.read("/etc/hostname")?.trim();
  if (name === undefined || name === "" || name === host.files.readFile(HOST_NAME_FILE)?.trim()) return;
  host.run([...(host.which("busybox") ?? []), "hostname", name], { timeoutSeconds: 10 });
}

/** Does one live step; `revert-stop` and `stop` are the same thing in two directions. */
export function actLive(activation: Activation, step: StepName, units: UnitPlan): boolean {
  const name = (step.startsWith("revert-") ? step.slice("revert-".length) : step) as LiveStep;
  const action = LIVE_ACTIONS[name] as ((activation: Activation, units: UnitPlan) => void) | undefined;
  action?.(activation, units);
  return action !== undefined;
}

function require(activation: Activation, name: LiveStep, outcome: Outcome, units: readonly string[] = []): void {
  if (outcome.ok) return;
  const { host, direction } = activation;
  const step: StepName = direction === "back" ? `revert-${name}` : name;
  const failed = failedUnits(host.units.list());
  const named = failed.filter((unit) => units.includes(unit));
  const shown = named.length > 0 ? named : failed;
  throw new StepFailure(
    step,
    shown.length > 0 ? "units-failed" : "step-failed",
    shown.length > 0 ? `${shown.join(", ")} failed to ${name}` : outcome.message,
    shown.flatMap((unit) => host.units.log(unit, LOG_LINES_MAX)),
  );
}

/** The services of checks on timers fail when they find something unhealthy, which is told as health. */
const TIMED_CHECK = /^pristine-check-.*\.service$/;

/** Failed units, and those that fail and are restarted again and again. */
export function failedUnits(states: readonly UnitState[]): string[] {
  return states
    .filter((state) => state.activeState === "failed" || state.subState === "auto-restart")
    .filter((state) => !TIMED_CHECK.test(state.name))
    .map((state) => state.name)
    .sort();
}

/** Units that have failed since the activation began, after a moment in which what falls over does so. */
export function newlyFailed(activation: Activation, units: UnitPlan): string[] {
  const { host, record } = activation;
  const before = new Set(record.failedBefore());
  const found = new Set<string>();
  // A system that switches to itself does not say what it has started.
  const isQuiet = record.base !== "nixos" && units.start.length + units.restart.length + units.reload.length === 0;
  for (const pause of isQuiet ? [0] : SETTLE_SAMPLES_MS) {
    if (pause > 0) host.sleepMs(pause);
    for (const unit of failedUnits(host.units.list())) if (!before.has(unit)) found.add(unit);
  }
  return [...found].sort();
}

export function logsOf(host: Host, units: readonly string[]): string[] {
  return units.flatMap((unit) => host.units.log(unit, LOG_LINES_MAX));
}

function lastLineOf(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
