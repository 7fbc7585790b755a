/**
 * Nix's own parser tests, read from a Nix source tree named by `NIX_UPSTREAM_SRC`: what must parse prints as Nix prints
 * it, what must not gives Nix's message, position and excerpt.
 */
import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { test } from "node:test";
import { renderSyntaxOutcome } from "../support/syntax-outcome.ts";

const source = process.env["NIX_UPSTREAM_SRC"];

if (source === undefined) {
  test("upstream parser corpus", { skip: "54 cases not run: NIX_UPSTREAM_SRC is not set" }, () => {});
} else {
  const files = globSync(`${source}/tests/functional/lang/parse-*.nix`).sort();
  assert.ok(files.length > 0, `no parser tests under ${source}`);
  for (const file of files) {
    test(basename(file), () => {
      const outcome = renderSyntaxOutcome(readFileSync(file, "latin1"));
      const expectedFile = file.replace(/\.nix$/, basename(file).startsWith("parse-okay") ? ".exp" : ".err.exp");
      assert.ok(existsSync(expectedFile), `${expectedFile} is missing`);
      assert.equal(outcome.trimEnd(), readFileSync(expectedFile, "utf8").trimEnd());
    });
  }
}
