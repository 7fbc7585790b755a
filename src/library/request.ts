/** What can be asked for, and what it means for the fleet as it is declared. */

import { OperationError } from "../base/errors.ts";
import type { HostInventory } from "../fleet/inventory.ts";
import type { FleetPlan } from "../fleet/plan.ts";
import { CAN_WAIT } from "../fleet/rollout/pending.ts";
import { type FailurePolicy, type RolloutPolicy, wavesOf } from "../fleet/rollout/policy.ts";
import { type ApprovedPlan, approvedPlan } from "../fleet/rollout/rollout-record.ts";
import { parsePatterns, selectHosts } from "../fleet/selection.ts";
import type { TransactionGoal } from "../machine/transaction.ts";
import { type FleetContext, kitOf, withUnknown } from "./context.ts";

export interface HostsRequest {
  /** Names, globs and `@tags`; all hosts by default. A pattern that fits none rejects with `HOST_UNKNOWN`. */
  readonly hosts?: readonly string[];
}

/** What is absent is as the fleet declares it (`meta.rollout`). */
export interface PlanRequest extends HostsRequest {
  /** `switch` by default. */
  readonly goal?: Exclude<TransactionGoal, "temporary">;
  /** Let the systems run for so long only; takes the place of `goal`. */
  readonly temporarySeconds?: number;
  /** How many hosts are worked on at a time; as the fleet declares it, else 10. */
  readonly concurrencyMax?: number;
  /** Take over hosts that were deployed under another name or by another fleet. */
  readonly adopt?: boolean;
  /** Go on although switch inhibitors differ. */
  readonly ignoreInhibitors?: boolean;
  /** How long a host waits for its confirmation before it returns; at least 5. */
  readonly confirmTimeoutSeconds?: number;
  /** How long hosts that are not reached wait for what they should get; 0 for not at all. */
  readonly pendingSeconds?: number;
  /** The hosts of each wave as patterns; what fits none comes last. */
  readonly waves?: readonly string[];
  /** How many hosts of the first wave go ahead of it. */
  readonly canaries?: number;
  /** Between waves. */
  readonly pauseSeconds?: number;
  readonly failuresMax?: number;
  readonly onFailure?: FailurePolicy;
}

export const CONCURRENCY_DEFAULT = 10;
const PENDING_SECONDS_DEFAULT = 7 * 24 * 3600;

/** The least that each number may be. */
const LEAST = {
  temporarySeconds: 1,
  concurrencyMax: 1,
  confirmTimeoutSeconds: 5,
  pendingSeconds: 0,
  canaries: 0,
  pauseSeconds: 0,
  failuresMax: 0,
} as const satisfies { [K in keyof PlanRequest]?: number };

/** Refuses numbers that mean nothing, before anything is done. */
export function requireValid(request: PlanRequest): void {
  for (const [name, least] of Object.entries(LEAST)) {
    const value = request[name as keyof typeof LEAST];
    if (value === undefined || (Number.isSafeInteger(value) && value >= least)) continue;
    throw new OperationError("USAGE", `${name} is a whole number from ${least}, not ${value}`);
  }
}

export function goalOf({ goal = "switch", temporarySeconds }: PlanRequest): TransactionGoal {
  return temporarySeconds === undefined ? goal : "temporary";
}

/** Whether a host that is not reached waits for what it is to get. */
export function waitsFor(context: FleetContext, request: PlanRequest): boolean {
  return CAN_WAIT.has(goalOf(request)) && pendingSecondsOf(context, request) > 0;
}

function pendingSecondsOf({ inventory }: FleetContext, { pendingSeconds }: PlanRequest): number {
  return pendingSeconds ?? inventory.rollout.pendingFor ?? PENDING_SECONDS_DEFAULT;
}

/** The waves as declared, or as the request has them. */
export function wavePatterns({ inventory }: FleetContext, request: PlanRequest): readonly (readonly string[])[] {
  const given = request.waves?.map((text) => parsePatterns([text])) ?? [];
  const waves = given.length > 0 ? given : (inventory.rollout.waves ?? []).map((wave) => [wave].flat());
  // A pattern that fits nothing is a mistake, also when other hosts are meant this time.
  for (const patterns of waves) selectHosts(withUnknown(inventory), patterns, inventory.leftOut);
  return waves;
}

/** The hosts with the time for confirming that the request has. */
export function withConfirmTimeout(context: FleetContext, { confirmTimeoutSeconds }: PlanRequest): FleetContext {
  if (confirmTimeoutSeconds === undefined) return context;
  const hosts = context.hosts.map((host): HostInventory => ({ ...host, confirmTimeoutSeconds }));
  return { ...context, hosts };
}

/** What is approved of a plan, with the order that the fleet or the request declares. */
export function approvedOf(plan: FleetPlan, context: FleetContext, request: PlanRequest, reason: string): ApprovedPlan {
  const { name, rollout: declared } = context.inventory;
  const waves = wavePatterns(context, request);
  const canaries = request.canaries ?? declared.canaries ?? 0;
  const isStaged =
    wavesOf(
      plan.hosts.map(({ host }) => host),
      { waves, canaries },
    ).length > 1;
  const failuresMax = request.failuresMax ?? declared.maxFailures ?? 0;
  // Half a fleet is deployed to only when somebody has said so.
  const isIncomplete = plan.hosts.filter(({ isUnmade }) => isUnmade === true).length > failuresMax;
  const policy: RolloutPolicy = {
    waves,
    canaries,
    pauseSeconds: request.pauseSeconds ?? declared.pause ?? 0,
    failuresMax,
    onFailure: request.onFailure ?? declared.onFailure ?? (isStaged || isIncomplete ? "halt" : "continue"),
    concurrencyMax: request.concurrencyMax ?? declared.parallel ?? CONCURRENCY_DEFAULT,
    pendingSeconds: pendingSecondsOf(context, request),
  };
  return approvedPlan(plan, {
    fleet: name,
    reason,
    policy,
    adopt: request.adopt ?? false,
    temporarySeconds: request.temporarySeconds,
    hooks: context.inventory.hooks,
    kitOf: (host) => (host.isUnknown === true ? undefined : kitOf(context, host).outPath),
  });
}
