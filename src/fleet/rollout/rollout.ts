/**
 * The order of a deployment: wave after wave, hosts of a wave side by side, and what a failing host means for the rest.
 *
 * Everything that is done to a host is an action that is given; this module only decides which comes when. What was
 * known of hosts before (a rollout that is resumed) counts as if it had just happened.
 */

import type { Clock } from "../../base/clock.ts";
import { mapConcurrently } from "../../base/concurrency.ts";
import type { HostOutcome, HostResult } from "../outcome.ts";
import type { RolloutPolicy } from "./policy.ts";

export interface RolloutActions<H> {
  /** Makes a host what is planned; what befalls the host is its outcome. */
  deploy(host: H): Promise<HostOutcome>;
  /** Takes back what `deploy` has changed. */
  rollBack(host: H, changed: HostOutcome, reason: string): Promise<HostOutcome>;
  /** Leaves a host as it is. */
  skip(host: H, because: SkipReason): Promise<HostOutcome>;
}

export type SkipReason = Extract<HostResult, { readonly status: "skipped" }>["because"];

export interface RolloutOptions {
  readonly policy: Omit<RolloutPolicy, "waves" | "canaries">;
  readonly clock: Clock;
  /** Hosts that have not begun are skipped once this is aborted. */
  readonly cancel: AbortSignal;
  /** Outcomes from before, by host. */
  readonly known?: ReadonlyMap<string, HostOutcome>;
  readonly observer: RolloutObserver;
}

export interface RolloutObserver {
  /** A wave begins, after a pause if it is not the first. */
  wave(index: number, hosts: readonly string[]): void;
  pause(seconds: number): void;
  /** More hosts have failed than may. */
  halted(reason: string): void;
  /** A host's outcome is known; again when its wave was rolled back. */
  finished(outcome: HostOutcome): void;
}

/** Whether a host counts as failed for the policy. One that was not reached is unchanged, and waits. */
export function hasFailed({ status }: Pick<HostOutcome, "status">): boolean {
  return status === "failed" || status === "rolled-back" || status === "unknown";
}

/** Rolls out; one outcome per host, in the order of the waves. */
export async function rollOut<H extends { readonly name: string }>(
  waves: readonly (readonly H[])[],
  actions: RolloutActions<H>,
  options: RolloutOptions,
): Promise<HostOutcome[]> {
  const { policy, clock, cancel, observer } = options;
  const outcomes = new Map<string, HostOutcome>();
  let failures = 0;
  let haltReason: string | undefined;
  let isFirst = true;

  const settle = (outcome: HostOutcome): void => {
    outcomes.set(outcome.host, outcome);
    if (!hasFailed(outcome)) return;
    failures++;
    if (policy.onFailure === "continue" || failures <= policy.failuresMax || haltReason !== undefined) return;
    haltReason = `${outcome.host} ${outcome.status === "rolled-back" ? "went back" : "failed"}`;
    observer.halted(haltReason);
  };
  const deploy = async (host: H): Promise<void> => {
    const because = haltReason !== undefined ? "halted" : cancel.aborted ? "cancelled" : undefined;
    const outcome = await (because === undefined ? actions.deploy(host) : actions.skip(host, because));
    settle(outcome);
    observer.finished(outcome);
  };

  for (const [index, wave] of waves.entries()) {
    const wasHalted = haltReason !== undefined;
    const known = wave.flatMap((host) => options.known?.get(host.name) ?? []);
    known.forEach(settle);
    const rest = wave.filter((host) => !outcomes.has(host.name));
    const isAtWork = rest.length > 0 && haltReason === undefined && !cancel.aborted;
    if (isAtWork && !isFirst && policy.pauseSeconds > 0) {
      observer.pause(policy.pauseSeconds);
      // Interrupted, the hosts are skipped below.
      await clock.sleep(policy.pauseSeconds * 1000, cancel).catch(() => undefined);
    }
    if (isAtWork) {
      isFirst = false;
      observer.wave(
        index,
        rest.map((host) => host.name),
      );
    }
    await mapConcurrently(rest, policy.concurrencyMax, deploy);
    if (policy.onFailure !== "rollBackWave" || haltReason === undefined || wasHalted) continue;
    const changed = wave.filter((host) => CHANGED.has(outcomes.get(host.name)!.status));
    await mapConcurrently(changed, policy.concurrencyMax, async (host) => {
      const outcome = await actions.rollBack(host, outcomes.get(host.name)!, `its wave is taken back: ${haltReason!}`);
      outcomes.set(host.name, outcome);
      observer.finished(outcome);
    });
  }
  return waves.flat().map((host) => outcomes.get(host.name)!);
}

/** Hosts that are changed although their wave is to be taken back: an interrupted rollout may not have come to them. */
export function keptByWave(
  waves: readonly (readonly string[])[],
  outcomes: ReadonlyMap<string, HostOutcome>,
  policy: Pick<RolloutPolicy, "onFailure" | "failuresMax">,
): string[] {
  if (policy.onFailure !== "rollBackWave") return [];
  let failures = 0;
  for (const wave of waves) {
    const known = wave.flatMap((name) => outcomes.get(name) ?? []);
    failures += known.filter(hasFailed).length;
    if (failures <= policy.failuresMax) continue;
    return known.filter((one) => CHANGED.has(one.status) && !("staysSo" in one)).map(({ host }) => host);
  }
  return [];
}

/** Outcomes that mean a host was changed and stays so. */
export const CHANGED: ReadonlySet<HostOutcome["status"]> = new Set(["activated", "tested", "temporary"]);
