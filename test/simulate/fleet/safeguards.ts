/**
 * What keeps a host from being stranded, each of which the simulation can do without, to show that it would be missed;
 * and the invariant that does not hold without it.
 *
 * - `timer`: the timers on the host that return it.
 * - `lock`: the file that says which transaction holds the host.
 * - `recorded-path`: a return leads to the store path that was recorded, not to the generation before.
 * - `fresh-connection`: confirmation comes over a connection of its own.
 * - `journal-sync`: the host's journal is on disk before the next thing happens.
 * - `rollout-sync`: so is the deployer's.
 * - `registration`: an object is registered after it has arrived.
 */
export const SAFEGUARDS = {
  timer: "an unconfirmed host returns within its limit",
  lock: "no two deployers hold one host",
  "recorded-path": "a host runs the old or the new system",
  "fresh-connection": "what is confirmed is well and lets us in",
  "journal-sync": "a host runs the old or the new system",
  "rollout-sync": "a deployer remembers what it began",
  registration: "an interrupted push is never registered as valid",
} as const;

export type Safeguard = keyof typeof SAFEGUARDS;

/** Whether a violation is one to tell of: any at all, or the one that a safeguard keeps from happening. */
export function isCaught(violation: { readonly invariant: string } | undefined, without?: Safeguard): boolean {
  return violation !== undefined && (without === undefined || violation.invariant === SAFEGUARDS[without]);
}
