/** Transactions on the host's disk: plan, journal, receipt, and the lock that says which one holds the host. */

import {
  isFinal,
  type JournalEvent,
  type JournalRecord,
  type Receipt,
  type RevertReason,
  type StepName,
  type TransactionLock,
  type TransactionPlan,
  type TransactionRecordFacts,
  type TransactionState,
  type TransactionStatus,
} from "../machine/transaction.ts";
import type { SystemBase } from "../machine/system-object.ts";
import type { HealthResult } from "../machine/health-check.ts";
import type { HookResult } from "../machine/hook.ts";
import type { ProfileMove } from "../machine/profile.ts";
import { EMPTY_UNIT_PLAN, type UnitPlan } from "../machine/unit-plan.ts";
import type { Host } from "./host.ts";
import { KitError } from "./kit-error.ts";

export const STATE_DIRECTORY = "/nix/var/pristine";
const TRANSACTIONS = `${STATE_DIRECTORY}/transactions`;
export const LOCK: string = `${STATE_DIRECTORY}/lock`;
/** Finished transactions that are kept for `history`. */
const TRANSACTIONS_KEPT_MAX = 50;

/** The units that carry a transaction. */
export const EXECUTOR_UNIT = "pristine-transaction.service";
/** The backstop armed before anything changes, and the deadline armed when confirmation is awaited. */
export const TIMERS = ["pristine-revert", "pristine-deadline"] as const;
/** Armed when a temporary system is confirmed. */
export const EXPIRY_TIMER = "pristine-expiry";
/** The unit in which a requested return runs. */
export const ROLLBACK_UNIT = "pristine-rollback.service";

const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export function isTransactionId(id: string): boolean {
  return ID.test(id);
}

/** One transaction, as its journal tells it. */
export class TransactionRecord {
  readonly plan: TransactionPlan;
  readonly #host: Host;
  readonly #records: JournalRecord[];
  #isTorn: boolean;

  private constructor(host: Host, plan: TransactionPlan, journal: string) {
    this.#host = host;
    this.plan = plan;
    const { records, isTorn } = parseJournal(journal);
    this.#records = records;
    this.#isTorn = isTorn;
  }

  /** Writes a plan; the transaction exists from its first journal record on. */
  static create(host: Host, plan: TransactionPlan): TransactionRecord {
    const directory = directoryOf(plan.id);
    host.files.makeDirectory(directory);
    host.files.writeDurably(`${directory}/plan.json`, `${JSON.stringify(plan)}\n`);
    // A full disk may have taken half of the first record when this plan was sent before.
    return new TransactionRecord(host, plan, host.files.readFile(`${directory}/journal.jsonl`) ?? "");
  }

  /** Undefined when there is no such transaction or nothing was recorded of it yet. */
  static open(host: Host, id: string): TransactionRecord | undefined {
    const directory = directoryOf(id);
    const plan = host.files.readFile(`${directory}/plan.json`);
    const journal = host.files.readFile(`${directory}/journal.jsonl`);
    if (plan === undefined || journal === undefined) return undefined;
    const record = new TransactionRecord(host, JSON.parse(plan) as TransactionPlan, journal);
    return record.#records.length === 0 ? undefined : record;
  }

  static openKnown(host: Host, id: string): TransactionRecord {
    const record = TransactionRecord.open(host, id);
    if (record === undefined) throw new KitError("KIT_UNKNOWN", `this host knows no transaction '${id}'`);
    return record;
  }

  get id(): string {
    return this.plan.id;
  }

  get records(): readonly JournalRecord[] {
    return this.#records;
  }

  recordsAfter(seq: number): JournalRecord[] {
    return this.#records.filter((record) => record.seq > seq);
  }

  get lastSeq(): number {
    return this.#records.at(-1)?.seq ?? 0;
  }

  get facts(): TransactionRecordFacts {
    const first = this.#records[0];
    if (first?.kind !== "recorded")
      throw new KitError("KIT_FAILED", `the journal of ${this.id} does not begin as it should`);
    return first.facts;
  }

  get base(): SystemBase {
    return this.facts.base;
  }

  /** The boot in which it was last at work: another than the first one only across a reboot that it made. */
  get bootId(): string {
    return this.#records.at(-1)?.bootId ?? "";
  }

  get state(): TransactionState {
    return this.#lastState()?.state ?? "recorded";
  }

  /** The boot in which it came to a state last. */
  bootIdOf(state: TransactionState): string | undefined {
    return this.#records.findLast((record) => record.kind === "state" && record.state === state)?.bootId;
  }

  /** Why it goes or went back. */
  get reason(): RevertReason | undefined {
    const found = this.#records.findLast((record) => record.kind === "state" && record.reason !== undefined);
    return found?.kind === "state" ? found.reason : undefined;
  }

  #lastState(): (JournalRecord & { kind: "state" }) | undefined {
    const found = this.#records.findLast((record) => record.kind === "state");
    return found?.kind === "state" ? found : undefined;
  }

  /** Writes one record to disk. */
  append(event: JournalEvent): void {
    const record: JournalRecord = {
      seq: this.lastSeq + 1,
      at: this.#host.wallClock(),
      uptimeMs: this.#host.uptimeMs(),
      bootId: this.#host.bootId(),
      ...event,
    };
    const line = `${JSON.stringify(record)}\n`;
    try {
      useBallast(this.#host, () => {
        const text = this.#isTorn ? `\n${line}` : line;
        // A full disk may take half of it; what follows, the second try too, begins on a line of its own.
        this.#isTorn = true;
        this.#host.files.appendDurably(`${directoryOf(this.id)}/journal.jsonl`, text);
        this.#isTorn = false;
      });
    } catch (error) {
      // What cannot be written down must not keep the host from going back; a torn line is skipped when read.
      if (this.state !== "reverting" && !(event.kind === "state" && event.state === "reverting")) throw error;
    }
    this.#records.push(record);
  }

  setState(state: TransactionState, reason?: RevertReason): void {
    this.append(reason === undefined ? { kind: "state", state } : { kind: "state", state, reason });
  }

  hasBegun(step: StepName): boolean {
    return this.#records.some((record) => record.kind === "step" && record.step === step);
  }

  hasEnded(step: StepName): boolean {
    return this.#records.some((record) => record.kind === "step" && record.step === step && record.event === "end");
  }

  unitPlan(direction: "forward" | "back"): UnitPlan | undefined {
    const found = this.#records.findLast((record) => record.kind === "units" && record.direction === direction);
    return found?.kind === "units" ? found.units : undefined;
  }

  /** What was active before anything was stopped; undefined when that point was not reached. */
  activeUnits(): readonly string[] | undefined {
    const found = this.#records.find((record) => record.kind === "active-units");
    return found?.kind === "active-units" ? found.units : undefined;
  }

  failedBefore(): readonly string[] {
    const found = this.#records.find((record) => record.kind === "active-units");
    return found?.kind === "active-units" ? found.failed : [];
  }

  /** Of the hooks that have ended, in order. */
  hookResults(): HookResult[] {
    return this.#records.flatMap((record) =>
      record.kind === "hook" && record.result !== undefined ? [record.result] : [],
    );
  }

  /** Profiles that it has come to, in order. */
  profileMoves(): ProfileMove[] {
    return this.#records.flatMap((record) => (record.kind === "profile" ? [record.move] : []));
  }

  deadlineAtSeconds(): number | undefined {
    const found = this.#records.findLast((record) => record.kind === "deadline");
    return found?.kind === "deadline" ? found.atSeconds : undefined;
  }

  /** When a temporary system ends; undefined until it is confirmed. */
  expiryAtSeconds(): number | undefined {
    const found = this.#records.findLast((record) => record.kind === "deadline" && record.isExpiry === true);
    return found?.kind === "deadline" ? found.atSeconds : undefined;
  }

  status(): TransactionStatus {
    const deadline = this.deadlineAtSeconds();
    const isRunning = !isFinal(this.state) && this.bootId === this.#host.bootId();
    const reason = this.reason;
    return {
      id: this.id,
      state: this.state,
      goal: this.plan.goal,
      system: this.plan.system,
      previous: this.facts.previous,
      operator: this.plan.operator,
      planReason: this.plan.reason,
      beganAt: this.#records[0]?.at ?? "",
      bootId: this.facts.bootId,
      ...(deadline === undefined || !isRunning
        ? {}
        : { revertsInSeconds: Math.max(0, Math.round(deadline - this.#host.uptimeMs() / 1000)) }),
      lastSeq: this.lastSeq,
      ...(reason === undefined ? {} : { reason }),
    };
  }

  get receipt(): Receipt | undefined {
    const text = this.#host.files.readFile(`${directoryOf(this.id)}/receipt.json`);
    return text === undefined ? undefined : (JSON.parse(text) as Receipt);
  }

  /** Ends what this one took over from, as `superseded`, unless that is done: it may be cut off before it has. */
  concludeSuperseded(): void {
    const { supersedes } = this.facts;
    const older = supersedes === undefined ? undefined : TransactionRecord.open(this.#host, supersedes);
    if (older === undefined || older.receipt !== undefined) return;
    const was = older.state === "temporary" ? "it was temporary" : "it was interrupted";
    older.conclude("superseded", { reason: { kind: "executor-lost", message: `${was}, and ${this.id} took over` } });
  }

  /** Ends the transaction: final state, receipt, lock released. May be repeated. */
  conclude(
    outcome: Receipt["outcome"],
    more: {
      readonly reason?: RevertReason;
      readonly generation?: number;
      readonly failedUnits?: readonly string[];
      readonly data?: readonly string[];
    } = {},
  ): Receipt {
    this.concludeSuperseded();
    const { plan, facts } = this;
    const reason = more.reason ?? this.reason;
    const hooks = this.hookResults();
    const profiles = this.profileMoves();
    const direction = outcome === "reverted" || outcome === "revert-failed" ? "back" : "forward";
    const receipt: Receipt = {
      version: 1,
      id: plan.id,
      host: plan.host,
      goal: plan.goal,
      outcome,
      ...(reason === undefined || outcome === "confirmed" || outcome === "tested" ? {} : { reason }),
      system: plan.system,
      previous: facts.previous,
      ...(more.generation === undefined ? {} : { generation: more.generation }),
      operator: plan.operator,
      planReason: plan.reason,
      ...(plan.planHash === undefined ? {} : { planHash: plan.planHash }),
      bootId: this.#host.bootId(),
      ...(facts.ordinal === undefined ? {} : { ordinal: facts.ordinal }),
      beganAt: this.#records[0]?.at ?? "",
      endedAt: this.#host.wallClock(),
      durations: durationsOf(this.#records),
      units: this.unitPlan(direction) ?? this.unitPlan("forward") ?? EMPTY_UNIT_PLAN,
      health: healthOf(this.#records),
      ...(hooks.length === 0 ? {} : { hooks }),
      ...(profiles.length === 0 ? {} : { profiles }),
      ...(more.data === undefined || more.data.length === 0 ? {} : { data: more.data }),
      failedUnits: more.failedUnits ?? [],
    };
    useBallast(this.#host, () => {
      this.#host.files.writeDurably(`${directoryOf(this.id)}/receipt.json`, `${JSON.stringify(receipt)}\n`);
    });
    if (this.state !== outcome) this.setState(outcome, more.reason);
    releaseLock(this.#host, this.id);
    return receipt;
  }
}

function directoryOf(id: string): string {
  if (!isTransactionId(id)) throw new KitError("KIT_USAGE", `'${id}' is no transaction id`);
  return `${TRANSACTIONS}/${id}`;
}

/** Space for the records of a whole transaction, given up when the disk is full. */
const BALLAST = `${STATE_DIRECTORY}/ballast`;
const BALLAST_CHARS = 512 * 1024;

/** The same for what systems that switch to themselves write on the way back: links of /etc, the boot loader's menu. */
const RETURN_BALLAST = `${STATE_DIRECTORY}/return-ballast`;
const RETURN_BALLAST_CHARS = 2 * 1024 * 1024;

/** Sets aside what a transaction needs to be written down to its end, and its system to be left again. */
export function layBallast(host: Host, base: SystemBase): void {
  lay(host, BALLAST, BALLAST_CHARS);
  if (base === "nixos") lay(host, RETURN_BALLAST, RETURN_BALLAST_CHARS);
}

function lay(host: Host, path: string, chars: number): void {
  if (!host.files.exists(path)) host.files.writeDurably(path, "ballast\n".repeat(chars / 8));
}

/** Tries `act` once more with the space that was set aside for the way back, where that is still there. */
export function useReturnBallast(host: Host, act: () => void): void {
  withSpace(host, RETURN_BALLAST, act);
}

function useBallast(host: Host, write: () => void): void {
  withSpace(host, BALLAST, write);
}

function withSpace(host: Host, ballast: string, act: () => void): void {
  try {
    act();
  } catch (error) {
    if (!host.files.exists(ballast)) throw error;
    host.files.remove(ballast, { durable: true });
    act();
  }
}

/** A power cut or a full disk may leave half a line: it never happened. */
function parseJournal(text: string): { records: JournalRecord[]; isTorn: boolean } {
  const records: JournalRecord[] = [];
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const record = parseRecord(line);
    if (record !== undefined && record.seq > (records.at(-1)?.seq ?? 0)) records.push(record);
  }
  return { records, isTorn: text !== "" && !text.endsWith("\n") };
}

function parseRecord(line: string): JournalRecord | undefined {
  // While a disk is full, each try may leave such a piece: failing to parse it costs far more than looking.
  if (!line.endsWith("}")) return undefined;
  try {
    return JSON.parse(line) as JournalRecord;
  } catch {
    // Torn by a power cut while it was appended.
    return undefined;
  }
}

function durationsOf(records: readonly JournalRecord[]): Receipt["durations"] {
  const begun = new Map<StepName, JournalRecord>();
  const durations = new Map<StepName, number>();
  for (const record of records) {
    if (record.kind !== "step") continue;
    const from = begun.get(record.step);
    if (record.event === "begin") begun.set(record.step, record);
    else if (from !== undefined) durations.set(record.step, Math.max(0, Math.round(record.uptimeMs - from.uptimeMs)));
  }
  return [...durations].map(([step, milliseconds]) => ({ step, milliseconds }));
}

/** The last result of each check. */
function healthOf(records: readonly JournalRecord[]): HealthResult[] {
  const results = new Map<string, HealthResult>();
  for (const record of records) if (record.kind === "health") results.set(record.result.name, record.result);
  return [...results.values()];
}

export function readLock(host: Host): TransactionLock | undefined {
  const text = host.files.readFile(LOCK);
  return text === undefined || text.trim() === "" ? undefined : (JSON.parse(text) as TransactionLock);
}

/** Before anything of a transaction is recorded, the lock alone says what it takes over from. */
export function takeLock(host: Host, plan: TransactionPlan, supersedes?: string): void {
  const { id, operator, goal, system } = plan;
  const lock: TransactionLock = {
    id,
    bootId: host.bootId(),
    operator,
    goal,
    system,
    since: host.wallClock(),
    ...(supersedes === undefined ? {} : { supersedes }),
  };
  host.files.writeDurably(LOCK, `${JSON.stringify(lock)}\n`);
}

export function releaseLock(host: Host, id: string): void {
  if (readLock(host)?.id === id) host.files.remove(LOCK, { durable: true });
}

/** Receipts of all transactions, newest first. */
export function readReceipts(host: Host): Receipt[] {
  const receipts: Receipt[] = [];
  for (const id of host.files.list(TRANSACTIONS) ?? []) {
    const text = host.files.readFile(`${TRANSACTIONS}/${id}/receipt.json`);
    if (text !== undefined) receipts.push(JSON.parse(text) as Receipt);
  }
  const ordinalOf = ({ ordinal = 0 }: Receipt): number => ordinal;
  return receipts.sort((one, other) => ordinalOf(other) - ordinalOf(one) || (one.beganAt < other.beganAt ? 1 : -1));
}

/** Removes the oldest finished transactions beyond the limit. */
export function pruneTransactions(host: Host): void {
  const receipts = readReceipts(host);
  for (const { id } of receipts.slice(TRANSACTIONS_KEPT_MAX)) host.files.removeTree(directoryOf(id));
}
