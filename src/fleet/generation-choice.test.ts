/** Which generation a rollback means. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Generation, HostFacts } from "../machine/facts.ts";
import { chooseGeneration } from "./generation-choice.ts";

function facts(activated: string, ...paths: readonly string[]): Pick<HostFacts, "generations" | "systems"> {
  const generations = paths.map((path, index) => ({ number: index + 1, path }) as unknown as Generation);
  return { generations: generations.toReversed(), systems: { activated } as HostFacts["systems"] };
}

const CASES: Readonly<
  Record<string, readonly [Pick<HostFacts, "generations" | "systems">, string | undefined, number | string]>
> = {
  "the one before": [facts("c", "a", "b", "c"), undefined, 2],
  "the newest, when an older one runs": [facts("a", "a", "b", "c"), undefined, 3],
  "not another name of what runs": [facts("b", "a", "b", "b"), undefined, 1],
  "by number": [facts("c", "a", "b", "c"), "1", 1],
  "no such number": [facts("b", "a", "b"), "7", "web has no generation 7 (it keeps: 1, 2)"],
  "no number at all": [facts("b", "a", "b"), "last", "web has no generation last (it keeps: 1, 2)"],
  "nothing else": [facts("a", "a"), undefined, "web has no other generation to return to (it keeps: 1)"],
  "nothing at all": [
    facts("a"),
    undefined,
    "web has no other generation to return to (it keeps none: it was never deployed to)",
  ],
};

for (const [name, [host, to, expected]] of Object.entries(CASES)) {
  test(`rollback: ${name}`, () => {
    if (typeof expected === "number") assert.equal(chooseGeneration("web", host, to).number, expected);
    else
      assert.throws(
        () => chooseGeneration("web", host, to),
        (error: { code: string; message: string; hint: string }) =>
          error.code === "GENERATION_UNKNOWN" && `${error.message} (${error.hint})` === expected,
      );
  });
}
