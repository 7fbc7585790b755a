/** Gives programs that are built with the limit on stacks that this process was started with. */

import { textFileSync } from "./files-sync.ts";
import { hasDeepStack } from "./main-thread.ts";

/**
 * A command with the limit of whoever started us, where the launcher (bin/start.sh) has raised ours to evaluate: a build
 * may not depend on how its derivation was evaluated, and threads take their stacks' size from this limit.
 */
export function withFormerStackLimit(argv: readonly string[]): readonly string[] {
  const limit = hasDeepStack() ? stackLimitOf(process.ppid) : undefined;
  return limit === undefined ? argv : ["/bin/sh", "-c", 'ulimit -S -s "$0"; exec "$@"', limit, ...argv];
}

/** The soft limit of a process as `ulimit` takes it, in units of 1024 bytes. */
function stackLimitOf(processId: number): string | undefined {
  const bytes = /^Max stack size +(\S+)/m.exec(textFileSync(`/proc/${processId}/limits`) ?? "")?.[1];
  return bytes === undefined || bytes === "unlimited" ? bytes : String(Math.floor(Number(bytes) / 1024));
}
