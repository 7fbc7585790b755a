/**
 * Shell suites written for Nix, run by our programs: Nix's `lang.sh` from `NIX_UPSTREAM_SRC`, and the tests of nixpkgs'
 * lib from `NIXPKGS_LIB`. They take minutes, so they run when those are named and `PRISTINE_SUITES` is set.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { LIB_SUITES, runFunctionalSuites, runLibSuites } from "../../scripts/upstream-suites.ts";

const source = process.env["NIX_UPSTREAM_SRC"];
const lib = process.env["NIXPKGS_LIB"];
const isAsked = process.env["PRISTINE_SUITES"] !== undefined;

/** What `lang.sh` may report: traces that show our own source of `derivation`. */
const LANG_EXCEPTIONS: ReadonlySet<string> = new Set([
  "eval-fail-derivation-name",
  "eval-fail-derivation-structuredAttrs-stack-overflow",
]);

if (!isAsked || source === undefined) {
  const reason = `1 suite not run: ${isAsked ? "NIX_UPSTREAM_SRC" : "PRISTINE_SUITES"} is not set`;
  test("Nix's lang.sh", { skip: reason }, () => {});
} else {
  test("Nix's lang.sh", async () => {
    for await (const { output } of runFunctionalSuites(source, ["lang.sh"])) {
      const failed = [...output.matchAll(/^ {4}((?:eval|parse)-(?:okay|fail)-\S+)$/gm)].map(([, name]) => name!);
      assert.match(output, /evaluating lang\/eval-okay-zipAttrsWith\.nix/, output.slice(-2000));
      assert.deepEqual(
        failed.filter((name) => !LANG_EXCEPTIONS.has(name)),
        [],
      );
      assert.ok(!output.includes("FAIL:"), output);
    }
  });
}

if (!isAsked || lib === undefined) {
  const reason = `${LIB_SUITES.length} suites not run: ${isAsked ? "NIXPKGS_LIB" : "PRISTINE_SUITES"} is not set`;
  test("nixpkgs' lib", { skip: reason }, () => {});
} else {
  for (const name of LIB_SUITES) {
    test(`nixpkgs' lib: ${name}`, async () => {
      for await (const { status, output } of runLibSuites(lib, [name])) {
        assert.equal(status, 0, output.slice(-4000));
        if (name === "tests/modules.sh") assert.match(output, /^\d+ Pass\n0 Fail$/m);
      }
    });
  }
}
