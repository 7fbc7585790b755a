/**
 * The library, `pristine-fleet`: plan, deploy and status of a fleet for programs, as the commands of the same names do them.
 *
 * What is wrong with the fleet or this machine rejects: an `OperationError` with a stable `code` (docs/manual/errors.md),
 * or the diagnostic of an evaluation, which has one as well. What is wrong with one host is that host's part of the
 * answer, and never rejects; hosts that cannot be evaluated or built keep `deploy` from beginning (`FLEET_INCOMPLETE`)
 * unless failures are to be passed over. Times are seconds, sizes bytes, points in time ISO 8601 in UTC, store paths full paths.
 */

import { resolve } from "node:path";
import type { FleetPlan } from "../fleet/plan.ts";
import { SudoPassword } from "../fleet/privilege.ts";
import type { HostStatus } from "../fleet/status.ts";
import { type Deployment, deployHosts } from "./deploy.ts";
import { type Deployer, plainObserver } from "./deployer.ts";
import { withPlan } from "./plan.ts";
import type { PlanRequest } from "./request.ts";
import { type StatusRequest, withStatuses } from "./status.ts";

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
export type { Deployment } from "./deploy.ts";
export type { HostsRequest, PlanRequest } from "./request.ts";
export type { StatusRequest } from "./status.ts";

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

export interface DeployRequest extends PlanRequest {
  /** Asked before anything is changed. Unless it answers true, `deploy` rejects with `NOT_APPROVED`; absent, it approves. */
  readonly approve?: (plan: FleetPlan) => boolean | Promise<boolean>;
  /** Stops watching hosts that have begun: they are confirmed or go back by themselves. */
  readonly abandon?: AbortSignal;
}

export interface Fleet {
  /** What a deployment would do. Changes nothing on hosts, but that the host kit is placed in their stores, and a store where there is none. */
  plan(request?: PlanRequest): Promise<FleetPlan>;
  /** Makes the hosts what the fleet declares; journalled as by the command, which can resume it. */
  deploy(request?: DeployRequest): Promise<Deployment>;
  /** How hosts are, and whether they are as declared. */
  status(request?: StatusRequest): Promise<readonly HostStatus[]>;
}

/** A fleet by its file, which is read and evaluated anew by each call: nothing is kept open in between. */
export function openFleet(options: FleetOptions = {}): Fleet {
  const deployer = deployerOf(options);
  return {
    plan: (request = {}) => withPlan(deployer, request, ({ plan }) => Promise.resolve(plan)),
    deploy: ({ abandon = new AbortController().signal, approve, ...request } = {}) =>
      deployHosts(deployer, request, { approve, watch: (run) => run(abandon) }),
    status: (request = {}) => withStatuses(deployer, request, (ask) => ask()),
  };
}

function deployerOf(options: FleetOptions): Deployer {
  const { fleetFile = "fleet.nix", store = "auto", lab, sshConfig, onProgress = () => undefined } = options;
  return {
    fleetFile: resolve(fleetFile),
    store,
    ssh: { configFile: sshConfig, lab },
    sudoPassword: new SudoPassword(options.sudoPassword ?? (() => Promise.resolve(undefined))),
    signal: options.signal ?? new AbortController().signal,
    observer: plainObserver(onProgress),
  };
}
