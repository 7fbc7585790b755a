/**
 * The cases of the fault matrix: every step of the transaction, as the code lists them, times every fault; and what
 * cannot be combined, with the reason.
 */

import type { SystemBase } from "../../../src/machine/system-object.ts";
import {
  TRANSACTION_STEPS,
  type StepName,
  type TransactionGoal,
  type TransactionStep,
} from "../../../src/machine/transaction.ts";

export const FAULTS = [
  "deployer-killed",
  "ssh-cut",
  "power-cut",
  "executor-killed",
  "disk-full",
  "sshd-broken",
  "clock-forwards",
  "clock-backwards",
] as const;
export type Fault = (typeof FAULTS)[number];

/** Faults that take a machine of one's own: a kernel that loses its memory, and a clock that is nobody else's. */
const VIRTUAL: readonly Fault[] = ["power-cut", "clock-forwards", "clock-backwards"];

export interface Pair {
  readonly step: StepName;
  readonly phase: TransactionStep["phase"];
  readonly fault: Fault;
}

export interface DrivenPair extends Pair {
  /** Of the deployment: a step that a switch does not have is driven with a goal that has it. */
  readonly goal: TransactionGoal;
  /** What the host is made of; most steps are the same on hosts of both. */
  readonly base: SystemBase;
  /** The host is a virtual machine, not a container. */
  readonly isVirtual: boolean;
  /** Where it strikes, as `src/kit/fault-points.ts` has it, without the action. */
  readonly point: string;
}

/** A pair that cannot be. */
export interface ImpossiblePair extends Pair {
  readonly reason: string;
}

/** What a driven pair came to. */
export interface CaseResult extends DrivenPair {
  /** What the host serves afterwards, `old` or `new`, when all is well; else what is wrong. */
  readonly serves: string;
  /** What the transaction's receipt on the host says. */
  readonly receipt: string;
  /** What the deployer said of the host. */
  readonly deployer: string;
}

export function isWell({ serves }: CaseResult): boolean {
  return serves === "old" || serves === "new";
}

export type MatrixCase = CaseResult | ImpossiblePair;

/** Steps that have no record of their end: those after the receipt write none, and one ends with the boot. */
const UNENDED: Partial<Record<StepName, string>> = {
  "confirm-disarm": "before disarm",
  "confirm-prune": "after disarm",
  "revert-disarm": "before disarm",
  "revert-reboot": "after revert-reboot.begin",
};

const VIRTUAL_NIXOS =
  "virtual hosts are of the Debian base: this step is only on those of NixOS, whose transaction the simulation cuts at every record";
const SHUT_OUT = "a change that shuts the deployer out is never confirmed, as that needs a fresh connection";

/** What a pair can be driven with: in the end a host serves what it boots. Every step is in one of them. */
const GOALS: readonly TransactionGoal[] = ["switch", "reboot", "temporary"];

export function matrixPairs(steps: readonly TransactionStep[] = TRANSACTION_STEPS): (DrivenPair | ImpossiblePair)[] {
  return steps.flatMap((step) => FAULTS.map((fault) => pairOf(step, fault)));
}

function pairOf(
  { name, phase, bases: [base = "debian"] = [], goals }: TransactionStep,
  fault: Fault,
): DrivenPair | ImpossiblePair {
  const pair: Pair = { step: name, phase, fault };
  const isVirtual = VIRTUAL.includes(fault);
  if (base === "nixos" && isVirtual) return { ...pair, reason: VIRTUAL_NIXOS };
  if (fault === "sshd-broken" && phase === "confirm") return { ...pair, reason: SHUT_OUT };
  const goal = GOALS.find((one) => goals.includes(one));
  if (goal === undefined) throw new Error(`no goal of ${GOALS.join(", ")} has the step ${name}`);
  // A full disk is there before the step acts; everything else strikes between what it did and the record of it.
  const point = UNENDED[name] ?? (fault === "disk-full" ? `after ${name}.begin` : `before ${name}.end`);
  return { ...pair, goal, base, isVirtual, point };
}
