/** What keeps a host from being stranded, each of which the simulation can do without, to show that it would be missed. */

/**
 * - `timer`: the timers on the host that return it.
 * - `lock`: the file that says which transaction holds the host.
 * - `recorded-path`: a return leads to the store path that was recorded, not to the generation before.
 * - `fresh-connection`: confirmation comes over a connection of its own.
 * - `journal-sync`: the host's journal is on disk before the next thing happens.
 * - `rollout-sync`: so is the deployer's.
 * - `registration`: an object is registered after it has arrived.
 */
export const SAFEGUARDS = [
  "timer",
  "lock",
  "recorded-path",
  "fresh-connection",
  "journal-sync",
  "rollout-sync",
  "registration",
] as const;

export type Safeguard = (typeof SAFEGUARDS)[number];
