/** What hooks are told of a rollout: those of the fleet as a whole, and those of each host. */

import { type HookDisplay, HostHooks, type HooksOf } from "../hooks.ts";
import type { ApprovedHost, RolloutRecord } from "./rollout-record.ts";

/** Hooks of the fleet; where nothing is done to any host there are none. */
export function fleetHooksOf(rollout: RolloutRecord, { display, note }: Pick<HooksOf, "display" | "note">): HooksOf {
  const { fleet, goal, hosts, planHash, reason, refused } = rollout;
  const isRefused = (name: string): boolean => refused.some(({ host }) => host === name);
  const changes =
    goal !== "dry-activate" && hosts.some(({ isUnchanged, host }) => !isUnchanged && !isRefused(host.name));
  return {
    subject: fleet,
    hooks: changes ? (rollout.hooks ?? []) : [],
    facts: {
      PRISTINE_FLEET: fleet,
      PRISTINE_GOAL: goal,
      PRISTINE_HOSTS: hosts.map(({ host }) => host.name).join(" "),
      PRISTINE_PLAN_HASH: planHash,
      PRISTINE_REASON: reason,
    },
    display,
    note,
  };
}

/** Hooks of one host; a rehearsal of an activation has none. */
export function hostHooksOf(
  { host, system, previous }: ApprovedHost,
  rollout: Pick<RolloutRecord, "fleet" | "goal" | "planHash" | "reason">,
  options: {
    readonly display: HookDisplay;
    readonly note: (text: string) => void;
    /** Where the host is reached. */
    readonly address: string | undefined;
    /** Whether an interruption may have left it between its hooks. */
    readonly isOwed: boolean;
  },
): HostHooks {
  return new HostHooks(
    {
      subject: host.name,
      hooks: rollout.goal === "dry-activate" ? [] : (host.hooks ?? []),
      facts: {
        PRISTINE_FLEET: rollout.fleet,
        PRISTINE_HOST: host.name,
        PRISTINE_ADDRESS: options.address,
        PRISTINE_GOAL: rollout.goal,
        PRISTINE_SYSTEM: system,
        PRISTINE_PREVIOUS: previous,
        PRISTINE_PLAN_HASH: rollout.planHash,
        PRISTINE_REASON: rollout.reason,
      },
      display: options.display,
      note: options.note,
    },
    options,
  );
}
