/** What deployments from this machine have left to do: rollouts that have not ended, and hosts that wait. */

import { systemClock } from "../base/clock.ts";
import { PendingHosts } from "../fleet/rollout/pending.ts";
import { openRolloutsOf, type RolloutState } from "../fleet/rollout/rollout-journal.ts";
import type { Operator } from "../machine/transaction.ts";
import { renderCount } from "../base/quantities.ts";

interface OpenRollout {
  readonly id: string;
  readonly beganAt: string;
  readonly operator: Operator;
  readonly isRunning: boolean;
  readonly hosts: number;
  /** Hosts with an outcome, and those that were begun without one. */
  readonly done: number;
  readonly begun: number;
}

interface OpenWork {
  readonly rollouts: readonly OpenRollout[];
  readonly pending: readonly { readonly host: string; readonly since: string; readonly until: string }[];
}

/** What is left to do of a fleet. */
export async function openWorkOf(fleet: string): Promise<OpenWork> {
  const pending = new PendingHosts(fleet, systemClock);
  const open = await openRolloutsOf(fleet);
  const waiting = (await pending.list()).filter((entry) => !pending.isOver(entry));
  return {
    rollouts: open.map(openRollout),
    pending: waiting.map(({ approved, since, until }) => ({ host: approved.host.name, since, until })),
  };
}

export function openRollout({ rollout, outcomes, begun, beganAt, isRunning }: RolloutState): OpenRollout {
  const { id, operator, hosts } = rollout;
  const open = [...begun].filter((name) => !outcomes.has(name)).length;
  return { id, beganAt, operator, isRunning, hosts: hosts.length, done: outcomes.size, begun: open };
}

/** A line for each, with what goes on with it. */
export function describeOpenWork({ rollouts, pending }: OpenWork): string[] {
  const waiting = pending.map(
    ({ host, since, until }) =>
      `${host}: pending since ${minuteOf(since)}, until ${minuteOf(until)} (pristine converge)`,
  );
  return [...rollouts.map(describeRollout), ...waiting];
}

/** One line about a rollout that has not ended. */
export function describeRollout(rollout: OpenRollout): string {
  const { user, host, pid } = rollout.operator;
  const progress = `${rollout.done} of ${renderCount(rollout.hosts, "host")} done, ${rollout.begun} begun`;
  const who = rollout.isRunning
    ? `${user}@${host} (process ${pid}) is at work on it`
    : `interrupted; 'pristine deploy --resume ${rollout.id}' goes on`;
  return `rollout ${rollout.id} of ${minuteOf(rollout.beganAt)}: ${progress}; ${who}`;
}

function minuteOf(date: string): string {
  return date.slice(0, 16).replace("T", " ");
}
