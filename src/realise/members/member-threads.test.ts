/** Sets that several threads evaluate show what one thread shows. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { HelperThread } from "../../system/helper-thread.ts";
import { programModule } from "../../system/program-files.ts";
import { EvalDiagnostic, type EvaluationRequest, type EvaluationResult } from "../evaluation-request.ts";
import { runEvaluation } from "../run-evaluation.ts";
import { threadSize } from "../thread-size.ts";
import { Claims, type MembersAnswered, type MembersAsked } from "./member-messages.ts";
import { threadCount } from "./member-threads.ts";

const baseDir = mkdtempSync(join(tmpdir(), "pristine-members-"));
after(() => rmSync(baseDir, { recursive: true, force: true }));
writeFileSync(join(baseDir, "read.txt"), "read");

const PRELUDE = `
  let
    derive = name: derivation { inherit name; system = "s"; builder = "/none"; text = builtins.readFile ./read.txt; };
    /* Takes long enough for another thread to come up. */
    busy = value: if builtins.foldl' (a: b: a + b) 0 (builtins.genList (x: x) 150000) > 0 then value else null;
    shared = derive "shared";
  in`;

/** What the twelve members are, `n` being "0" to "b". */
const SETS: Readonly<Record<string, { readonly output: EvaluationRequest["output"]; readonly member: string }>> = {
  "derivations, some of them one value, some equal, some in sets": {
    output: "drv",
    member: `
      if n < "3" || n == "b" then derive n
      else if n < "5" || n == "9" then derive "same"
      else if n < "7" || n == "a" then shared
      else { recurseForDerivations = true; a = derive n; b = shared; c = 1; }`,
  },
  objects: { output: "json", member: "{ inherit n; path = (derive n).outPath; }" },
  "traces and an error": {
    output: "drv",
    member: 'if n == "7" then throw "at ${n}" else if n > "5" then builtins.trace "at ${n}" (derive n) else derive n',
  },
  "files that are not there": { output: "json", member: 'if n == "0" then 0 else builtins.readFile (./. + "/${n}")' },
};

function requestOf({ output, member }: (typeof SETS)[string]): EvaluationRequest {
  const names = Array.from({ length: 12 }, (_, index) => `"${index.toString(16)}"`).join(" ");
  const attribute = `n: { name = "member-\${n}"; value = busy (${member}); }`;
  const expression = `${PRELUDE} builtins.listToAttrs (map (${attribute}) [ ${names} ])`;
  return { expression, baseDir, output, perMember: true };
}

interface Shown {
  readonly said: readonly string[];
  readonly result?: EvaluationResult;
  readonly failure?: string;
}

function evaluate(request: EvaluationRequest, threads: number): Shown {
  process.env["PRISTINE_THREADS"] = String(threads);
  const said: string[] = [];
  try {
    const result = runEvaluation(request, { mayThread: true, onTrace: (line) => said.push(line) });
    return { said, result };
  } catch (error) {
    if (!(error instanceof EvalDiagnostic)) throw error;
    return { said, failure: error.rendered };
  } finally {
    delete process.env["PRISTINE_THREADS"];
  }
}

/** What was made and read; the stamp of a file that has just changed depends on when it is asked for. */
function madeBy({ result }: Shown): unknown {
  const reads = result?.reads.reads.map((read) => JSON.stringify({ ...read, stamp: "", target: "" }));
  return [new Set(result?.derivations.keys()), new Set(result?.sources.keys()), new Set(reads)];
}

for (const [name, set] of Object.entries(SETS)) {
  test(`several threads show what one shows: ${name}`, () => {
    const request = requestOf(set);
    const alone = evaluate(request, 1);
    const together = evaluate(request, 3);
    assert.equal(together.result?.text, alone.result?.text);
    assert.deepEqual(together.said, alone.said);
    assert.equal(together.failure, alone.failure);
    assert.deepEqual(madeBy(together), madeBy(alone));
  });
}

test("another thread answers what nobody has taken, up to what others would notice", () => {
  const names = Array.from({ length: 6 }, (_, index) => `m${index}`);
  const ask = (member: string, takenAlready: readonly number[] = []): MembersAnswered | undefined => {
    const claims = Claims.of(names.length);
    for (const index of takenAlready) assert.ok(claims.take(index));
    const expression = `builtins.listToAttrs (map (name: { inherit name; value = ${member}; }) [ "${names.join('" "')}" ])`;
    const request: EvaluationRequest = { expression, baseDir, output: "json", perMember: true };
    const input: MembersAsked = { request, names, claims: claims.shared };
    const thread = new HelperThread(programModule("src/realise/members/member-worker.ts"), { input, ...threadSize() });
    try {
      return thread.answer(60_000) as MembersAnswered | undefined;
    } finally {
      thread.end();
    }
  };
  const taken = (answer: MembersAnswered | undefined): string => [...(answer?.texts.keys() ?? [])].join(" ");
  assert.equal(taken(ask("name", [0, 4])), "m5 m3 m2 m1");
  assert.equal(ask("name")?.texts.get("m3"), '"m3"');
  assert.equal(taken(ask('if name == "m3" then builtins.trace "t" 1 else 2')), "m5 m4");
  assert.equal(taken(ask('if name == "m2" then throw "t" else 2')), "m5 m4 m3");
  assert.equal(ask("builtins.currentTime"), undefined);
});

test("threads are as many as are worth their while", () => {
  assert.equal(threadCount(8, {}), 1);
  assert.equal(threadCount(8, { PRISTINE_THREADS: "3" }), 3);
  assert.equal(threadCount(2, { PRISTINE_THREADS: "3" }), 2);
  assert.equal(threadCount(1000, { PRISTINE_THREADS: "1" }), 1);
  assert.equal(threadCount(8, { PRISTINE_THREADS: "many" }), 1);
});
