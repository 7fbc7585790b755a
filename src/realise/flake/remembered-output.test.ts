/** A locked flake is evaluated once; whatever its fingerprint does not cover is evaluated each time. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { evaluate, type EvaluationResult } from "../evaluate.ts";

const directory = mkdtempSync(join(tmpdir(), "pristine-flake-"));
after(() => rmSync(directory, { recursive: true, force: true }));
process.env["XDG_CACHE_HOME"] = join(directory, "cache");

const SIGNAL = new AbortController().signal;

/** Long enough to be worth keeping. */
const WORK = "builtins.foldl' (a: b: a + b) 0 (builtins.genList (x: x) 100000)";

function writeFlake(outputs: string): void {
  mkdirSync(join(directory, "flake"), { recursive: true });
  writeFileSync(join(directory, "flake/flake.nix"), `{ outputs = { self }: { ${outputs} }; }`);
}

async function ask(fragment: string, options: { readonly pure?: boolean } = {}): Promise<EvaluationResult> {
  const task = { kind: "select", defaults: [], prefixes: [] } as const;
  const flake = { reference: `path:${directory}/flake#${fragment}`, task, lock: {} };
  return await evaluate({ flake, baseDir: directory, output: "json", pure: options.pure ?? true }, SIGNAL);
}

test("the same flake is recalled, another output or tree is not", async () => {
  writeFlake(`a = ${WORK}; b = ${WORK} + 1;`);
  const results = [await ask("a"), await ask("a"), await ask("b"), await ask("a", { pure: false })];
  writeFlake(`a = ${WORK} + 2;`);
  results.push(await ask("a"));
  const seen = results.map(({ text, isRecalled }) => [text, isRecalled]);
  assert.deepEqual(seen, [
    ["4999950000", false],
    ["4999950000", true],
    ["4999950001", false],
    ["4999950000", false],
    ["4999950002", false],
  ]);
});

test("what was recalled can be evaluated again, for what it makes", async () => {
  writeFlake(
    `d = builtins.seq (${WORK}) (derivation { name = "d"; system = "x"; builder = "y"; inherit (self) outPath; }).drvPath;`,
  );
  const first = await ask("d");
  const second = await ask("d");
  assert.deepEqual([second.isRecalled, second.text, second.derivations.size], [true, first.text, 0]);
  const again = await second.evaluateAgain!(SIGNAL);
  assert.deepEqual([...again.derivations.keys()], [...first.derivations.keys()]);
});

test("a result that came with a warning is not kept", async () => {
  writeFlake(`a = builtins.warn "careful" (${WORK});`);
  const results = [await ask("a"), await ask("a")];
  assert.deepEqual(
    results.map(({ isRecalled, warnings }) => [isRecalled, warnings]),
    [
      [false, ["careful"]],
      [false, ["careful"]],
    ],
  );
});
