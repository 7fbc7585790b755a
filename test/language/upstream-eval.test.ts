/**
 * Nix's own evaluator tests, read from a Nix source tree named by `NIX_UPSTREAM_SRC`: what must evaluate prints as Nix
 * prints it, what must fail fails with Nix's message, trace and excerpts. Exceptions stand below with their reasons, and
 * must stay exceptions: one that comes out right must be taken from its table.
 */
import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { textOfByteString } from "../../src/base/byte-string.ts";
import { parseArguments } from "../../src/cli/compat/nix-instantiate-arguments.ts";
import { requestOf } from "../../src/cli/compat/nix-instantiate-run.ts";
import { settingsOfEnvironment } from "../../src/cli/compat/nix-settings.ts";
import type { EvaluationRequest } from "../../src/realise/evaluate.ts";
import { evaluateMany } from "../support/evaluate-many.ts";

const source = process.env["NIX_UPSTREAM_SRC"];

/** Cases of `eval-okay` that do not come out right yet. */
const OKAY_EXCEPTIONS: Readonly<Record<string, string>> = {};

/** Cases of `eval-fail` that fail, with another message than Nix's. */
const MESSAGE_EXCEPTIONS: Readonly<Record<string, string>> = {
  "eval-fail-derivation-name": "the trace shows our own source of `derivation`",
  "eval-fail-derivation-structuredAttrs-stack-overflow": "the trace shows our own source of `derivation`",
  "eval-fail-fetchTree-relative-path": "this suite runs where nothing can be fetched; see test/oracle/fetch.test.ts",
};

/** As the suite's configuration has it. */
const CONFIG = "experimental-features = nix-command flakes";

function flagsOf(file: string): string[] | undefined {
  const path = file.replace(/\.nix$/, ".flags");
  if (!existsSync(path)) return undefined;
  return readFileSync(path, "utf8").replace(/#.*/g, "").trim().split(/\s+/);
}

function caseOf(file: string, directory: string): EvaluationRequest {
  const isOkay = basename(file).startsWith("eval-okay");
  const isXml = existsSync(file.replace(/\.nix$/, ".exp.xml"));
  const standard = isOkay
    ? ["--eval", "--strict", ...(isXml ? ["--xml", "--no-location"] : []), ...(flagsOf(file) ?? [])]
    : (flagsOf(file) ?? ["--eval", "--strict", "--show-trace"]);
  // Failures are traced whole by the suite's configuration.
  const flags = isOkay ? standard : ["--eval", "--strict", "--show-trace", ...standard];
  const env = { HOME: "/fake-home", NIX_PATH: "lang/dir3:lang/dir4", TEST_VAR: "foo" };
  const args = parseArguments(flags);
  const settings = settingsOfEnvironment({ ...env, NIX_CONFIG: CONFIG }, () => undefined).apply(args.settings);
  const request = requestOf(args, { baseDir: directory, storeRoot: "" }, settings);
  return { ...request, env, file: `lang/${basename(file)}` };
}

function readExpected(path: string): string | undefined {
  return existsSync(path) ? textOfByteString(readFileSync(path, "latin1")) : undefined;
}

if (source === undefined) {
  test("upstream evaluator corpus", { skip: "251 cases not run: NIX_UPSTREAM_SRC is not set" }, () => {});
} else {
  const directory = join(source, "tests/functional");
  const files = globSync(`${directory}/lang/eval-{okay,fail}-*.nix`)
    .filter((file) => !existsSync(file.replace(/\.nix$/, ".exp-disabled")))
    .sort();
  assert.ok(files.length > 0, `no evaluator tests under ${source}`);
  const outcomes = await evaluateMany(files.map((file) => caseOf(file, directory)));

  for (const [index, file] of files.entries()) {
    const name = basename(file, ".nix");
    const outcome = outcomes[index]!;
    const text = outcome.text.replaceAll(directory, "/pwd").trimEnd();

    if (name.startsWith("eval-okay")) {
      test(name, () => {
        const expected =
          readExpected(file.replace(/\.nix$/, ".exp.xml")) ?? readExpected(file.replace(/\.nix$/, ".exp"));
        if (name in OKAY_EXCEPTIONS) assert.ok(!outcome.ok || text !== expected?.trimEnd(), `${name} passes now`);
        else assert.equal(text, expected?.trimEnd());
      });
      continue;
    }

    test(name, () => {
      assert.notEqual(outcome.ok ? "" : outcome.code, "BUG", text);
      assert.ok(!outcome.ok, `must fail, but evaluates to ${text}`);
      const expected = readExpected(file.replace(/\.nix$/, ".err.exp"))?.trimEnd();
      if (expected === undefined) return;
      if (name in MESSAGE_EXCEPTIONS) assert.notEqual(text, expected, `${name} has the right message now`);
      else assert.equal(text, expected);
    });
  }
}
