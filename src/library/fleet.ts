/**
 * The library, `pristine-fleet`: plan, deploy and status of a fleet for programs, as the commands of the same names do them.
 *
 * What is wrong with the fleet or this machine rejects: an `OperationError` with a stable `code` (docs/manual/errors.md),
 * or the diagnostic of an evaluation, which has one as well. What is wrong with one host is that host's part of the
 * answer, and never rejects; hosts that cannot be evaluated or built keep `deploy` from beginning (`FLEET_INCOMPLETE`)
 * unless failures are to be passed over. Times are seconds, sizes bytes, points in time ISO 8601 in UTC, store paths full paths.
 */

import { resolve } from "node:path";
import { createColors } from "picocolors";
import { OperationError } from "../base/errors.ts";
import { approvedOf, makePlan, type PlanFlags, type RolloutFlags, wholeFleetOf } from "../cli/deploy-flow.ts";
import { beginRollout, runRollout } from "../cli/rollout-flow.ts";
import { Progress } from "../cli/render/progress.ts";
import type { Session } from "../cli/session.ts";
import { withStatuses } from "../cli/status-flow.ts";
import type { HostOutcome } from "../fleet/outcome.ts";
import type { FleetPlan } from "../fleet/plan.ts";
import type { FailurePolicy } from "../fleet/rollout/policy.ts";
import { requireComplete } from "../fleet/rollout/rollout-record.ts";
import { SudoPassword } from "../fleet/privilege.ts";
import type { HostStatus } from "../fleet/status.ts";
import type { TransactionGoal } from "../machine/transaction.ts";

export { OperationError } from "../base/errors.ts";
export { isAsWanted } from "../fleet/outcome.ts";
export { diffEtcFile } from "../machine/system-diff.ts";
export type { HostOutcome, HostResult } from "../fleet/outcome.ts";
export type { FleetPlan, HostPlan } from "../fleet/plan.ts";
export type { FailurePolicy } from "../fleet/rollout/policy.ts";
export type { HostStatus } from "../fleet/status.ts";
export type { Drift, HostFacts } from "../machine/facts.ts";
export type { SystemDiff } from "../machine/system-diff.ts";
export type { Receipt, TransactionGoal } from "../machine/transaction.ts";

export interface FleetOptions {
  /** The fleet file; `fleet.nix` in the current directory by default. */
  readonly fleetFile?: string;
  /** The local store, as `--store` takes it; `auto` by default. */
  readonly store?: string;
  /** An OpenSSH configuration to use instead of the user's. */
  readonly sshConfig?: string;
  /** A lab on this machine, by its name, whose hosts stand for the real ones. */
  readonly lab?: string;
  /** Asked once for the password of hosts whose sudo wants one; absent, or answering undefined, these hosts fail. */
  readonly sudoPassword?: (question: string) => Promise<string | undefined>;
  /** Ends what has not begun on a host; what has begun is watched to its end. */
  readonly signal?: AbortSignal;
  /** Told what is going on, in lines as people read them. */
  readonly onProgress?: (line: string) => void;
}

export interface HostsRequest {
  /** Names, globs and `@tags`; all hosts by default. A pattern that fits none rejects with `HOST_UNKNOWN`. */
  readonly hosts?: readonly string[];
}

export interface PlanRequest extends HostsRequest {
  /** `switch` by default. */
  readonly goal?: Exclude<TransactionGoal, "temporary">;
  /** How many hosts are worked on at a time; as the fleet declares it, else 10. */
  readonly concurrencyMax?: number;
  /** Take over hosts that were deployed under another name or by another fleet. */
  readonly adopt?: boolean;
  /** How long hosts that are not reached wait for what they should get; 0 for not at all. */
  readonly pendingSeconds?: number;
}

/** What is absent is as the fleet declares it (`meta.rollout`). */
export interface DeployRequest extends PlanRequest {
  /** Let the systems run for so long only; takes the place of `goal`. */
  readonly temporarySeconds?: number;
  /** How long a host waits for its confirmation before it returns. */
  readonly confirmTimeoutSeconds?: number;
  /** The hosts of each wave as patterns; what fits none comes last. */
  readonly waves?: readonly string[];
  readonly canaries?: number;
  readonly pauseSeconds?: number;
  readonly failuresMax?: number;
  readonly onFailure?: FailurePolicy;
  /** Go on although switch inhibitors differ. */
  readonly ignoreInhibitors?: boolean;
  /** Asked before anything is changed. Unless it answers true, `deploy` rejects with `NOT_APPROVED`; absent, it approves. */
  readonly approve?: (plan: FleetPlan) => boolean | Promise<boolean>;
  /** Stops watching hosts that have begun: they are confirmed or go back by themselves. */
  readonly abandon?: AbortSignal;
}

export interface Deployment {
  /** What was approved. */
  readonly plan: FleetPlan;
  /** The id of the rollout, as `pristine deploy --resume` takes it. */
  readonly rollout: string;
  /** One for each host, in the order of the waves. */
  readonly outcomes: readonly HostOutcome[];
}

export interface StatusRequest extends HostsRequest {
  /** Whether the health checks are run; they are by default. */
  readonly health?: boolean;
}

export interface Fleet {
  /** What a deployment would do. Changes nothing on hosts, but that the host kit is placed in their stores. */
  plan(request?: PlanRequest): Promise<FleetPlan>;
  /** Makes the hosts what the fleet declares; journalled as by the command, which can resume it. */
  deploy(request?: DeployRequest): Promise<Deployment>;
  /** How hosts are, and whether they are as declared. */
  status(request?: StatusRequest): Promise<readonly HostStatus[]>;
}

/** A fleet by its file, which is read and evaluated anew by each call: nothing is kept open in between. */
export function openFleet(options: FleetOptions = {}): Fleet {
  const session = sessionOf(options);
  return {
    plan: (request = {}) => makePlan(session, request.hosts ?? [], flagsOf(request), (plan) => Promise.resolve(plan)),
    async deploy(request = {}) {
      const flags = flagsOf(request);
      return await makePlan(session, request.hosts ?? [], flags, async (plan, sessions, context) => {
        const approved = approvedOf(plan, context, flags, "deploy");
        requireComplete(approved);
        if (request.approve !== undefined && !(await request.approve(plan))) {
          throw new OperationError("NOT_APPROVED", "the plan was not approved; nothing was changed");
        }
        const rollout = beginRollout(approved, request);
        const outcomes = await runRollout(session, rollout, {
          sessions,
          store: context.store,
          wholeFleet: wholeFleetOf(context),
          abandon: request.abandon ?? new AbortController().signal,
        });
        return { plan, rollout: rollout.id, outcomes };
      });
    },
    status: (request = {}) =>
      withStatuses(session, request.hosts ?? [], { on: [], health: request.health ?? true }, (ask) => ask()),
  };
}

/** The options that the commands have, with their texts. */
function flagsOf(request: DeployRequest): PlanFlags & RolloutFlags {
  const text = <K extends string>(key: K, value: number | undefined): { readonly [key in K]?: string } =>
    (value === undefined ? {} : { [key]: String(value) }) as { readonly [key in K]?: string };
  const { temporarySeconds, onFailure, waves, adopt } = request;
  return {
    goal: temporarySeconds === undefined ? (request.goal ?? "switch") : "temporary",
    ...(temporarySeconds === undefined ? {} : { temporarySeconds }),
    ...(onFailure === undefined ? {} : { onFailure }),
    ...(waves === undefined ? {} : { wave: waves }),
    ...(adopt === undefined ? {} : { adopt }),
    ignoreInhibitors: request.ignoreInhibitors,
    ...text("parallel", request.concurrencyMax),
    ...text("confirmTimeout", request.confirmTimeoutSeconds),
    ...text("canaries", request.canaries),
    ...text("pause", request.pauseSeconds),
    ...text("maxFailures", request.failuresMax),
    ...text("pendingFor", request.pendingSeconds),
  };
}

/** What commands work with, without a terminal. */
function sessionOf(options: FleetOptions): Session {
  const { fleetFile = "fleet.nix", store = "auto", lab, sshConfig, onProgress = () => undefined } = options;
  const terminal = { out: () => undefined, err: onProgress, live: false, columns: 100, colors: createColors(false) };
  return {
    options: {
      fleet: fleetFile,
      store,
      json: true,
      verbose: false,
      showCommands: false,
      color: false,
      lab: false,
      labName: lab,
      sshConfig,
      sudoPasswordFile: undefined,
      cache: true,
    },
    fleetFile: resolve(fleetFile),
    terminal,
    progress: new Progress(terminal),
    signal: options.signal ?? new AbortController().signal,
    sudoPassword: new SudoPassword(options.sudoPassword ?? (() => Promise.resolve(undefined))),
  };
}
