/** What a switch does to the units of a host: the vocabulary that the diff, the plan, the executor and the receipt share. */

/** One unit as the host's service manager sees it. */
export interface UnitState {
  readonly name: string;
  /** `active`, `reloading`, `inactive`, `failed`, `activating` or `deactivating`. */
  readonly activeState: string;
  /** The finer state, such as `running`, `exited` or `auto-restart`. */
  readonly subState: string;
}

const ACTIVE_STATES = new Set(["active", "activating", "reloading"]);

/** The units that run, or are about to. */
export function activeUnits(states: readonly UnitState[]): Set<string> {
  return new Set(states.filter(({ activeState }) => ACTIVE_STATES.has(activeState)).map(({ name }) => name));
}

/** What happens to one unit, and why, for people. */
export interface UnitChange {
  readonly unit: string;
  readonly action: "start" | "stop" | "restart" | "reload" | "skip";
  readonly reason: string;
}

/**
 * The unit actions of one activation, each list sorted and in the order of the phases: stop (with the old
 * definitions), then after the flip reload, restart and start (with the new ones).
 *
 * A service that is stopped before the flip and started after it stands in both `stop` and `start`.
 */
export interface UnitPlan {
  readonly stop: readonly string[];
  readonly reload: readonly string[];
  readonly restart: readonly string[];
  readonly start: readonly string[];
  /** Active targets of the new system, started by name so that what they newly want comes up. */
  readonly targets: readonly string[];
  /** Units that differ but are left alone (`X-RestartIfChanged=false`, `RefuseManualStop`, essential targets). */
  readonly skipped: readonly string[];
  /** One entry per unit that differs, for people. */
  readonly changes: readonly UnitChange[];
}

export const EMPTY_UNIT_PLAN: UnitPlan = {
  stop: [],
  reload: [],
  restart: [],
  start: [],
  targets: [],
  skipped: [],
  changes: [],
};

/** What becomes of units in all, each named once; a service that is stopped before the flip and started after it is restarted. */
export function unitActions(
  plan: UnitPlan,
): Readonly<Record<"stop" | "restart" | "reload" | "start", readonly string[]>> {
  const again = plan.stop.filter((unit) => plan.start.includes(unit));
  // What comes up because a target newly wants it stands in the changes only.
  const started = plan.changes.filter(({ action }) => action === "start").map(({ unit }) => unit);
  const others = (units: readonly string[]): string[] =>
    [...new Set(units.filter((unit) => !again.includes(unit)))].sort();
  return {
    stop: others(plan.stop),
    restart: [...new Set([...plan.restart, ...again])].sort(),
    reload: plan.reload,
    start: others([...plan.start, ...started]),
  };
}
