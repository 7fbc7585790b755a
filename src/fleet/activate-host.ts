/**
 * Drives one host's activation transaction from the deployer's side: begin, follow, confirm over a fresh connection.
 *
 * The host does everything by itself and returns by itself when nobody confirms. What happens here is only to ask,
 * to watch, and to confirm; losing the connection, or this process, at any point is therefore harmless.
 */

import type { Clock } from "../base/clock.ts";
import { OperationError } from "../base/errors.ts";
import { isFinal, type JournalAnswer, type JournalRecord, type TransactionPlan } from "../machine/transaction.ts";
import { type HostKit, KitError } from "./host-kit.ts";
import type { HostResult } from "./outcome.ts";

export interface ActivationOptions {
  readonly kit: HostKit;
  readonly plan: TransactionPlan;
  readonly clock: Clock;
  /** Ends the attempt before it has begun; afterwards the activation is only reported. */
  readonly cancel: AbortSignal;
  /** Stops watching, whatever the state; the host then goes on by itself. */
  readonly abandon: AbortSignal;
  readonly onRecord: (record: JournalRecord) => void;
  readonly onNote: (text: string) => void;
}

/** Between tries to reach a host whose connection was lost. */
const RETRY_PAUSE_MS = 1_000;
/** After the host's own deadline: how long it may take to return and to answer again. */
const RETURN_GRACE_MS = 90_000;
const ACTIVATION_TIMEOUT_SECONDS = 300;

export async function activateHost(options: ActivationOptions): Promise<HostResult> {
  const { kit, plan, clock } = options;
  const began = await beginOnce(options);
  if (began === "not-begun") {
    return { status: "unreachable", reason: `${kit.connection.target.host} was lost before the activation began` };
  }
  if (began.units !== undefined) return { status: "planned", units: began.units };

  const activationMs = (plan.activationTimeoutSeconds ?? ACTIVATION_TIMEOUT_SECONDS) * 1000;
  const giveUpAtMs = clock.nowMs() + activationMs + plan.confirmTimeoutSeconds * 1000 + RETURN_GRACE_MS;
  let confirming = false;
  let lost = false;
  let after = 0;
  let refusal: string | undefined;
  while (clock.nowMs() < giveUpAtMs && !options.abandon.aborted) {
    try {
      // Asking for facts also lets a host that was rebooted meanwhile conclude what the earlier boot left behind.
      if (lost) await kit.facts({ signal: options.abandon, fresh: true });
      const call = {
        signal: options.abandon,
        deadlineMs: Math.max(5_000, Math.min(activationMs, giveUpAtMs - clock.nowMs())),
        fresh: lost,
      };
      const answer = await kit.follow(
        plan.id,
        after,
        (record) => {
          after = Math.max(after, record.seq);
          options.onRecord(record);
        },
        call,
      );
      if (lost) options.onNote("the host answers again");
      lost = false;
      if (isFinal(answer.state)) return resultOf(answer, refusal);
      if (answer.state === "awaiting-confirm" && refusal === undefined) {
        if (!confirming) options.onNote("confirming over a fresh connection");
        confirming = true;
        await kit.confirm(plan.id, { signal: options.abandon, fresh: true, deadlineMs: 20_000 });
      } else {
        await clock.sleep(RETRY_PAUSE_MS, options.abandon);
      }
    } catch (error) {
      if (options.abandon.aborted) break;
      if (error instanceof KitError) {
        // The host no longer lets itself be confirmed: it is on its way back, which the journal will tell.
        refusal = error.message;
        await clock.sleep(RETRY_PAUSE_MS, options.abandon).catch(() => undefined);
        continue;
      }
      if (!(error instanceof OperationError) || !CONNECTION_CODES.has(error.code)) throw error;
      if (!lost)
        options.onNote(
          confirming ? `a fresh connection failed: ${error.message}` : `the connection was lost: ${error.message}`,
        );
      lost = true;
      await clock.sleep(RETRY_PAUSE_MS, options.abandon).catch(() => undefined);
    }
  }
  const seconds = plan.confirmTimeoutSeconds;
  return {
    status: "unknown",
    reason: `${kit.connection.target.host} was not heard of again; it returns to its previous system by itself ${seconds} s after activation`,
  };
}

const CONNECTION_CODES = new Set(["HOST_UNREACHABLE", "HOST_TIMEOUT", "HOST_PERMISSION_DENIED", "HOST_KEY_MISMATCH"]);

/** Begins the transaction exactly once, also when the connection is lost while asking. */
async function beginOnce(
  options: ActivationOptions,
): Promise<{ units?: import("../machine/unit-plan.ts").UnitPlan } | "not-begun"> {
  const { kit, plan } = options;
  options.cancel.throwIfAborted();
  try {
    return await kit.begin(plan, { signal: options.abandon });
  } catch (error) {
    if (!(error instanceof OperationError) || !error.retryable) throw error;
    options.onNote(`the connection was lost while beginning: ${error.message}`);
  }
  for (let attempt = 0; attempt < 5; attempt++) {
    await options.clock.sleep(RETRY_PAUSE_MS, options.abandon);
    try {
      // The same plan again is harmless: the kit recognises its id.
      return await kit.begin(plan, { signal: options.abandon, fresh: true });
    } catch (error) {
      if (!(error instanceof OperationError) || !error.retryable) throw error;
    }
  }
  return "not-begun";
}

function resultOf(answer: JournalAnswer, refusal: string | undefined): HostResult {
  const { receipt } = answer;
  const log = receipt?.reason?.log ?? [];
  const why = receipt?.reason?.message ?? refusal ?? answer.state;
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
    default:
      return { status: "rolled-back", reason: why, log, ...(receipt && { receipt }) };
  }
  return { status: "unknown", reason: `the transaction ended as '${answer.state}' without a receipt` };
}
