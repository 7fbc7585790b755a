/**
 * A thread that evaluates members of a set for another one that is at it, from the last one on. Where anything happens
 * that others would notice, it ends: what is said and which error is told of is up to the one that goes in order.
 */

import { setFlagsFromString } from "node:v8";
import { helpStarter } from "../../system/helper-thread.ts";
import { openEvaluation, openMembers } from "../run-evaluation.ts";
import { Claims, type MembersAnswered, type MembersAsked } from "./member-messages.ts";

// As in bin/start.sh.
setFlagsFromString("--no-opt");
setFlagsFromString("--semi-space-growth-factor=4");

/** Ends the evaluation of a member from within. */
class NoticedError extends Error {}

function notice(): never {
  throw new NoticedError("this is for the thread that goes in order");
}

helpStarter((given): MembersAnswered | undefined => {
  const { request, names, claims } = given as MembersAsked;
  const { state, host } = openEvaluation(request, { ask: notice, onTrace: notice, onWarning: notice });
  const texts = new Map<string, string>();
  const taken = new Claims(claims);
  try {
    const set = openMembers(state, request, host);
    if (set?.names.length !== names.length) return undefined;
    for (let index = names.length - 1; index >= 0; index--) {
      if (taken.take(index)) texts.set(names[index]!, set.render(names[index]!));
    }
  } catch {
    // Whatever it was, it happens again where somebody is told.
  }
  const { reads, volatile } = host.reads;
  if (volatile !== undefined) return undefined;
  return { texts, derivations: host.derivations, sources: host.sources, reads };
});
