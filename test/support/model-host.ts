/**
 * A model of one host as its deployer sees it: the transaction's states on a clock that only moves when someone waits,
 * a network that can be cut, and power that can be cut. It returns by itself, as the executor's timer does.
 */

import type { Clock } from "../../src/base/clock.ts";
import { OperationError } from "../../src/base/errors.ts";
import type { ActivationKit } from "../../src/fleet/activate-host.ts";
import { KitError } from "../../src/fleet/host-kit.ts";
import type { HostFacts } from "../../src/machine/facts.ts";
import {
  type BeginAnswer,
  isFinal,
  type JournalAnswer,
  type JournalRecord,
  type Receipt,
  type RequestedReason,
  type TransactionPlan,
  type TransactionState,
  type TransactionStatus,
} from "../../src/machine/transaction.ts";
import { EMPTY_UNIT_PLAN } from "../../src/machine/unit-plan.ts";

/** Time that passes only in `sleep`. */
export class VirtualClock implements Clock {
  #nowMs = 0;
  readonly #alarms: { atMs: number; ring: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  wallClock(): Date {
    return new Date(this.#nowMs);
  }

  /** Calls `ring` once that time has come. */
  at(atMs: number, ring: () => void): void {
    this.#alarms.push({ atMs, ring });
  }

  async sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.pass(durationMs);
    await Promise.resolve();
    signal?.throwIfAborted();
  }

  pass(durationMs: number): void {
    this.#nowMs += durationMs;
    for (const alarm of this.#alarms.splice(0)) {
      if (alarm.atMs <= this.#nowMs) alarm.ring();
      else this.#alarms.push(alarm);
    }
  }
}

export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/** What the host will do, and what will befall it. */
export interface Fate {
  readonly activationMs: number;
  readonly checkMs: number;
  readonly revertMs: number;
  /** Where it goes wrong by itself. */
  readonly fails?: "activation" | "check";
  readonly unitsFailOnTheWayBack?: boolean;
  /** How it looks from the deployer, after so long; nobody looks when absent. */
  readonly looks?: { readonly healthy: boolean; readonly afterMs: number };
  /** The new system lets nobody in. */
  readonly cutsNetwork?: boolean;
  readonly outages: readonly Span[];
  readonly powerCut?: Span;
  /** Calls, counted from 1, that reach the host but whose answers are lost. */
  readonly answersLost: ReadonlySet<number>;
  /** Calls that the kit cannot answer. */
  readonly callsFailing: ReadonlySet<number>;
  readonly isLocked?: boolean;
}

const STEP_MS = 250;
const CONNECT_TIMEOUT_MS = 10_000;

export class ModelHost implements ActivationKit {
  readonly connection: { readonly address: string } = { address: "web" };
  readonly clock: VirtualClock;
  readonly #fate: Fate;
  #plan: TransactionPlan | undefined;
  #state: TransactionState | undefined;
  readonly #records: JournalRecord[] = [];
  #sinceMs = 0;
  #seenMs = 0;
  #rebooted = false;
  #hasMoved = false;
  #calls = 0;
  #reason: RequestedReason | undefined;

  constructor(clock: VirtualClock, fate: Fate) {
    this.clock = clock;
    this.#fate = fate;
  }

  get state(): TransactionState | undefined {
    this.#advance();
    return this.#state;
  }

  /** Lets time pass until nothing more happens by itself. */
  settle(): TransactionState | undefined {
    for (let i = 0; i < 10_000 && this.state !== undefined && !isFinal(this.state); i++) {
      this.clock.pass(1_000);
      if (this.isUp()) this.#conclude();
    }
    return this.state;
  }

  isUp(): boolean {
    const now = this.clock.nowMs();
    const { powerCut } = this.#fate;
    return powerCut === undefined || now < powerCut.fromMs || now >= powerCut.toMs;
  }

  isReachable(): boolean {
    const now = this.clock.nowMs();
    if (!this.isUp() || this.#fate.outages.some((span) => now >= span.fromMs && now < span.toMs)) return false;
    const state = this.state;
    const isNew =
      state === "checking" || state === "awaiting-confirm" || state === "confirming" || state === "confirmed";
    return !(this.#fate.cutsNetwork === true && isNew && !this.#rebooted);
  }

  begin(plan: TransactionPlan): Promise<BeginAnswer> {
    return this.#call(() => {
      if (this.#fate.isLocked === true) throw heldByAnother("web");
      const reused = this.#plan !== undefined;
      if (!reused) {
        this.#plan = plan;
        this.#enter("recorded", this.clock.nowMs());
      }
      const answer = { id: plan.id, state: this.#state ?? "recorded", previous: "old", reused };
      return plan.goal === "dry-activate" ? { ...answer, units: EMPTY_UNIT_PLAN } : answer;
    });
  }

  facts(): Promise<HostFacts> {
    return this.#call(() => {
      this.#conclude();
      return {} as HostFacts;
    });
  }

  async follow(
    id: string,
    after: number,
    onRecord: (record: JournalRecord) => void,
    call: { readonly deadlineMs?: number },
  ): Promise<JournalAnswer> {
    await this.#call(() => this.#known(id));
    const untilMs = this.clock.nowMs() + (call.deadlineMs ?? 60_000);
    let told = after;
    for (;;) {
      if (!this.isReachable()) {
        // A dead connection is noticed by keep-alives.
        this.clock.pass(15_000);
        throw unreachable("the connection was closed");
      }
      for (const record of this.#records.filter(({ seq }) => seq > told)) {
        onRecord(record);
        told = record.seq;
      }
      const state = this.state;
      if (state === "awaiting-confirm" || (state !== undefined && isFinal(state)))
        return {
          id,
          state,
          records: [],
          ...(isFinal(state)
            ? { receipt: this.#receipt(state) }
            : { revertsInSeconds: Math.round(this.#confirmsUntilMs() - this.clock.nowMs()) / 1000 }),
        };
      if (this.clock.nowMs() >= untilMs) throw timedOut();
      this.clock.pass(STEP_MS);
      await Promise.resolve();
    }
  }

  confirm(id: string): Promise<Receipt> {
    return this.#call(() => {
      this.#known(id);
      if (this.#state !== "awaiting-confirm") throw kitError("KIT_STATE", `it is ${this.#state ?? "nothing"}`);
      this.#enter("confirming", this.clock.nowMs());
      return this.#receipt("confirmed");
    });
  }

  revert(id: string, _call: unknown, reason: RequestedReason): Promise<TransactionStatus> {
    return this.#call(() => {
      this.#known(id);
      this.#conclude();
      const state = this.#state;
      if (state === "confirming" || state === "confirmed" || state === "tested")
        throw kitError("KIT_STATE", `it is ${state}`);
      if (state !== "reverting" && state !== undefined && !isFinal(state)) {
        this.#reason = reason;
        this.#enter("reverting", this.clock.nowMs());
      }
      return {} as TransactionStatus;
    });
  }

  /** Whether it went back because it was asked to. */
  get wasAskedToReturn(): boolean {
    return this.#reason !== undefined;
  }

  #confirmsUntilMs(): number {
    return this.#sinceMs + (this.#plan?.confirmTimeoutSeconds ?? 0) * 1000;
  }

  /** One short call: latency, a connection that may fail, an answer that may be lost. */
  async #call<T>(answer: () => T): Promise<T> {
    this.#calls++;
    await Promise.resolve();
    if (!this.isReachable()) {
      this.clock.pass(CONNECT_TIMEOUT_MS);
      throw unreachable("connection timed out");
    }
    this.clock.pass(STEP_MS);
    this.#advance();
    if (this.#fate.callsFailing.has(this.#calls)) throw new OperationError("KIT_FAILED", "no answer came of it");
    const value = answer();
    this.clock.pass(STEP_MS);
    if (this.#fate.answersLost.has(this.#calls) || !this.isReachable()) throw unreachable("connection lost");
    return value;
  }

  #known(id: string): void {
    if (this.#plan?.id !== id) throw kitError("KIT_UNKNOWN", "there is no such transaction");
  }

  /** After a reboot, the first command on the host writes down how it ended. */
  #conclude(): void {
    this.#advance();
    const state = this.#state;
    if (!this.#rebooted || state === undefined || isFinal(state)) return;
    this.#enter(this.#hasMoved ? "confirmed" : "reverted-by-reboot", this.clock.nowMs());
  }

  /** Brings the host to the present, a step of its own at a time. */
  #advance(): void {
    const now = this.clock.nowMs();
    const { powerCut } = this.#fate;
    if (powerCut !== undefined && this.#seenMs < powerCut.fromMs && now >= powerCut.fromMs) {
      this.#run(powerCut.fromMs);
      if (this.#state !== undefined) this.#rebooted = true;
    }
    this.#seenMs = now;
    this.#run(now);
  }

  #run(untilMs: number): void {
    const plan = this.#plan;
    const fate = this.#fate;
    while (plan !== undefined && this.#state !== undefined && !this.#rebooted) {
      const lasts: Partial<Record<TransactionState, [number, TransactionState]>> = {
        recorded: [500, "activating"],
        activating: [fate.activationMs, fate.fails === "activation" ? "reverting" : "checking"],
        checking: [fate.checkMs, fate.fails === "check" ? "reverting" : "awaiting-confirm"],
        "awaiting-confirm": [plan.confirmTimeoutSeconds * 1000, "reverting"],
        confirming: [700, plan.goal === "test" ? "tested" : "confirmed"],
        reverting: [fate.revertMs, fate.unitsFailOnTheWayBack === true ? "revert-failed" : "reverted"],
      };
      const next = lasts[this.#state];
      if (next === undefined || this.#sinceMs + next[0] > untilMs) {
        if (this.#state === "confirming" && plan.goal === "switch" && untilMs - this.#sinceMs > 350)
          this.#hasMoved = true;
        return;
      }
      this.#enter(next[1], this.#sinceMs + next[0]);
      if (this.#state === "confirmed") this.#hasMoved = true;
    }
  }

  #enter(state: TransactionState, atMs: number): void {
    this.#state = state;
    this.#sinceMs = atMs;
    this.#records.push({
      seq: this.#records.length + 1,
      at: new Date(atMs).toISOString(),
      uptimeMs: atMs,
      bootId: this.#rebooted ? "second" : "first",
      kind: "state",
      state,
    });
  }

  #receipt(outcome: TransactionState): Receipt {
    const reason = this.#reason === undefined ? {} : { reason: this.#reason };
    return { outcome, failedUnits: [], generation: 2, ...reason } as unknown as Receipt;
  }
}

function unreachable(message: string): OperationError {
  return new OperationError("HOST_UNREACHABLE", message, { retryable: true });
}

function timedOut(): OperationError {
  return new OperationError("HOST_TIMEOUT", "no answer in time", { retryable: true });
}

/** How a host refuses that another deployment holds. */
export function heldByAnother(host: string): KitError {
  const transaction: TransactionStatus = {
    id: "other",
    state: "activating",
    goal: "switch",
    system: "other",
    previous: "old",
    operator: { user: "other", host: "desk", pid: 2 },
    planReason: "deploy",
    beganAt: new Date(0).toISOString(),
    bootId: "first",
    lastSeq: 1,
  };
  return new KitError(host, { code: "KIT_LOCKED", message: "another deployment holds it", transaction });
}

function kitError(code: "KIT_STATE" | "KIT_UNKNOWN" | "KIT_FAILED", message: string): KitError {
  return new KitError("web", { code, message });
}
