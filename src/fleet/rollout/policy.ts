/** In which order a deployment reaches the hosts, and what a failing host means for the others. */

import { matchesPattern, type Selectable } from "../selection.ts";

/**
 * What happens once more hosts have failed than may:
 *
 * - `continue`: nothing; hosts do not affect each other.
 * - `halt`: hosts that have not begun are left as they are.
 * - `rollBackWave`: as `halt`, and what the same wave has changed on other hosts is taken back.
 */
export type FailurePolicy = "continue" | "halt" | "rollBackWave";

export const FAILURE_POLICIES: readonly FailurePolicy[] = ["continue", "halt", "rollBackWave"];

export interface RolloutPolicy {
  /** Each wave's hosts as patterns (names, globs, `@tag`s); hosts that fit none come last. */
  readonly waves: readonly (readonly string[])[];
  /** How many hosts of the first wave go ahead of it, as a wave of their own. */
  readonly canaries: number;
  /** Between waves. */
  readonly pauseSeconds: number;
  /** How many hosts may fail before `onFailure` applies. A host that is not reached has not failed. */
  readonly failuresMax: number;
  readonly onFailure: FailurePolicy;
  /** How many hosts are worked on at a time. */
  readonly concurrencyMax: number;
  /** How long a host that is not reached stays pending; 0 for not at all. */
  readonly pendingSeconds: number;
}

export interface WaveMember extends Selectable {
  /** Hosts with a smaller number come in an earlier wave, where no patterns say otherwise. */
  readonly wave: number;
}

/** The hosts wave by wave, each host once, in the order of the fleet within a wave; no wave is empty. */
export function wavesOf<T extends WaveMember>(
  hosts: readonly T[],
  policy: Pick<RolloutPolicy, "waves" | "canaries">,
): T[][] {
  const rankOf = (host: T): number => {
    if (policy.waves.length === 0) return host.wave;
    const index = policy.waves.findIndex((patterns) => patterns.some((pattern) => matchesPattern(host, pattern)));
    return index < 0 ? policy.waves.length : index;
  };
  const ranks = [...new Set(hosts.map(rankOf))].sort((a, b) => a - b);
  const waves = ranks.map((rank) => hosts.filter((host) => rankOf(host) === rank));
  const [first = []] = waves;
  if (policy.canaries > 0 && policy.canaries < first.length) {
    waves.splice(0, 1, first.slice(0, policy.canaries), first.slice(policy.canaries));
  }
  return waves;
}
