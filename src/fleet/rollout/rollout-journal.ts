/**
 * What a deployer did, on its own disk: `$XDG_STATE_HOME/pristine/rollouts/FLEET/ID.jsonl`, one event a line, each on
 * disk before the next thing is done. From it an interrupted rollout goes on, and its state can be told.
 *
 * The hosts' own journals are the truth about the hosts; this one says what was asked of which.
 */

import { OperationError } from "../../base/errors.ts";
import { stateDirectory } from "../../system/directories.ts";
import { ensureDirectory, namesIn, openLog, readTextIfPresent, removeFile, syncDirectory } from "../../system/files.ts";
import { type FileLock, lockFile, tryLockFile } from "../../system/flock.ts";
import type { HostOutcome } from "../outcome.ts";
import type { PendingHost } from "./pending.ts";
import { keptByWave } from "./rollout.ts";
import type { RolloutRecord } from "./rollout-record.ts";

interface BegunEvent {
  readonly kind: "begun";
  readonly rollout: RolloutRecord;
  /** Counts the rollouts of this disk: the order in which they began, whatever the clock did. */
  readonly ordinal?: number;
  /** Hosts that earlier rollouts may have left between their hooks. */
  readonly owed?: readonly string[];
}

export type RolloutEvent =
  | BegunEvent
  /** From here on something may have happened on the host. */
  | { readonly kind: "host"; readonly host: string }
  /** It has an outcome, and from here on it may be on its way back. */
  | { readonly kind: "back"; readonly host: string }
  /** Without its timeline. A later one for the same host takes its place. */
  | { readonly kind: "outcome"; readonly outcome: HostOutcome }
  /** Nothing is left to do. */
  | { readonly kind: "ended" };

export interface RolloutState {
  readonly rollout: RolloutRecord;
  readonly ordinal: number;
  /** When it began, ISO 8601 in UTC. */
  readonly beganAt: string;
  /** Hosts that were begun, with or without an outcome. */
  readonly begun: ReadonlySet<string>;
  /** Those of which nothing was written since they were begun, or began to be taken back. */
  readonly between: ReadonlySet<string>;
  /** Hosts that earlier rollouts may have left between their hooks, when those were interrupted. */
  readonly owed: ReadonlySet<string>;
  readonly outcomes: ReadonlyMap<string, HostOutcome>;
  readonly isEnded: boolean;
  /** Whether a process is at work on it. */
  readonly isRunning: boolean;
}

/** Rollouts of a fleet that are kept. */
const KEPT_MAX = 50;
const LOOK_MS_MAX = 1_000;

function directoryOf(fleet: string): string {
  return `${stateDirectory()}/rollouts/${fleet}`;
}

export interface RolloutJournal extends Disposable {
  append(event: RolloutEvent): void;
}

export interface InterruptedJournal extends RolloutJournal, Pick<RolloutState, "begun" | "outcomes"> {}

/** Opens the journal of a rollout, new or interrupted, which nobody else may be at work on. */
export async function openJournal(fleet: string, id: string): Promise<RolloutJournal> {
  const directory = directoryOf(fleet);
  await ensureDirectory(directory, 0o700);
  const path = `${directory}/${id}.jsonl`;
  const lock = await lockForWork(path, id);
  const log = openLog(path);
  await syncDirectory(directory);
  return {
    append: (event) => {
      log.write(Buffer.from(encodeEvent(event, new Date())));
    },
    [Symbol.dispose]: () => {
      log[Symbol.dispose]();
      lock.release();
    },
  };
}

/** The journal of a rollout that was interrupted, and what it tells; undefined where there is none, or somebody is at work. */
export async function openInterrupted(fleet: string, id: string): Promise<InterruptedJournal | undefined> {
  const interrupted = (await openRolloutsOf(fleet)).find(({ rollout }) => rollout.id === id);
  if (interrupted === undefined || interrupted.isRunning) return undefined;
  let journal: RolloutJournal;
  try {
    journal = await openJournal(fleet, id);
  } catch (error) {
    if (error instanceof OperationError && error.code === "LOCK_HELD") return undefined;
    throw error;
  }
  // Read once more: before it was locked, somebody may have gone on with it.
  const { begun, outcomes } = (await readState(`${directoryOf(fleet)}/${id}.jsonl`)) ?? interrupted;
  return { ...journal, begun, outcomes };
}

/** An event as it stands in the file. */
export function encodeEvent(event: RolloutEvent, at: Date): string {
  const shown = event.kind === "outcome" ? { ...event, outcome: { ...event.outcome, timeline: [] } } : event;
  // A line that a crash has cut off is ended by the next one's beginning.
  return `\n${JSON.stringify({ at: at.toISOString(), ...shown })}\n`;
}

/** Whoever only looks holds the lock for a moment, too. */
async function lockForWork(path: string, id: string): Promise<FileLock> {
  try {
    return await lockFile(path, { waitMs: LOOK_MS_MAX });
  } catch (error) {
    if (!(error instanceof OperationError) || error.code !== "LOCK_HELD") throw error;
    throw new OperationError("LOCK_HELD", `another process is at work on the rollout ${id}`, {
      hint: "wait until it has ended, or look at it with 'pristine status'",
    });
  }
}

/** The rollouts of a fleet, the newest first; without those whose first line is damaged. */
export async function rolloutsOf(fleet: string): Promise<RolloutState[]> {
  const directory = directoryOf(fleet);
  const names = (await namesIn(directory)).filter((name) => name.endsWith(".jsonl"));
  const states = names.map((name) => readState(`${directory}/${name}`));
  return newestFirst((await Promise.all(states)).filter((state) => state !== undefined));
}

/** In the order in which they began; by their names where two began at once. */
export function newestFirst(states: readonly RolloutState[]): RolloutState[] {
  const isLater = (a: RolloutState, b: RolloutState): number =>
    b.ordinal - a.ordinal || (a.rollout.id < b.rollout.id ? 1 : -1);
  return [...states].sort(isLater);
}

/** The first event of a rollout that begins after all of these, and while these hosts wait for earlier ones. */
export function begunEvent(
  rollout: RolloutRecord,
  earlier: readonly RolloutState[],
  pending: readonly PendingHost[],
): Required<BegunEvent> {
  const ordinal = 1 + Math.max(0, ...earlier.map((one) => one.ordinal));
  const begun = pending.flatMap(({ isBegun, approved }) => (isBegun === true ? [approved.host.name] : []));
  return { kind: "begun", rollout, ordinal, owed: [...new Set([...owedIn(openOf(earlier)), ...begun])] };
}

/** Those that have hosts left which no later rollout has dealt with, the newest first. */
export async function openRolloutsOf(fleet: string): Promise<RolloutState[]> {
  return openOf(await rolloutsOf(fleet));
}

/** Hosts that interrupted ones of these rollouts may have left between their hooks. */
function owedIn(open: readonly RolloutState[]): Set<string> {
  const interrupted = open.filter(({ isRunning }) => !isRunning);
  return new Set(
    interrupted.flatMap(({ between, owed, outcomes }) => [
      ...between,
      ...[...owed].filter((name) => !outcomes.has(name)),
    ]),
  );
}

/** Of all rollouts of a fleet, the newest first; nothing is left to do for hosts that are gone. */
export function openOf(
  states: readonly RolloutState[],
  isGone: (host: string) => boolean = () => false,
): RolloutState[] {
  const covered = new Set<string>();
  const open: RolloutState[] = [];
  for (const state of states) {
    const names = state.rollout.hosts.map(({ host }) => host.name);
    const { between, outcomes, rollout } = state;
    const kept = new Set(keptByWave(rollout.waves, outcomes, rollout.policy));
    const isLeft = names.some(
      (name) => (!outcomes.has(name) || between.has(name) || kept.has(name)) && !covered.has(name) && !isGone(name),
    );
    if (state.isRunning || (!state.isEnded && isLeft)) open.push(state);
    for (const name of names) covered.add(name);
  }
  return open;
}

/** Removes the journals of old rollouts with nothing left to do. */
export async function pruneRollouts(fleet: string): Promise<void> {
  const states = await rolloutsOf(fleet);
  const open = new Set(openOf(states).map(({ rollout }) => rollout.id));
  const old = states.slice(KEPT_MAX).filter(({ rollout }) => !open.has(rollout.id));
  for (const { rollout } of old) await removeFile(`${directoryOf(fleet)}/${rollout.id}.jsonl`);
}

/** Removes the journals of rollouts that are open for the sake of hosts that are gone only; answers these. */
export async function dropRolloutsOf(fleet: string, isGone: (host: string) => boolean): Promise<string[]> {
  const states = await rolloutsOf(fleet);
  const kept = new Set(openOf(states, isGone));
  const dropped = openOf(states).filter((state) => !kept.has(state));
  for (const { rollout } of dropped) await removeFile(`${directoryOf(fleet)}/${rollout.id}.jsonl`);
  return dropped.flatMap(({ rollout }) => rollout.hosts.map(({ host }) => host.name).filter(isGone));
}

async function readState(path: string): Promise<RolloutState | undefined> {
  const state = parseRollout((await readTextIfPresent(path)) ?? "");
  return state && { ...state, isRunning: isLocked(path) };
}

/** What a journal tells; undefined without a first line. */
export function parseRollout(text: string): Omit<RolloutState, "isRunning"> | undefined {
  let first: (BegunEvent & { readonly at: string }) | undefined;
  const begun = new Set<string>();
  const between = new Set<string>();
  const outcomes = new Map<string, HostOutcome>();
  let isEnded = false;
  for (const line of text.split("\n")) {
    const event = parseEvent(line);
    if (event === undefined) continue;
    if (event.kind === "begun") first ??= event;
    else if (event.kind === "host") begun.add(event.host);
    if (event.kind === "host" || event.kind === "back") between.add(event.host);
    if (event.kind === "outcome") {
      outcomes.set(event.outcome.host, event.outcome);
      between.delete(event.outcome.host);
    }
    isEnded = event.kind === "ended";
  }
  if (first?.rollout.version !== 1) return undefined;
  const { rollout, ordinal = 0, at: beganAt, owed = [] } = first;
  return { rollout, ordinal, beganAt, begun, between, owed: new Set(owed), outcomes, isEnded };
}

function parseEvent(line: string): (RolloutEvent & { readonly at: string }) | undefined {
  if (line === "") return undefined;
  try {
    return JSON.parse(line) as RolloutEvent & { readonly at: string };
  } catch {
    // The power went while it was written: what it would have said is asked of the host.
    return undefined;
  }
}

function isLocked(path: string): boolean {
  const lock = tryLockFile(path);
  lock?.release();
  return lock === undefined;
}
