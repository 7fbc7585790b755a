/**
 * Our own parser corpus, in the form of Nix's: `parse-okay-*.nix` with the printed tree in `.exp`, `parse-fail-*.nix`
 * with the message in `.err.exp`. Every expectation is what a real Nix says.
 */
import { globSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { test } from "node:test";
import { renderSyntaxOutcome } from "../support/syntax-outcome.ts";

for (const path of globSync(`${import.meta.dirname}/own/parse-*.nix`).sort()) {
  test(basename(path), (t) => {
    const shown = `${renderSyntaxOutcome(readFileSync(path, "latin1"))}\n`;
    const expectation = basename(path).startsWith("parse-okay") ? ".exp" : ".err.exp";
    t.assert.fileSnapshot(shown, path.replace(/\.nix$/, expectation), { serializers: [String] });
  });
}
