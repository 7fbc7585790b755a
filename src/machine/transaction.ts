/**
 * The activation transaction as data: the plan a deployer sends, the journal and the receipt a host keeps, the list
 * of steps, and the states they lead through.
 *
 * The executor (`src/kit`) follows this list, the deployer reads the records, and the crash tests are generated
 * from it. `docs/formats/transaction.md` describes the files.
 */

import type { SystemBase } from "./system-object.ts";
import type { HealthCheck, HealthResult } from "./health-check.ts";
import type { Hook, HookMoment, HookResult } from "./hook.ts";
import type { ProfileMove, WantedProfile } from "./profile.ts";
import type { UnitPlan } from "./unit-plan.ts";

/**
 * - `switch`: activate now, become the boot default when confirmed.
 * - `test`: activate now, never become the boot default; a reboot returns to the old system.
 * - `temporary`: as `test`, and when its time is over the host returns by itself.
 * - `boot`: become the boot default when confirmed, activate nothing now.
 * - `reboot`: boot the system once, become the boot default when confirmed after that; else the old default is booted.
 * - `dry-activate`: only say what would be done.
 */
export type TransactionGoal = "switch" | "test" | "temporary" | "boot" | "reboot" | "dry-activate";

export const TRANSACTION_GOALS: readonly TransactionGoal[] = [
  "switch",
  "boot",
  "test",
  "temporary",
  "reboot",
  "dry-activate",
];

/** Who asked for a transaction, shown to whoever is refused meanwhile. */
export interface Operator {
  readonly user: string;
  /** The machine the deployer runs on, and its process there. */
  readonly host: string;
  readonly pid: number;
}

/** What `pristine-kit begin` reads from its standard input. */
export interface TransactionPlan {
  readonly version: 1;
  /** Chosen by the deployer; `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`. Sending the same plan twice is harmless. */
  readonly id: string;
  readonly goal: TransactionGoal;
  /** The declared name of the host, for records. */
  readonly host: string;
  /** The full store path of the system to activate; it must be valid on the host. */
  readonly system: string;
  /** The fully activated system the plan was made against; when given and no longer true, `begin` refuses. */
  readonly expectedPrevious?: string;
  /** The boot default's generation then: another one says that the same system has been confirmed again since. */
  readonly expectedGeneration?: number;
  /** Hash of the approved fleet plan, for records. */
  readonly planHash?: string;
  readonly operator: Operator;
  /** Why, for records: `deploy`, `rollback to generation 7`, … */
  readonly reason: string;
  /** How long the host waits for confirmation once it is activated and healthy. */
  readonly confirmTimeoutSeconds: number;
  /** Goal `temporary`: how long the system stays, from its confirmation on. */
  readonly temporarySeconds?: number;
  /** Goal `reboot`: nobody is there to confirm after the boot; the host does, once its own checks hold. */
  readonly confirmsItself?: true;
  /** A bound on activation and checks together; default 300. */
  readonly activationTimeoutSeconds?: number;
  /** How many generations of the profile are kept; those in use are never removed. */
  readonly keepGenerations: number;
  readonly healthChecks: readonly HealthCheck[];
  /** The host's own, as the system declares them. */
  readonly hooks?: readonly Hook[];
  /** Go on although the systems' switch inhibitors differ. */
  readonly ignoreInhibitors?: boolean;
  /** What the host's profiles are to be, in the order of their activation; absent when they stay as they are. */
  readonly profiles?: readonly WantedProfile[];
}

export type StepName =
  | "preflight"
  | "record"
  | "arm"
  | "decrypt-secrets"
  | "plan-units"
  | "pre-activation"
  | "stop"
  | "flip"
  | "tmpfiles"
  | "reload-manager"
  | "reset-failed"
  | "reload"
  | "restart"
  | "start"
  | "activated"
  | "switch-to-configuration"
  | "boot-once"
  | "reboot"
  | "boot"
  | "post-activation"
  | "health"
  | "pre-confirmation"
  | "await-confirm"
  | "confirm-profile"
  | "confirm-boot-loader"
  | "post-confirmation"
  | "confirm-expiry"
  | "confirm-roots"
  | "confirm-disarm"
  | "confirm-receipt"
  | "confirm-prune"
  | "revert-halt"
  | "pre-rollback"
  | "revert-stop"
  | "revert-flip"
  | "revert-tmpfiles"
  | "revert-reload-manager"
  | "revert-reset-failed"
  | "revert-reload"
  | "revert-restart"
  | "revert-start"
  | "revert-activated"
  | "revert-switch-to-configuration"
  | "revert-boot-loader"
  | "revert-boot-once"
  | "revert-reboot"
  | "revert-roots"
  | "post-rollback"
  | "revert-receipt"
  | "revert-disarm";

/** How a step takes part in a transaction. */
export interface TransactionStep {
  readonly name: StepName;
  readonly phase: "begin" | "activate" | "confirm" | "revert";
  /** Only on hosts of these bases. */
  readonly bases?: readonly SystemBase[];
  readonly goals: readonly TransactionGoal[];
  readonly title: string;
}

const OURS: readonly SystemBase[] = ["debian", "foreign"];
const WHOLE: readonly SystemBase[] = ["debian"];
const NIXOS: readonly SystemBase[] = ["nixos"];
const LIVE: readonly TransactionGoal[] = ["switch", "test", "temporary"];
const TEMPORARY: readonly TransactionGoal[] = ["temporary"];
const REBOOT: readonly TransactionGoal[] = ["reboot"];
const CHECKED: readonly TransactionGoal[] = [...LIVE, "reboot"];
const KEPT: readonly TransactionGoal[] = [...LIVE, "boot", "reboot"];
/** Ended by their confirmation. */
const ENDED: readonly TransactionGoal[] = ["switch", "test", "boot", "reboot"];
const DEFAULT: readonly TransactionGoal[] = ["switch", "boot", "reboot"];

/**
 * Every step of a transaction, in order per phase. Each writes a `begin` and an `end` record; each may be repeated.
 *
 * `begin` runs in the deployer's session and changes nothing that runs; `activate` runs in the supervised unit;
 * `confirm` and `revert` end the transaction, never both.
 */
export const TRANSACTION_STEPS: readonly TransactionStep[] = [
  { name: "preflight", phase: "begin", goals: TRANSACTION_GOALS, title: "check that the host can take the system" },
  { name: "record", phase: "begin", goals: KEPT, title: "record the previous and the new system on disk" },
  { name: "arm", phase: "activate", goals: KEPT, title: "arm the timer that returns to the previous system" },
  {
    name: "decrypt-secrets",
    phase: "activate",
    bases: OURS,
    goals: LIVE,
    title: "decrypt the new system's secrets",
  },
  { name: "plan-units", phase: "activate", bases: OURS, goals: LIVE, title: "compare the units" },
  { name: "pre-activation", phase: "activate", goals: CHECKED, title: "run the hooks before the activation" },
  { name: "stop", phase: "activate", bases: OURS, goals: LIVE, title: "stop units with their old definitions" },
  {
    name: "flip",
    phase: "activate",
    bases: OURS,
    goals: LIVE,
    title: "switch /system to the new system",
  },
  {
    name: "tmpfiles",
    phase: "activate",
    bases: WHOLE,
    goals: LIVE,
    title: "set the host name, create and remove volatile files",
  },
  { name: "reload-manager", phase: "activate", bases: OURS, goals: LIVE, title: "let systemd read the new units" },
  { name: "reset-failed", phase: "activate", bases: OURS, goals: LIVE, title: "forget earlier failures" },
  { name: "reload", phase: "activate", bases: OURS, goals: LIVE, title: "reload units" },
  { name: "restart", phase: "activate", bases: OURS, goals: LIVE, title: "restart units" },
  { name: "start", phase: "activate", bases: OURS, goals: LIVE, title: "start units and targets" },
  { name: "activated", phase: "activate", bases: OURS, goals: LIVE, title: "mark the system as fully activated" },
  {
    name: "boot-once",
    phase: "activate",
    goals: REBOOT,
    title: "let the next boot, and only that, be the new system's",
  },
  { name: "reboot", phase: "activate", goals: REBOOT, title: "reboot" },
  { name: "boot", phase: "activate", goals: REBOOT, title: "wait until the boot has finished" },
  {
    name: "switch-to-configuration",
    phase: "activate",
    bases: NIXOS,
    goals: LIVE,
    title: "let the new system switch to itself",
  },
  { name: "post-activation", phase: "activate", goals: CHECKED, title: "run the hooks after the activation" },
  { name: "health", phase: "activate", goals: CHECKED, title: "run the health checks" },
  { name: "pre-confirmation", phase: "activate", goals: KEPT, title: "run the hooks before the confirmation" },
  { name: "await-confirm", phase: "activate", goals: KEPT, title: "wait for confirmation" },
  { name: "confirm-profile", phase: "confirm", goals: DEFAULT, title: "make the system the boot default" },
  {
    name: "confirm-boot-loader",
    phase: "confirm",
    bases: NIXOS,
    goals: DEFAULT,
    title: "let the boot loader boot it",
  },
  { name: "post-confirmation", phase: "confirm", goals: KEPT, title: "run the hooks after the confirmation" },
  {
    name: "confirm-expiry",
    phase: "confirm",
    goals: TEMPORARY,
    title: "arm the timer that ends the temporary system",
  },
  { name: "confirm-roots", phase: "confirm", goals: ENDED, title: "keep the new and the previous system" },
  { name: "confirm-receipt", phase: "confirm", goals: ENDED, title: "write the receipt" },
  { name: "confirm-disarm", phase: "confirm", goals: KEPT, title: "disarm the timer" },
  { name: "confirm-prune", phase: "confirm", goals: DEFAULT, title: "remove generations beyond the limit" },
  { name: "revert-halt", phase: "revert", goals: KEPT, title: "stop the executor" },
  { name: "pre-rollback", phase: "revert", goals: KEPT, title: "run the hooks before the return" },
  { name: "revert-stop", phase: "revert", bases: OURS, goals: LIVE, title: "stop units of the new system" },
  {
    name: "revert-flip",
    phase: "revert",
    bases: OURS,
    goals: LIVE,
    title: "switch /system to the recorded previous system",
  },
  { name: "revert-tmpfiles", phase: "revert", bases: WHOLE, goals: LIVE, title: "create and remove volatile files" },
  {
    name: "revert-reload-manager",
    phase: "revert",
    bases: OURS,
    goals: LIVE,
    title: "let systemd read the previous units",
  },
  { name: "revert-reset-failed", phase: "revert", bases: OURS, goals: LIVE, title: "forget earlier failures" },
  { name: "revert-reload", phase: "revert", bases: OURS, goals: LIVE, title: "reload units" },
  { name: "revert-restart", phase: "revert", bases: OURS, goals: LIVE, title: "restart units" },
  { name: "revert-start", phase: "revert", bases: OURS, goals: LIVE, title: "start units and targets" },
  {
    name: "revert-activated",
    phase: "revert",
    bases: OURS,
    goals: LIVE,
    title: "mark the previous system as fully activated",
  },
  {
    name: "revert-switch-to-configuration",
    phase: "revert",
    bases: NIXOS,
    goals: LIVE,
    title: "let the recorded previous system switch to itself",
  },
  {
    name: "revert-boot-once",
    phase: "revert",
    goals: REBOOT,
    title: "let the next boot be the boot default's",
  },
  {
    name: "revert-boot-loader",
    phase: "revert",
    bases: NIXOS,
    goals: DEFAULT,
    title: "let the boot loader boot what it did before",
  },
  { name: "revert-reboot", phase: "revert", goals: REBOOT, title: "leave the new system by a reboot" },
  { name: "revert-roots", phase: "revert", goals: KEPT, title: "let go of the new system" },
  { name: "post-rollback", phase: "revert", goals: KEPT, title: "run the hooks after the return" },
  { name: "revert-receipt", phase: "revert", goals: KEPT, title: "write the receipt" },
  { name: "revert-disarm", phase: "revert", goals: KEPT, title: "disarm the timer" },
];

/** Steps that run hooks, and of which moments. Those of a reboot are none of an activation without one. */
export const HOOK_STEPS: ReadonlyMap<StepName, readonly HookMoment[]> = new Map<StepName, readonly HookMoment[]>([
  ["pre-activation", ["preActivation", "preReboot"]],
  ["post-activation", ["postReboot", "postActivation"]],
  ["pre-confirmation", ["preConfirmation"]],
  ["post-confirmation", ["postConfirmation", "finally"]],
  ["pre-rollback", ["preRollback"]],
  ["post-rollback", ["postRollback", "finally"]],
]);

/** The steps of one phase that a goal goes through on a host. */
export function stepsOf(
  phase: TransactionStep["phase"],
  goal: TransactionGoal,
  base: SystemBase = "debian",
): StepName[] {
  return TRANSACTION_STEPS.filter(
    (step) => step.phase === phase && step.goals.includes(goal) && (step.bases ?? [base]).includes(base),
  ).map((step) => step.name);
}

/**
 * - `recorded`: on disk, nothing changed yet.
 * - `activating`, `checking`: the executor is at work.
 * - `awaiting-boot`: goal `reboot`: the host goes down, and has not booted yet.
 * - `awaiting-confirm`: active and healthy; the timer runs, nothing of ours is resident.
 * - `confirming`: the deployer has confirmed; the profile is about to move or has moved.
 * - `temporary`: confirmed; a timer returns the host when the time is over. It does not keep others from beginning.
 * - `reverting`: on the way back to the recorded previous system.
 * - the rest are final and have a receipt.
 */
export type TransactionState =
  | "recorded"
  | "activating"
  | "awaiting-boot"
  | "checking"
  | "awaiting-confirm"
  | "confirming"
  | "temporary"
  | "reverting"
  | TransactionOutcome;

/**
 * - `confirmed`: the new system is the boot default (and, but for goal `boot`, runs).
 * - `tested`: the new system runs until the next reboot (goal `test`).
 * - `planned`: goal `dry-activate`; nothing was changed.
 * - `reverted`: the recorded previous system runs again.
 * - `reverted-by-reboot`: the host went down before confirmation and booted its old default.
 * - `revert-failed`: the previous system is active again, but units of it failed; see `failedUnits` and `reason`.
 * - `superseded`: an interrupted transaction that a later one took over.
 */
export type TransactionOutcome =
  "confirmed" | "tested" | "planned" | "reverted" | "reverted-by-reboot" | "revert-failed" | "superseded";

const OUTCOMES: readonly string[] = [
  "confirmed",
  "tested",
  "planned",
  "reverted",
  "reverted-by-reboot",
  "revert-failed",
  "superseded",
] satisfies readonly TransactionOutcome[];

export function isFinal(state: TransactionState): state is TransactionOutcome {
  return OUTCOMES.includes(state);
}

/** Why a transaction went back. */
export interface RevertReason {
  readonly kind:
    | "step-failed"
    | "units-failed"
    | "health-failed"
    | "deadline"
    | "expired"
    | "hook-failed"
    | "requested"
    | "reboot"
    | "executor-lost";
  readonly step?: StepName;
  /** One sentence for people. */
  readonly message: string;
  /** The last log lines of failed units, or the output of a failed command. */
  readonly log?: readonly string[];
}

/** Why a deployer asks a host to return. */
export type RequestedReason = RevertReason & { readonly kind: (typeof REQUESTED_KINDS)[number] };

export const REQUESTED_KINDS = ["requested", "health-failed", "hook-failed"] as const;

/** What is fixed before anything changes: the explicit way back, and until when it stays open. */
export interface TransactionRecordFacts {
  readonly base: SystemBase;
  readonly previous: string;
  /** What the profile named when the transaction began; the boot default until confirmation. */
  readonly profile: string | null;
  readonly bootId: string;
  /** Seconds since boot (monotonic) when the transaction began. */
  readonly beganAtSeconds: number;
  /** Systems besides the previous one that an interrupted switch may have left partly active. */
  readonly partial: readonly string[];
  /** The newest generation then, which need not be the boot default's; absent in what earlier versions wrote. */
  readonly newestGeneration?: number;
  /** The boot default's, where it has one. */
  readonly generation?: number;
  /** An interrupted transaction this one took over. */
  readonly supersedes?: string;
  /** How many transactions came before on this host, and one: their order, whatever its clock says. */
  readonly ordinal?: number;
}

interface JournalRecordBase {
  /** 1, 2, 3, …; a gap means that the disk was full. */
  readonly seq: number;
  /** Wall clock, for people: ISO 8601 in UTC with milliseconds. */
  readonly at: string;
  /** Milliseconds since boot, for durations. */
  readonly uptimeMs: number;
  readonly bootId: string;
}

export type JournalEvent =
  /** The first record: what was recorded before anything changed. */
  | { readonly kind: "recorded"; readonly facts: TransactionRecordFacts }
  | { readonly kind: "step"; readonly step: StepName; readonly event: "begin" }
  | { readonly kind: "step"; readonly step: StepName; readonly event: "end" }
  | { readonly kind: "step"; readonly step: StepName; readonly event: "failed"; readonly message: string }
  | { readonly kind: "state"; readonly state: TransactionState; readonly reason?: RevertReason }
  /** When the host will return by itself, in seconds since boot (`uptimeMs / 1000`). */
  | { readonly kind: "deadline"; readonly atSeconds: number; readonly isExpiry?: true }
  | { readonly kind: "units"; readonly direction: "forward" | "back"; readonly units: UnitPlan }
  /** Units that were active, and that had failed, before anything was stopped; the way back restores them. */
  | { readonly kind: "active-units"; readonly units: readonly string[]; readonly failed: readonly string[] }
  | { readonly kind: "health"; readonly result: HealthResult }
  /** A hook begins, with its command; with its result, it has ended. */
  | {
      readonly kind: "hook";
      readonly name: string;
      readonly moment: HookMoment;
      readonly command?: readonly string[];
      readonly result?: HookResult;
    }
  /** A profile whose link is about to be moved, or is what it is to be already. */
  | { readonly kind: "profile"; readonly move: ProfileMove }
  | { readonly kind: "note"; readonly message: string };

/** One line of `journal.jsonl`. */
export type JournalRecord = JournalRecordBase & JournalEvent;

/** `receipt.json`: what became of a transaction. */
export interface Receipt {
  readonly version: 1;
  readonly id: string;
  readonly host: string;
  readonly goal: TransactionGoal;
  readonly outcome: TransactionOutcome;
  /** Present when the outcome is a way back. */
  readonly reason?: RevertReason;
  readonly system: string;
  readonly previous: string;
  /** The profile's generation number, when confirmed. */
  readonly generation?: number;
  readonly operator: Operator;
  readonly planReason: string;
  readonly planHash?: string;
  readonly bootId: string;
  /** The place among the host's transactions; absent in what earlier versions wrote, which came before. */
  readonly ordinal?: number;
  readonly beganAt: string;
  readonly endedAt: string;
  /** Milliseconds per step, in the order they ran. */
  readonly durations: readonly { readonly step: StepName; readonly milliseconds: number }[];
  readonly units: UnitPlan;
  readonly health: readonly HealthResult[];
  /** The host's hooks that ran, in order. */
  readonly hooks?: readonly HookResult[];
  /** Profiles that it came to, with what they were before. */
  readonly profiles?: readonly ProfileMove[];
  /** On a way back: what the system that was left may have done to data. */
  readonly data?: readonly string[];
  /** Failed units at the end. */
  readonly failedUnits: readonly string[];
}

/** An unfinished or finished transaction as `status`, `begin` and `confirm` show it. */
export interface TransactionStatus {
  readonly id: string;
  readonly state: TransactionState;
  readonly goal: TransactionGoal;
  readonly system: string;
  readonly previous: string;
  readonly operator: Operator;
  readonly planReason: string;
  readonly beganAt: string;
  readonly bootId: string;
  /** Seconds until the host returns by itself; absent when no timer runs. */
  readonly revertsInSeconds?: number;
  readonly lastSeq: number;
  readonly reason?: RevertReason;
}

/** `/nix/var/pristine/lock`: which transaction holds the host. */
export interface TransactionLock {
  readonly id: string;
  readonly bootId: string;
  readonly operator: Operator;
  readonly goal: TransactionGoal;
  readonly system: string;
  readonly since: string;
  /** The unfinished transaction that it takes over from. */
  readonly supersedes?: string;
}

/** How the kit says no, on standard output, with a non-zero exit. */
export interface KitFailure {
  readonly error: {
    /** `KIT_LOCKED`, `KIT_PREFLIGHT`, … see `KitErrorCode`. */
    readonly code: KitErrorCode;
    readonly message: string;
    readonly hint?: string;
    readonly lock?: TransactionLock;
    readonly transaction?: TransactionStatus;
  };
}

export type KitErrorCode =
  /** The plan or the command line cannot be understood. */
  | "KIT_USAGE"
  /** Another transaction holds the host. */
  | "KIT_LOCKED"
  /** The host runs another system than the plan was made against. */
  | "KIT_MOVED"
  /** The system is not valid in the host's store, or lacks what a system needs. */
  | "KIT_SYSTEM_INVALID"
  | "KIT_DISK_FULL"
  | "KIT_INHIBITED"
  /** Something that is not ours is where a file or a unit of a foreign host would be. */
  | "KIT_IN_THE_WAY"
  /** A system lacks the program of a hook. */
  | "KIT_HOOK_MISSING"
  /** The host cannot decrypt a secret, or something is where it is to be. */
  | "KIT_SECRETS"
  /** No such transaction. */
  | "KIT_UNKNOWN"
  /** The transaction is not in a state that allows this. */
  | "KIT_STATE"
  /** A restricted deploy user may not do this. */
  | "KIT_REFUSED"
  /** A bundle is damaged, was changed, or is none. */
  | "KIT_BUNDLE_INVALID"
  /** A bundle is signed by a key that the host does not trust. */
  | "KIT_BUNDLE_KEY"
  /** A bundle is for another host or another fleet. */
  | "KIT_BUNDLE_OTHER"
  /** A bundle is for a host that runs another system than this one does. */
  | "KIT_BUNDLE_BASE"
  | "KIT_BUNDLE_EXPIRED"
  /** A bundle was applied before, or is older than what was. */
  | "KIT_BUNDLE_REPLAYED"
  /** Something on the host failed. */
  | "KIT_FAILED";

/** What `begin` prints. `reused` says that this very plan was begun before; nothing was started twice. */
export interface BeginAnswer {
  readonly id: string;
  readonly state: TransactionState;
  readonly previous: string;
  readonly reused: boolean;
  /** Only for `dry-activate`. */
  readonly units?: UnitPlan;
  /** Only for `dry-activate`: what a system's own `switch-to-configuration` says. */
  readonly output?: readonly string[];
}

/** What `journal ID --after N` prints; with `--follow` each record is a line, and this without `records` comes last. */
export interface JournalAnswer {
  readonly id: string;
  readonly state: TransactionState;
  readonly records: readonly JournalRecord[];
  readonly receipt?: Receipt;
  /** Seconds until the host returns by itself; absent when no timer runs. */
  readonly revertsInSeconds?: number;
}
