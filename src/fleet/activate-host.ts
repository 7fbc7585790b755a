/**
 * Drives one host's activation transaction from the deployer's side: begin, follow, confirm over a fresh connection.
 *
 * The host does everything by itself and returns by itself when nobody confirms. What happens here is only to ask,
 * to watch, and to confirm; losing the connection, or this process, at any point is therefore harmless.
 */

import type { Clock } from "../base/clock.ts";
import { OperationError } from "../base/errors.ts";
import { describeFailures, type HealthResult } from "../machine/health-check.ts";
import {
  isFinal,
  type JournalAnswer,
  type JournalRecord,
  type RequestedReason,
  type TransactionPlan,
} from "../machine/transaction.ts";
import { hooksAt, hookSecondsOf } from "../machine/hook.ts";
import { PROFILE_SECONDS_MAX } from "../machine/profile.ts";
import type { UnitPlan } from "../machine/unit-plan.ts";
import { type HostKit, KitError } from "./host-kit.ts";
import type { HostResult } from "./outcome.ts";

/** What an activation asks of a host's kit. */
export interface ActivationKit extends Pick<HostKit, "begin" | "facts" | "follow" | "confirm" | "revert"> {
  readonly connection: { readonly address: string };
}

export interface ActivationOptions {
  readonly kit: ActivationKit;
  readonly plan: TransactionPlan;
  readonly clock: Clock;
  /** Looks at the activated host from here, within a time, before it is confirmed. */
  readonly checkHealth?: (withinMs: number) => Promise<readonly HealthResult[]>;
  /** Ends the attempt before it has begun; afterwards the activation is only reported. */
  readonly cancel: AbortSignal;
  /** Stops watching, whatever the state; the host then goes on by itself. */
  readonly abandon: AbortSignal;
  /** Called once the host is active and healthy, before it is confirmed; a hook or upload that failed sends it back. */
  readonly beforeConfirm?: () => Promise<void>;
  readonly onRecord: (record: JournalRecord) => void;
  readonly onNote: (text: string) => void;
}

/** Between tries to reach a host whose connection was lost. */
const RETRY_PAUSE_MS = 1_000;
/** After the host's own deadline: how long it may take to return and to answer again. */
const RETURN_GRACE_MS = 90_000;
/** Goal `reboot`: how long two boots may take, one into the new system and one back. */
const REBOOT_MS = 600_000;
const ACTIVATION_TIMEOUT_SECONDS = 300;
const CONFIRM_DEADLINE_MS = 20_000;
/** What checks leave for confirming of the time that is left: this, or a third of it when that is less. */
const CONFIRM_RESERVE_MS = 10_000;
const REVERT_DEADLINE_MS = 60_000;
const BEGIN_ATTEMPTS_MAX = 6;

export async function activateHost(options: ActivationOptions): Promise<HostResult> {
  const began = await beginOnce(options);
  if (began.units !== undefined) {
    for (const line of began.output ?? []) options.onNote(line);
    return { status: "planned", units: began.units, ...(began.output && { output: began.output }) };
  }
  const became = await watchActivation(options, began);
  if (became !== undefined) return became;
  if (began.refusal !== undefined) throw began.refusal;
  return { status: "unreachable", reason: `${options.kit.connection.address} was lost before the activation began` };
}

/** What becomes of an activation that an earlier process may have begun; undefined when the host never heard of it. */
export async function resumeActivation(options: ActivationOptions): Promise<HostResult | undefined> {
  return await watchActivation(options, { isCertain: false });
}

async function watchActivation(options: ActivationOptions, began: Began): Promise<HostResult | undefined> {
  const { kit, plan, clock } = options;
  const host = kit.connection.address;
  const activationMs = (plan.activationTimeoutSeconds ?? ACTIVATION_TIMEOUT_SECONDS) * 1000;
  const rebootMs = plan.goal === "reboot" ? REBOOT_MS : 0;
  // What runs on the way back, and after a confirmation, has its own time.
  const scriptSeconds = (plan.profiles ?? []).length * PROFILE_SECONDS_MAX;
  const moreMs = rebootMs + (hookSecondsOf(plan.hooks ?? []) + scriptSeconds) * 1000 + RETURN_GRACE_MS;
  const giveUpAtMs = clock.nowMs() + activationMs + plan.confirmTimeoutSeconds * 1000 + moreMs;
  let isBegun = began.isCertain;
  let confirming = false;
  let lost = !isBegun;
  let wasLost = lost;
  let rebooting = false;
  let after = 0;
  let previous = plan.expectedPrevious ?? "";
  let refusal: string | undefined;
  /** How the host looks from here: what failed, once it was looked at. */
  let verdict: Verdict | undefined;
  const pause = (): Promise<void> => clock.sleep(RETRY_PAUSE_MS, options.abandon).catch(() => undefined);
  while (clock.nowMs() < giveUpAtMs && !options.abandon.aborted) {
    try {
      // Asking for facts also lets a host that was rebooted meanwhile conclude what the earlier boot left behind.
      if (lost || rebooting) await kit.facts({ signal: options.abandon, fresh: true });
      const call = {
        signal: options.abandon,
        deadlineMs: Math.max(5_000, Math.min(activationMs, giveUpAtMs - clock.nowMs())),
        // What carried the old connection may be gone for good; a dead one is noticed late.
        fresh: wasLost || rebooting,
      };
      const answer = await kit.follow(
        plan.id,
        after,
        (record) => {
          after = Math.max(after, record.seq);
          if (record.kind === "recorded") ({ previous } = record.facts);
          if (record.kind === "state" && record.state === "awaiting-boot" && !rebooting) {
            rebooting = true;
            options.onNote("waiting for it to boot");
          }
          options.onRecord(record);
        },
        call,
      );
      isBegun = true;
      if (lost) options.onNote("the host answers again");
      lost = false;
      if (isFinal(answer.state)) return resultOf(answer, { refusal, unhealthy: verdict?.failure });
      if (answer.state === "temporary") {
        const until = clock.wallClock().getTime() + (answer.revertsInSeconds ?? 0) * 1000;
        return { status: "temporary", previous, until: new Date(until).toISOString() };
      }
      if (answer.state === "awaiting-confirm") verdict ??= await verdictOf(options, answer);
      if (answer.state === "awaiting-confirm" && verdict?.failure !== undefined) {
        options.onNote("asking the host to return");
        await askToReturn(kit, plan.id, { kind: verdict.kind, message: verdict.failure }, options.abandon);
        await pause();
      } else if (answer.state === "awaiting-confirm" && refusal === undefined) {
        if (!confirming) options.onNote("confirming over a fresh connection");
        confirming = true;
        refusal = await confirm(kit, plan, options.abandon);
        if (refusal !== undefined) await pause();
      } else {
        await pause();
        // A host that was restarted in between ends the transaction when it is asked for facts.
        if (!rebooting) await kit.facts({ signal: options.abandon, fresh: wasLost });
      }
    } catch (error) {
      if (options.abandon.aborted) break;
      // From here on the host acts by itself, whatever it answers: no failure to ask ends the watching.
      if (!(error instanceof OperationError)) throw error;
      if (error.code === "KIT_UNKNOWN") {
        if (!isBegun) return undefined;
        return { status: "unknown", reason: `${host} no longer knows of this activation` };
      }
      if (!lost && (!rebooting || confirming)) options.onNote(lossText(error, confirming));
      lost = true;
      wasLost = true;
      await pause();
    }
  }
  return {
    status: "unknown",
    reason: unknownText(host, plan, { isBegun, confirming, isAbandoned: options.abandon.aborted }),
  };
}

/** Whether anything here speaks against a confirmation. */
interface Verdict {
  readonly kind: RequestedReason["kind"];
  readonly failure: string | undefined;
}

async function verdictOf(options: ActivationOptions, answer: JournalAnswer): Promise<Verdict> {
  const { failure } = await healthFromHere(options, answer);
  if (failure !== undefined) return { kind: "health-failed", failure };
  try {
    await options.beforeConfirm?.();
    return { kind: "hook-failed", failure: undefined };
  } catch (error) {
    if (!(error instanceof OperationError) || !OUR_FAILURES.has(error.code)) throw error;
    options.onNote(error.message);
    return { kind: "hook-failed", failure: wordOf(error.message) };
  }
}

/** What went wrong is known, and trying again would not mend it. */
const OUR_FAILURES = new Set(["HOOK_FAILED", "UPLOAD_FAILED", "UPLOAD_SOURCE"]);

/** How long checks from here may take when a host waits so long for its confirmation. */
export function checkTimeMs(confirmSeconds: number): number {
  return confirmSeconds * 1000 - Math.min(CONFIRM_RESERVE_MS, (confirmSeconds * 1000) / 3);
}

/** Looks at the host from here, in the time that it waits for its confirmation. */
async function healthFromHere(
  { plan, checkHealth, onNote }: ActivationOptions,
  { revertsInSeconds = plan.confirmTimeoutSeconds }: JournalAnswer,
): Promise<{ readonly failure: string | undefined }> {
  if (checkHealth === undefined) return { failure: undefined };
  onNote("checking the health from here");
  const failures = describeFailures(await checkHealth(checkTimeMs(revertsInSeconds)));
  return { failure: failures === undefined ? undefined : wordOf(failures) };
}

const FAILURE_CHARS_MAX = 2000;

/** What a server or a command said becomes a word of a command line. */
function wordOf(failure: string): string {
  return failure.replace(/\p{Cc}+/gu, " ").slice(0, FAILURE_CHARS_MAX);
}

/** Asks the host to return at once; it does so by its timer when it cannot be asked. */
async function askToReturn(
  kit: ActivationKit,
  id: string,
  reason: RequestedReason,
  signal: AbortSignal,
): Promise<void> {
  try {
    await kit.revert(id, { signal, fresh: true, deadlineMs: REVERT_DEADLINE_MS }, reason);
  } catch (error) {
    // It is on its way already, or there; its journal tells.
    if (error instanceof KitError && error.failure.code === "KIT_STATE") return;
    throw error;
  }
}

/** Confirms; the text of a refusal that is for good: the host is on its way back, which its journal will tell. */
async function confirm(kit: ActivationKit, plan: TransactionPlan, signal: AbortSignal): Promise<string | undefined> {
  try {
    const hooksMs = hookSecondsOf(hooksAt(plan.hooks ?? [], "host", "postConfirmation", "finally")) * 1000;
    await kit.confirm(plan.id, { signal, fresh: true, deadlineMs: CONFIRM_DEADLINE_MS + hooksMs });
    return undefined;
  } catch (error) {
    if (error instanceof KitError && error.failure.code === "KIT_STATE") return error.message;
    throw error;
  }
}

function lossText(error: OperationError, confirming: boolean): string {
  if (!CONNECTION_CODES.has(error.code)) return `the host could not answer: ${error.message}`;
  return confirming ? `a fresh connection failed: ${error.message}` : `the connection was lost: ${error.message}`;
}

function unknownText(
  host: string,
  plan: TransactionPlan,
  known: { readonly isBegun: boolean; readonly confirming: boolean; readonly isAbandoned: boolean },
): string {
  const what = known.isAbandoned ? `${host} was left to itself` : `${host} was not heard of again`;
  const begun = known.isBegun ? "" : "; if its activation began at all,";
  const returns = `it returns to its previous system by itself ${plan.confirmTimeoutSeconds} s after ${plan.goal === "reboot" ? "its boot" : "activation"}`;
  return `${what}${begun === "" ? ";" : begun} ${returns}${known.confirming ? ", unless it has received the confirmation" : ""}`;
}

const CONNECTION_CODES = new Set(["HOST_UNREACHABLE", "HOST_TIMEOUT", "HOST_PERMISSION_DENIED", "HOST_KEY_MISMATCH"]);

interface Began {
  /** Whether the host said so; else it may or may not have begun. */
  readonly isCertain: boolean;
  /** What it said when it was asked once more: it counts if the host then turns out never to have begun. */
  readonly refusal?: KitError;
  /** Only for `dry-activate`. */
  readonly units?: UnitPlan;
  readonly output?: readonly string[];
}

/** Begins the transaction exactly once, also when the connection is lost while asking. */
async function beginOnce(options: ActivationOptions): Promise<Began> {
  const { kit, plan } = options;
  options.cancel.throwIfAborted();
  /** A question may have been heard whose answer was not. */
  let mayBeHeard = false;
  let refusal: KitError | undefined;
  for (let attempt = 0; attempt < BEGIN_ATTEMPTS_MAX; attempt++) {
    try {
      // The same plan again is harmless: the kit recognises its id.
      const answer = await kit.begin(plan, { signal: options.abandon, fresh: attempt > 0 });
      const { units, output } = answer;
      return { isCertain: true, ...(units && { units }), ...(output && { output }) };
    } catch (error) {
      // Whatever happens after the question was sent, the host may have heard it.
      if (options.abandon.aborted) return { isCertain: false };
      const isAnswer = (error instanceof KitError && !isBusy(error)) || !(error instanceof OperationError);
      // Asked once more, a host that has begun may fail before it comes to recognise the plan, as with a full disk.
      if (mayBeHeard && isAnswer && error instanceof KitError) return { isCertain: false, refusal: error };
      if (isAnswer || (attempt === 0 && NOT_SENT_CODES.has(error.code))) throw error;
      if (error instanceof KitError) refusal = error;
      else mayBeHeard = true;
      const what = error instanceof KitError ? "the host cannot begin yet" : "the connection was lost while beginning";
      if (attempt === 0) options.onNote(`${what}: ${error.message}`);
      await options.clock.sleep(RETRY_PAUSE_MS, options.abandon).catch(() => undefined);
    }
  }
  // Refused each time it was asked, it has begun nothing.
  if (refusal !== undefined && !mayBeHeard) throw refusal;
  return { isCertain: false };
}

/** Another command is at work on the host, be it the way back from this very plan: that says nothing of the plan. */
function isBusy({ failure }: KitError): boolean {
  return failure.code === "KIT_LOCKED" && failure.transaction === undefined;
}

/** Failures that come before anything could be sent. */
const NOT_SENT_CODES = new Set(["HOST_PERMISSION_DENIED", "HOST_KEY_MISMATCH"]);

function resultOf(
  answer: JournalAnswer,
  known: { readonly refusal: string | undefined; readonly unhealthy: string | undefined },
): HostResult {
  const { receipt } = answer;
  const reason = receipt?.reason;
  const log = reason?.log ?? [];
  const told = reason?.message ?? known.refusal ?? known.unhealthy ?? answer.state;
  // The host may have returned by its timer, when it could not be asked to.
  const why =
    known.unhealthy === undefined || told.startsWith(known.unhealthy) ? told : `${known.unhealthy}; then ${told}`;
  switch (answer.state) {
    case "confirmed":
      if (receipt !== undefined) return { status: "activated", receipt };
      break;
    case "tested":
      if (receipt !== undefined) return { status: "tested", receipt };
      break;
    case "revert-failed":
      return {
        status: "rolled-back",
        reason: `${why}; on the way back units failed: ${receipt?.failedUnits.join(", ") ?? ""}`,
        log,
        ...(receipt && { receipt }),
      };
    case "superseded":
      return {
        status: "unknown",
        reason: "another deployment took over before this one ended",
        ...(receipt && { receipt }),
      };
    default:
      return { status: "rolled-back", reason: why, log, ...(receipt && { receipt }) };
  }
  return { status: "unknown", reason: `the transaction ended as '${answer.state}' without a receipt` };
}
