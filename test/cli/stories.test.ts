/**
 * Tells every story of this folder and compares what is printed with its transcript.
 *
 * `node --test --test-update-snapshots` writes the transcripts anew; it refuses to in CI.
 */

import assert from "node:assert/strict";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { suite, test } from "node:test";
import { unmetNeed } from "../support/needs.ts";
import { parseStory, type Story, tellStory } from "../support/story.ts";

const update = process.execArgv.includes("--test-update-snapshots");
const only = process.env["STORY"];

suite("stories", { concurrency: 2 }, () => {
  test("transcripts are not written in CI", () => {
    assert.ok(
      !(update && process.env["CI"] === "true"),
      "run --test-update-snapshots at home, and review the difference",
    );
  });
  for (const file of globSync("*.txtar", { cwd: import.meta.dirname }).sort()) {
    if (only !== undefined && !file.includes(only)) continue;
    const path = join(import.meta.dirname, file);
    const story = parseStory(readFileSync(path, "utf8"));
    test(basename(file, ".txtar"), { skip: missing(story) }, async () => {
      const transcript = await tellStory(story);
      if (update && process.env["CI"] !== "true") writeFileSync(path, `${story.input}-- transcript --\n${transcript}`);
      else assert.equal(transcript, story.transcript);
    });
  }
});

/** Why a story cannot be told here. */
function missing(story: Story): string | false {
  return unmetNeed(...(story.directives.get("@needs") ?? "").split(" ").filter((need) => need !== ""));
}
