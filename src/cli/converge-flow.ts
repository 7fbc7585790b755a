/** `pristine converge`: once, or until all hosts have what they are to have. */

import { systemClock } from "../base/clock.ts";
import { exitCodeOfOutcomes } from "../fleet/outcome.ts";
import { converge as convergeOnce } from "../library/converge.ts";
import { showOutcomes, watched } from "./deploy-flow.ts";
import type { Session } from "./session.ts";

/** Answers the exit status. */
export async function converge(
  session: Session,
  hosts: readonly string[],
  everyMs: number | undefined,
): Promise<number> {
  for (;;) {
    const outcomes = await convergeOnce(session, { hosts }, (run) => watched(session, run));
    const isWaiting = outcomes.some(({ status }) => status === "unreachable");
    if (everyMs === undefined || !isWaiting) {
      if (outcomes.length === 0 && !session.options.json) session.terminal.out("nothing is pending");
      else showOutcomes(session, outcomes, {});
      return exitCodeOfOutcomes(outcomes);
    }
    await systemClock.sleep(everyMs, session.signal);
  }
}
