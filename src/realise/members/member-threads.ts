/**
 * Evaluates the members of a set in several threads. This one goes from the first to the last, as if it were alone: what
 * is printed comes in order, and the first error is the one that is told of. The others come towards it from the end, and
 * what they cannot do silently is left to it.
 *
 * Each thread evaluates what members share for itself: half of the rest is gained, at the price of as much memory again.
 */

import { HelperThread, processorCount } from "../../system/helper-thread.ts";
import { programModule } from "../../system/program-files.ts";
import { joinReads } from "../cache/join-reads.ts";
import type { EvaluationRequest, EvaluationResult } from "../evaluation-request.ts";
import { threadSize } from "../thread-size.ts";
import { Claims, type MembersAnswered, type MembersAsked } from "./member-messages.ts";
import { joinMembers, type MemberSet } from "./member-set.ts";

/** Fewer members for each thread would not repay that each evaluates what they share, and slows the others meanwhile. */
const MEMBERS_PER_THREAD_MIN = 16;
const THREADS_MAX = 4;
/** Memory that must be to spare for each further thread. */
const THREAD_BYTES_MIN = 1024 * 1024 * 1024;
/** How much longer than this thread's slowest member one of another thread may take, and how long at least. */
const PATIENCE = 3;
const PATIENCE_MS_MIN = 10_000;

const WORKER = programModule("src/realise/members/member-worker.ts");

/** What the members came to, and what other threads have made and read for them. */
export interface RenderedMembers extends Pick<EvaluationResult, "derivations" | "sources"> {
  readonly text: string;
  readonly reads: MembersAnswered["reads"];
}

/** How many threads are worth their while for a set of so many members, unless `PRISTINE_THREADS` says how many. */
export function threadCount(memberCount: number, env: Readonly<Record<string, string | undefined>>): number {
  const wish = Number(env["PRISTINE_THREADS"] ?? "");
  if (Number.isSafeInteger(wish) && wish > 0) return Math.min(wish, memberCount);
  const useful = Math.min(Math.floor(memberCount / MEMBERS_PER_THREAD_MIN), processorCount(), THREADS_MAX);
  if (useful < 2) return 1;
  return Math.min(useful, 1 + Math.floor(process.availableMemory() / THREAD_BYTES_MIN));
}

/** Evaluates all members; throws what the first one throws that fails. */
export function renderMembers(request: EvaluationRequest, set: MemberSet, threads: number): RenderedMembers {
  const { names } = set;
  const claims = Claims.of(names.length);
  const asked: MembersAsked = { request, names, claims: claims.shared };
  const helpers = Array.from(
    { length: threads - 1 },
    () => new HelperThread(WORKER, { input: asked, ...threadSize() }),
  );
  try {
    const texts = new Map<string, string>();
    let slowestMs = 0;
    const render = (name: string): void => {
      const startedMs = performance.now();
      texts.set(name, set.render(name));
      slowestMs = Math.max(slowestMs, performance.now() - startedMs);
    };
    for (const [index, name] of names.entries()) if (claims.take(index)) render(name);
    const deadlineMs = performance.now() + Math.max(PATIENCE * slowestMs, PATIENCE_MS_MIN);
    const answers = helpers.flatMap((helper) => {
      const answer = helper.answer(Math.max(0, deadlineMs - performance.now())) as MembersAnswered | undefined;
      return answer === undefined ? [] : [answer];
    });
    const given = new Map(answers.flatMap((answer) => [...answer.texts]));
    if (request.output === "drv") dropRepeated(texts, given);
    for (const name of names) if (!texts.has(name) && !given.has(name)) render(name);
    const inOrder = new Map(names.map((name) => [name, texts.get(name) ?? given.get(name)!]));
    return {
      text: joinMembers(request.output, inOrder),
      derivations: new Map(answers.flatMap((answer) => [...answer.derivations])),
      sources: new Map(answers.flatMap((answer) => [...answer.sources])),
      reads: joinReads(answers.map(({ reads }) => reads)),
    };
  } finally {
    for (const helper of helpers) helper.end();
  }
}

/**
 * Takes away what shows a derivation that another member shows, too: one value counts once, two values with one path
 * count twice, and only a thread that has both can tell.
 */
function dropRepeated(texts: ReadonlyMap<string, string>, given: Map<string, string>): void {
  const counts = new Map<string, number>();
  for (const text of [...texts.values(), ...given.values()]) {
    for (const line of text.split("\n")) counts.set(line, (counts.get(line) ?? 0) + 1);
  }
  for (const [name, text] of given) {
    if (text !== "" && text.split("\n").some((line) => counts.get(line)! > 1)) given.delete(name);
  }
}
