/** What a host writes down of a transaction, as lines of its timeline. */

import type { HealthResult } from "../machine/health-check.ts";
import { type HookResult, renderHookResult } from "../machine/hook.ts";
import {
  HOOK_STEPS,
  type JournalRecord,
  type StepName,
  TRANSACTION_STEPS,
  type TransactionPlan,
} from "../machine/transaction.ts";

const TITLES = new Map(TRANSACTION_STEPS.map((step) => [step.name, step.title]));

/** Steps that people want to see go by even where only few lines are shown. */
const MAJOR_STEPS: ReadonlySet<StepName> = new Set(["flip", "reboot", "health", "revert-flip", "revert-reboot"]);

/** A journal record as a line of the timeline, or `undefined` when it says nothing new to people. */
export function describeRecord(
  record: JournalRecord,
): { readonly text: string; readonly isMinor: boolean } | undefined {
  const major = (text: string): { text: string; isMinor: boolean } => ({ text, isMinor: false });
  switch (record.kind) {
    case "hook":
      return record.result === undefined
        ? { text: `hook ${record.name} (${record.moment}) on the host`, isMinor: false }
        : major(hookText(record.result));
    case "step":
      // Hooks speak for themselves.
      if (HOOK_STEPS.has(record.step)) return undefined;
      if (record.event === "begin")
        return { text: TITLES.get(record.step) ?? record.step, isMinor: !MAJOR_STEPS.has(record.step) };
      return record.event === "failed" ? major(`${record.step} failed: ${record.message}`) : undefined;
    case "state":
      return record.reason === undefined ? undefined : major(`${record.state}: ${record.reason.message}`);
    case "health":
      return major(describeResult(record.result));
    case "profile": {
      const { before, name, path, user } = record.move;
      if (path === before) return undefined;
      return major(`${path === null ? "remove" : "activate"} the profile ${name} of ${user}`);
    }
    case "note":
      return major(record.message);
    case "recorded":
    case "deadline":
    case "units":
    case "active-units":
      return undefined;
  }
}

/** The command that a record of the host's tells of: a hook's when it begins, a check's with its result. */
export function commandOf(record: JournalRecord, { healthChecks }: TransactionPlan): readonly string[] | undefined {
  if (record.kind === "hook") return record.command;
  if (record.kind !== "health") return undefined;
  const check = healthChecks.find(({ name }) => name === record.result.name);
  return check?.kind === "command" ? check.command : undefined;
}

export function describeResult({ name, from, healthy, message }: HealthResult): string {
  return `${healthy ? "healthy" : "unhealthy"}${from === undefined ? "" : ` from the ${from}`}: ${name} (${message})`;
}

function hookText(result: HookResult): string {
  const said = result.isOk ? undefined : result.output.at(-1);
  return said === undefined ? renderHookResult(result) : `${renderHookResult(result)}: ${said}`;
}
