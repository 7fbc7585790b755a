/**
 * The executor: takes a recorded transaction forward, step by step, until it awaits confirmation, and back when
 * anything fails. Where the plan says that the host confirms itself, it asks for that too. It runs in a unit of its own; killed at any point, running it again goes on from the journal.
 */

import { describeFailures } from "../machine/health-check.ts";
import { isFinal, stepsOf, type RevertReason, type StepName, type TransactionState } from "../machine/transaction.ts";
import { EMPTY_UNIT_PLAN } from "../machine/unit-plan.ts";
import {
  actLive,
  activationTimeoutSeconds,
  failedUnits,
  forwardActivation,
  logsOf,
  newlyFailed,
  planUnits,
  type Activation,
} from "./activation.ts";
import { askToConfirm } from "./ask-kit.ts";
import { isBootedOnce, reboot, setBootOnce } from "./boot-once.ts";
import { noteDataVersions, snapshotsFor } from "./data-versions.ts";
import { armDeadline } from "./deadline.ts";
import { runHealthChecks } from "./health.ts";
import { runHookStep } from "./hooks.ts";
import type { Host, Outcome } from "./host.ts";
import { StepFailure } from "./kit-error.ts";
import { activateProfiles } from "./profiles.ts";
import { revert } from "./revert.ts";
import { decryptSecrets } from "./secrets.ts";
import { switchTo } from "./switch-to-configuration.ts";
import { EXECUTOR_UNIT, TIMERS, TransactionRecord } from "./transaction-record.ts";

/** What is left of the time for an activation when its checks must have ended. */
const END_SECONDS = 10;

/** Starts the executor in its unit. */
export function superviseExecutor(host: Host, record: TransactionRecord): Outcome {
  return host.units.supervise({
    unit: EXECUTOR_UNIT.slice(0, -".service".length),
    description: `Activate ${record.plan.system}`,
    command: [host.kitCommand, "run", record.id],
  });
}

/** States that the executor has led to: what follows is another's matter. */
const CONFIRMABLE: ReadonlySet<TransactionState> = new Set(["awaiting-confirm", "confirming", "temporary"]);

/** Runs the transaction to the point where it awaits confirmation or a boot, or has none to wait for, or back. */
export function execute(host: Host, id: string): void {
  const record = TransactionRecord.openKnown(host, id);
  if (isFinal(record.state) || record.bootId !== host.bootId()) return;
  if (record.state === "reverting") {
    revert(host, record, { isExecutor: true });
    return;
  }
  try {
    if (!CONFIRMABLE.has(record.state)) activate(host, record);
  } catch (error) {
    revert(host, record, { isExecutor: true, reason: reasonOf(error) });
    return;
  }
  // Failing, it is tried again by systemd, and at last the timer returns the host.
  if (record.plan.confirmsItself === true && CONFIRMABLE.has(record.state)) askToConfirm(host, id);
}

function activate(host: Host, record: TransactionRecord): void {
  if (record.state === "recorded") record.setState("activating");
  const activation = forwardActivation(host, record);
  for (const step of stepsOf("activate", record.plan.goal, record.base)) {
    if (record.hasEnded(step)) continue;
    record.append({ kind: "step", step, event: "begin" });
    try {
      if (step === "reboot" && !isBootedOnce(host, record)) {
        record.setState("awaiting-boot");
        reboot(host);
        return;
      }
      act(activation, step);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      record.append({ kind: "step", step, event: "failed", message });
      if (error instanceof StepFailure) throw error;
      throw new StepFailure(step, "step-failed", message);
    }
    record.append({ kind: "step", step, event: "end" });
  }
  record.setState("awaiting-confirm");
}

function act(activation: Activation, step: StepName): void {
  const { host, record } = activation;
  switch (step) {
    case "arm":
      // From here on the host comes back by itself.
      armDeadline(host, record, TIMERS[0], activationTimeoutSeconds(record) + record.plan.confirmTimeoutSeconds);
      break;
    case "decrypt-secrets":
      decryptSecrets(host, activation.to);
      break;
    case "plan-units":
      planUnits(activation, inheritedUnits(host, record));
      break;
    case "switch-to-configuration":
      switchTo(activation);
      break;
    case "boot-once":
      // Nothing is stopped here: the way back needs to know only what had failed before.
      record.append({ kind: "active-units", units: [], failed: failedUnits(host.units.list()) });
      // Cut off by a boot, it may have led to that already.
      if (!isBootedOnce(host, record)) setBootOnce(host, record);
      break;
    case "reboot":
      record.setState("checking");
      noteDataVersions(host, record.plan.system, { isConfirmed: false });
      break;
    case "boot":
      waitForBoot(activation);
      break;
    case "pre-activation":
      runHookStep(host, record, step, {
        untilMs: endOfActivationMs(host, record),
        more: snapshotsFor(host, record),
      });
      break;
    case "post-activation":
      runHookStep(host, record, step, { untilMs: endOfActivationMs(host, record) });
      activateProfiles(host, record, endOfActivationMs(host, record));
      break;
    case "pre-confirmation":
      runHookStep(host, record, step, { untilMs: endOfActivationMs(host, record) });
      break;
    case "health":
      checkHealth(activation);
      break;
    case "await-confirm":
      armDeadline(host, record, TIMERS[1], record.plan.confirmTimeoutSeconds);
      break;
    default:
      actLive(activation, step, record.unitPlan("forward") ?? EMPTY_UNIT_PLAN);
  }
}

/** Units that the interrupted transaction before this one found active and may have stopped. */
function inheritedUnits(host: Host, record: TransactionRecord): readonly string[] {
  const { supersedes } = record.facts;
  return supersedes === undefined ? [] : (TransactionRecord.open(host, supersedes)?.activeUnits() ?? []);
}

/** Services that fail meanwhile are told by the checks. */
function waitForBoot({ host, record }: Activation): void {
  const seconds = activationTimeoutSeconds(record) - END_SECONDS;
  const { code } = host.run(["systemctl", "is-system-running", "--wait"], { timeoutSeconds: Math.max(1, seconds) });
  if (code === 124) throw new Error(`the boot did not finish within ${seconds} s`);
}

function checkHealth(activation: Activation): void {
  const { host, record } = activation;
  const units = record.unitPlan("forward") ?? EMPTY_UNIT_PLAN;
  if (record.state !== "checking") record.setState("checking");
  requireUnits(host, newlyFailed(activation, units));
  const results = runHealthChecks(host, record.plan.healthChecks, {
    activatedAtMs: host.uptimeMs(),
    untilMs: endOfActivationMs(host, record),
    onResult: (result) => {
      record.append({ kind: "health", result });
    },
  });
  const message = describeFailures(results);
  if (message !== undefined) {
    throw new StepFailure("health", "health-failed", message, logsOf(host, failedUnits(host.units.list())));
  }
  // A unit that fell over while the checks ran.
  const before = new Set(record.failedBefore());
  requireUnits(
    host,
    failedUnits(host.units.list()).filter((unit) => !before.has(unit)),
  );
}

/** When checks and hooks must have ended: the timer that is armed includes the time for the confirmation. */
function endOfActivationMs(host: Host, record: TransactionRecord): number {
  const { confirmTimeoutSeconds } = record.plan;
  const deadline =
    record.deadlineAtSeconds() ?? host.uptimeMs() / 1000 + activationTimeoutSeconds(record) + confirmTimeoutSeconds;
  return (deadline - confirmTimeoutSeconds - END_SECONDS) * 1000;
}

function requireUnits(host: Host, failed: readonly string[]): void {
  if (failed.length === 0) return;
  throw new StepFailure("health", "units-failed", `${failed.join(", ")} failed`, logsOf(host, failed));
}

function reasonOf(error: unknown): RevertReason {
  if (error instanceof StepFailure) {
    const { kind, step, message, log } = error;
    return { kind, step, message, ...(log.length === 0 ? {} : { log: log.slice(-30) }) };
  }
  return { kind: "step-failed", message: error instanceof Error ? error.message : String(error) };
}
