/** Asking the kit itself: a process of its own, under the lock that such a command takes. */

import type { KitFailure } from "../machine/transaction.ts";
import type { Host, RunOptions } from "./host.ts";
import { KitError } from "./kit-error.ts";

/** The answer; a refusal is thrown as it was said. */
export function askKit<T extends object>(host: Host, args: readonly string[], options: RunOptions): T {
  const { stdout, stderr } = host.run([host.kitCommand, ...args], options);
  const answer = parsed<T | KitFailure>(stdout);
  if (answer === undefined) throw new KitError("KIT_FAILED", `'${args[0] ?? ""}' failed: ${stderr.trim()}`);
  if (!("error" in answer)) return answer;
  const { code, message, ...more } = answer.error;
  throw new KitError(code, message, more);
}

function parsed<T>(text: string): T | undefined {
  try {
    return JSON.parse(text) as T;
  } catch {
    // It ended without an answer; what it wrote to standard error says more.
    return undefined;
  }
}

const CONFIRM_SECONDS = 600;

export function askToConfirm(host: Host, id: string): void {
  askKit(host, ["confirm", id], { timeoutSeconds: CONFIRM_SECONDS });
}
