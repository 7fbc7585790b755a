/**
 * Running hooks on the host: as steps of a transaction, or because the deployer asks at another moment.
 *
 * A hook that was killed with its executor runs again when that goes on; what has ended does not.
 */

import {
  aborts,
  type Hook,
  hookEnvironment,
  type HookMoment,
  hookOutput,
  hooksAt,
  type HookRequest,
  type HookResult,
  renderHookResult,
} from "../machine/hook.ts";
import { HOOK_STEPS, type StepName } from "../machine/transaction.ts";
import type { Host } from "./host.ts";
import { StepFailure } from "./kit-error.ts";
import type { TransactionRecord } from "./transaction-record.ts";

/** Hooks that cannot change the outcome any more must not hold it up for longer, together. */
const LATE_SECONDS_MAX = 60;

/** Does a step that consists of hooks; throws when one fails that is to end the activation. */
export function runHookStep(
  host: Host,
  record: TransactionRecord,
  step: StepName,
  {
    untilMs = host.uptimeMs() + LATE_SECONDS_MAX * 1000,
    outcome,
    more = [],
  }: { readonly untilMs?: number; readonly outcome?: string; readonly more?: readonly Hook[] } = {},
): void {
  for (const moment of HOOK_STEPS.get(step) ?? []) {
    if (moment.endsWith("Reboot") && record.plan.goal !== "reboot") continue;
    for (const hook of hooksAt([...(record.plan.hooks ?? []), ...more], "host", moment)) {
      const result = runRecordedHook(host, record, { hook, moment, outcome, untilMs });
      if (!result.isOk && aborts(hook, moment)) {
        throw new StepFailure(step, "hook-failed", renderHookResult(result), result.output);
      }
    }
  }
}

/** Runs a hook between its two records; one that has ended before has the result that it had then. */
export function runRecordedHook(
  host: Host,
  record: TransactionRecord,
  {
    hook,
    moment,
    outcome,
    untilMs,
  }: {
    readonly hook: Hook;
    readonly moment: HookMoment;
    readonly outcome?: string | undefined;
    readonly untilMs: number;
  },
): HookResult {
  const { name, command } = hook;
  // What has failed counts also when the executor was killed before it could act on that.
  const known = record.hookResults().find((result) => result.name === name && result.moment === moment);
  if (known !== undefined) return known;
  record.append({ kind: "hook", name, moment, command });
  const result = runHook(host, hook, moment, { facts: factsOf(record, outcome), untilMs });
  record.append({ kind: "hook", name, moment, result });
  return result;
}

/** The deployer asks at moments at which there is no transaction. */
export function runRequestedHooks(host: Host, { hooks, moment, environment }: HookRequest): HookResult[] {
  const results: HookResult[] = [];
  for (const hook of hooksAt(hooks, "host", moment)) {
    const result = runHook(host, hook, moment, { facts: environment, untilMs: Number.POSITIVE_INFINITY });
    results.push(result);
    if (!result.isOk && aborts(hook, moment)) break;
  }
  return results;
}

/** What the environment tells of a transaction. */
function factsOf({ plan, facts }: TransactionRecord, outcome: string | undefined): Record<string, string | undefined> {
  return {
    PRISTINE_HOST: plan.host,
    PRISTINE_GOAL: plan.goal,
    PRISTINE_SYSTEM: plan.system,
    PRISTINE_PREVIOUS: facts.previous,
    PRISTINE_PLAN_HASH: plan.planHash,
    PRISTINE_REASON: plan.reason,
    PRISTINE_TRANSACTION: plan.id,
    PRISTINE_OUTCOME: outcome,
  };
}

function runHook(
  host: Host,
  hook: Hook,
  moment: HookMoment,
  { facts, untilMs }: { readonly facts: Readonly<Record<string, string | undefined>>; readonly untilMs: number },
): HookResult {
  const began = host.uptimeMs();
  const timeoutSeconds = Math.min(hook.timeoutSeconds, (untilMs - began) / 1000);
  const ended = (message: string, output: readonly string[] = []): HookResult => {
    const milliseconds = Math.max(0, Math.round(host.uptimeMs() - began));
    return { name: hook.name, moment, isOk: message === "exit 0", milliseconds, message, output };
  };
  if (timeoutSeconds <= 0) return ended("no time was left for it");
  const { code, output } = host.runHook(hook.command, {
    timeoutSeconds,
    environment: hookEnvironment(hook, moment, facts),
  });
  const message =
    code === 124
      ? `no end within ${Math.round(timeoutSeconds)} s`
      : code === 127
        ? `${hook.command[0] ?? "nothing"} cannot be started`
        : `exit ${code}`;
  return ended(message, hookOutput(output));
}
