/** Which systems a comparison means. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Generation, HostFacts } from "../machine/facts.ts";
import { resolveSide, sidesOf, type SideWanted } from "./compare.ts";

function shown(words: string): string {
  const [hosts = "", flags = ""] = words.split(" --");
  const [from, to] = ["from", "to"].map((flag) => new RegExp(`${flag} (\\d+)`).exec(flags)?.[1]);
  try {
    return sidesOf(hosts.split(" "), {
      from: from === undefined ? undefined : Number(from),
      to: to === undefined ? undefined : Number(to),
    })
      .map(({ host, generation }) => `${host}:${generation}`)
      .join(" ");
  } catch (error) {
    return (error as Error).message;
  }
}

const WORDS: Readonly<Record<string, string>> = {
  web: "web:other web:running",
  "web:3": "web:3 web:running",
  "web:3 web:5": "web:3 web:5",
  "web db": "web:running db:running",
  "web:3 db": "web:3 db:running",
  "web --from 3": "web:3 web:running",
  "web --from 3 to 5": "web:3 web:5",
  "web --to 5": "web:other web:5",
  "web:3 --to 5": "--from and --to are generations of one host that is named without any",
  "web db --from 3": "--from and --to are generations of one host that is named without any",
  "web:x": "the generation in 'web:x' is not a number from 1",
  "web:0": "the generation in 'web:0' is not a number from 1",
  "web:": "the generation in 'web:' is not a number from 1",
  ":3": "':3' is no HOST or HOST:GENERATION",
};

for (const [words, expected] of Object.entries(WORDS)) {
  test(`diff ${words}`, () => {
    assert.equal(shown(words), expected);
  });
}

function facts(activated: string | null): Pick<HostFacts, "generations" | "systems"> {
  const generations = ["a", "b", "c", "b"].map((path, index) => ({ number: index + 1, path }) as unknown as Generation);
  return { generations, systems: { activated } as HostFacts["systems"] };
}

const SIDES: readonly (readonly [SideWanted["generation"], string | null, string])[] = [
  ["running", "b", "4 b running"],
  ["running", "x", "null x running"],
  ["running", null, "web runs no system that was deployed to it"],
  ["other", "b", "3 c"],
  [1, "b", "1 a"],
  [2, "b", "2 b running"],
  [9, "b", "web has no generation 9"],
];

for (const [generation, activated, expected] of SIDES) {
  test(`the system '${generation}' of a host that runs ${activated}`, () => {
    let text: string;
    try {
      const side = resolveSide({ host: "web", generation }, facts(activated));
      text = `${side.generation} ${side.system}${side.isRunning ? " running" : ""}`;
    } catch (error) {
      text = (error as Error).message;
    }
    assert.equal(text, expected);
  });
}
