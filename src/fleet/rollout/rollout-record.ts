/** A rollout as data: what was approved for each host, and in which order it comes. */

import { randomBytes } from "node:crypto";
import { invariant, OperationError } from "../../base/errors.ts";
import { defaultGeneration } from "../../machine/generation.ts";
import type { HealthCheck } from "../../machine/health-check.ts";
import type { Hook } from "../../machine/hook.ts";
import type { WantedProfile } from "../../machine/profile.ts";
import type { Operator, Receipt, TransactionGoal, TransactionPlan } from "../../machine/transaction.ts";
import type { HostInventory } from "../inventory.ts";
import type { FleetPlan, HostPlan } from "../plan.ts";
import { type RolloutPolicy, wavesOf } from "./policy.ts";

/** What is approved for one host: all that deploying it takes, without evaluating or building anything again. */
export interface ApprovedHost {
  readonly host: HostInventory;
  /** The full store paths of the kit and of the system; no system was made for a host that cannot take it. */
  readonly kit?: string;
  readonly system?: string;
  /** The system it was planned against; absent for a host that was not reached then. */
  readonly previous?: string;
  /** The generation that the host booted by default then. */
  readonly generation?: number;
  readonly isUnchanged: boolean;
  /** What its profiles are to be; absent where they stay as they are. */
  readonly profiles?: readonly WantedProfile[];
  /** The system is on the host, and not in the store of who planned. */
  readonly isOnHost?: true;
  readonly healthChecks: readonly HealthCheck[];
  /** Those of the previous system, for the way back. */
  readonly previousHealthChecks: readonly HealthCheck[];
  /** The host's own, of the system and of the previous one. */
  readonly hooks?: readonly Hook[];
  readonly previousHooks?: readonly Hook[];
}

/** A plan as it was approved, before anybody executes it. */
export interface ApprovedPlan {
  readonly version: 1;
  readonly fleet: string;
  readonly goal: TransactionGoal;
  /** Goal `temporary`: how long. */
  readonly temporarySeconds?: number;
  /** Why, for the hosts' records. */
  readonly reason: string;
  readonly planHash: string;
  readonly policy: Omit<RolloutPolicy, "waves" | "canaries">;
  readonly waves: readonly (readonly string[])[];
  readonly hosts: readonly ApprovedHost[];
  /** The deployer's, of the fleet as a whole. */
  readonly hooks?: readonly Hook[];
  /** Whether hosts may be taken over that have another name, or are another fleet's. */
  readonly adopt: boolean;
  /** What was found wrong with hosts: nothing is done to them. */
  readonly refused: readonly Refusal[];
}

interface Refusal {
  readonly host: string;
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  /** It could not be evaluated or built. */
  readonly isUnmade?: true;
}

/** A plan that somebody executes. */
export interface RolloutRecord extends ApprovedPlan {
  /** Unique; part of every transaction's id. */
  readonly id: string;
  readonly operator: Operator;
  readonly ignoreInhibitors: boolean;
}

/** What is approved of a plan. */
export function approvedPlan(
  plan: FleetPlan,
  options: {
    readonly fleet: string;
    readonly reason: string;
    readonly policy: RolloutPolicy;
    readonly adopt: boolean;
    readonly temporarySeconds?: number | undefined;
    /** Of the fleet as a whole. */
    readonly hooks: readonly Hook[];
    /** The full store path of the kit for a host. */
    readonly kitOf: (host: HostInventory) => string | undefined;
  },
): ApprovedPlan {
  const { fleet, reason, policy, adopt, hooks, temporarySeconds, kitOf } = options;
  const { waves: _waves, canaries: _canaries, ...kept } = policy;
  const members = plan.hosts.map(({ host }) => host);
  return {
    version: 1,
    fleet,
    goal: plan.goal,
    ...(temporarySeconds === undefined ? {} : { temporarySeconds }),
    reason,
    planHash: plan.hash,
    policy: kept,
    waves: wavesOf(members, policy).map((wave) => wave.map(({ name }) => name)),
    hosts: plan.hosts.map((host) => approvedHost(host, kitOf(host.host))),
    hooks,
    adopt,
    refused: plan.hosts.flatMap(({ host, error, isUnmade }) =>
      error === undefined ? [] : [{ ...refusal(host.name, error), ...(isUnmade && { isUnmade }) }],
    ),
  };
}

/** Throws when more hosts could not be evaluated or built than may fail: nobody has said to go on without them. */
export function requireComplete(plan: ApprovedPlan): void {
  const error = incompleteness(plan);
  if (error !== undefined) throw error;
}

/** Why a plan is not executed although nothing is wrong with the fleet. */
export function incompleteness({ hosts, policy, refused }: ApprovedPlan): OperationError | undefined {
  const unmade = refused.filter(({ isUnmade }) => isUnmade === true);
  if (policy.onFailure === "continue" || unmade.length <= policy.failuresMax) return undefined;
  const names = unmade.map(({ host }) => host).join(", ");
  const of = `${unmade.length} of ${hosts.length} hosts`;
  return new OperationError("FLEET_INCOMPLETE", `${of} cannot be evaluated or built: ${names}`, {
    hint: `nothing was touched: mend them, leave them out, or go on without them by --on-failure continue or --max-failures ${unmade.length}`,
  });
}

function approvedHost(plan: HostPlan, kit: string | undefined): ApprovedHost {
  const { host, system, previous, facts, healthChecks, hooks, state } = plan;
  const generation = defaultGeneration(facts?.generations ?? []);
  return {
    host,
    ...(kit === undefined ? {} : { kit }),
    ...(system === undefined ? {} : { system }),
    ...(previous === undefined ? {} : { previous }),
    ...(generation === undefined ? {} : { generation }),
    isUnchanged: state === "unchanged",
    ...(plan.profiles === undefined ? {} : { profiles: plan.profiles }),
    ...(plan.isOnHost === true ? { isOnHost: true as const } : {}),
    healthChecks,
    previousHealthChecks: plan.old?.meta?.healthChecks ?? [],
    hooks,
    previousHooks: plan.old?.meta?.hooks ?? [],
  };
}

/** What was found wrong with a host, as data. */
export function refusal(host: string, { code, message, hint }: OperationError): Refusal {
  return { host, code, message, ...(hint === undefined ? {} : { hint }) };
}

/** What was found wrong with a host, as the error that it was. */
export function refusalOf(plan: ApprovedPlan, host: string): OperationError | undefined {
  const refusal = plan.refused.find((one) => one.host === host);
  return refusal && new OperationError(refusal.code, refusal.message, { hint: refusal.hint });
}

/** Whether a host stays refused, whatever is found now: nothing was made for it when it was planned. */
export function isWithoutSystem(plan: Pick<ApprovedPlan, "hosts">, name: string): boolean {
  return plan.hosts.some(({ host, system }) => host.name === name && system === undefined);
}

/** The id of the transaction by which a rollout reaches a host, and of the one that takes it back. */
export function transactionId(rollout: Pick<RolloutRecord, "id">, host: string, direction: "forth" | "back"): string {
  return `${rollout.id}${direction === "back" ? "-back" : ""}-${host}`.slice(0, TRANSACTION_ID_CHARS_MAX);
}

/** The transaction by which a rollout reaches a host. */
export function transactionPlan(
  entry: Omit<ApprovedHost, "kit" | "isUnchanged" | "isOnHost" | "previousHealthChecks">,
  rollout: PlannedRollout,
): TransactionPlan {
  const { host, system, previous, generation, healthChecks, hooks, profiles } = entry;
  invariant(system !== undefined, `there is no system to deploy to ${host.name}`);
  return {
    version: 1,
    id: transactionId(rollout, host.name, "forth"),
    goal: rollout.goal,
    host: host.name,
    system,
    ...(previous === undefined ? {} : { expectedPrevious: previous }),
    ...(generation === undefined ? {} : { expectedGeneration: generation }),
    planHash: rollout.planHash,
    operator: rollout.operator,
    reason: rollout.reason,
    ...(rollout.temporarySeconds === undefined ? {} : { temporarySeconds: rollout.temporarySeconds }),
    confirmTimeoutSeconds: host.confirmTimeoutSeconds,
    keepGenerations: host.keepGenerations,
    healthChecks,
    ...(hooks === undefined || hooks.length === 0 ? {} : { hooks }),
    ...(rollout.ignoreInhibitors ? { ignoreInhibitors: true } : {}),
    ...(profiles === undefined ? {} : { profiles }),
  };
}

/** What a host's plan has of the whole. */
type PlannedRollout = Pick<
  RolloutRecord,
  "id" | "goal" | "planHash" | "operator" | "reason" | "temporarySeconds" | "ignoreInhibitors"
>;

/** Whoever has brought the host of these receipts something since a rollout was approved, as a sentence. */
export function laterDeployment(receipts: readonly Receipt[], rollout: Pick<RolloutRecord, "id">): string | undefined {
  // Both times are of deployers: the clocks of hosts may be wrong.
  const since = TIME_OF_ID.exec(rollout.id)?.[0];
  const isLater = ({ id, outcome }: Receipt): boolean => {
    const at = TIME_OF_ID.exec(id)?.[0];
    if (outcome !== "confirmed" || at === undefined || since === undefined || id.startsWith(`${rollout.id}-`))
      return false;
    // Of two of one second nobody knows which was the later: what is confirmed stays.
    return at >= since;
  };
  const later = receipts.find(isLater);
  return later && `${later.operator.user}@${later.operator.host} has deployed to it since (${later.planReason})`;
}

/** A name for what is approved at a time. */
export function newRolloutId(now: Date): string {
  return `${now.toISOString().replace(/[-:]/g, "").slice(0, 15)}-${randomBytes(3).toString("hex")}`;
}

/** When a rollout was approved, as its id and those of its transactions begin. */
const TIME_OF_ID = /^\d{8}T\d{6}(?=-)/;
const TRANSACTION_ID_CHARS_MAX = 64;
