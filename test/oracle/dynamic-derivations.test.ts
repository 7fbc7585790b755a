/** A real Nix makes the same derivations from outputs of outputs, and refuses in the same words. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { oracleCommand } from "../../scripts/oracle.ts";
import { byteStringOfBytes } from "../../src/base/byte-string.ts";
import { parseDerivation, renderDerivation } from "../../src/format/derivation-aterm.ts";
import { evaluateMany } from "../support/evaluate-many.ts";
import { messageOf } from "../support/differential.ts";

const directory = realpathSync(mkdtempSync(join(tmpdir(), "pristine-oracle-dynamic-")));
after(() => {
  spawnSync("chmod", ["-R", "u+w", directory]);
  rmSync(directory, { recursive: true, force: true });
});

const PRELUDE = `let
  drv = args: derivation ({ system = "x"; builder = "b"; } // args);
  plain = drv { name = "plain"; outputs = [ "out" "dev" ]; };
  floating = drv { name = "floating"; __contentAddressed = true; };
  text = { name = "made.drv"; __contentAddressed = true; outputHashMode = "text"; outputHashAlgo = "sha256"; };
  producer = drv (text // { plain = builtins.unsafeDiscardOutputDependency plain.drvPath; });
  fixed = drv { name = "made.drv"; outputHashMode = "text"; outputHashAlgo = "sha256"; outputHash = ""; };
  made = builtins.outputOf producer.outPath;
  twice = builtins.outputOf (made "out");
  self = d: builtins.unsafeDiscardOutputDependency d.drvPath;
  all = d: { inherit (d) drvPath; out = d.outPath; };
in `;

const cases: Readonly<Record<string, string>> = {
  "an output of an input-addressed derivation": 'builtins.outputOf (self plain) "dev" == plain.dev.outPath',
  "an output that is known after building": 'builtins.outputOf (self floating) "out" == floating.outPath',
  "an output of an output": 'made "out"',
  "another output of an output": 'made "dev"',
  "an output of an output of an output": 'twice "out"',
  "through the derivation's own path":
    'builtins.outputOf (builtins.outputOf (self producer) "out") "out" == made "out"',
  "an output of a fixed output": 'builtins.outputOf fixed.outPath "out"',
  "in a derivation": 'all (drv { name = "user"; dep = made "out"; })',
  "in a derivation, several and deep":
    'all (drv { name = "user"; deps = [ (made "out") (made "dev") (twice "b") (twice "a") plain.dev floating producer ]; })',
  "in a content-addressed derivation": 'all (drv { name = "user"; __contentAddressed = true; dep = made "out"; })',
  "of a fixed output in a derivation": 'all (drv { name = "user"; dep = builtins.outputOf fixed.outPath "out"; })',
  "in what depends on a derivation": 'all (drv { name = "top"; dep = drv { name = "user"; dep = made "out"; }; })',
  "with the closure of a derivation":
    'all (drv { name = "top"; dep = (drv { name = "user"; dep = made "out"; }).drvPath; })',
  "its context, not built": 'builtins.getContext (made "out")',
  "its context, of a fixed output": 'builtins.getContext (builtins.outputOf fixed.outPath "out")',
  "a derivation as a set": 'builtins.outputOf plain "out"',
  "a derivation with its closure": 'builtins.outputOf plain.drvPath "out"',
  "no context": 'builtins.outputOf "x" "out"',
  "two in the context": 'builtins.outputOf "${plain}${floating}" "out"',
  "another text than the path": 'builtins.outputOf "${self plain}x" "out"',
  "another text than the placeholder": 'builtins.outputOf "${made "out"}x" "out"',
  "another text than the output": 'builtins.outputOf "${floating}x" "out"',
  "an output that is not there": 'builtins.outputOf (self plain) "other"',
  "of what is no derivation": 'builtins.outputOf (builtins.toFile "x" "") "out"',
  "a name that depends on something": 'builtins.outputOf (self plain) "${plain}"',
  "where no context may be": 'builtins.substring 0 1 (builtins.getEnv (made "out"))',
  "to a file": 'builtins.toFile "x" (made "out")',
  "with its dependencies": 'builtins.addDrvOutputDependencies (made "out")',
  hashed: 'builtins.hasContext (twice "out")',
};

const UNPARSED = "of what is no derivation";
const FEATURES = ["dynamic-derivations", "ca-derivations"];
const list = Object.entries(cases);
for (const [index, [, expression]] of list.entries()) {
  writeFileSync(join(directory, `${index}.nix`), PRELUDE + expression);
}

function oracle(): string[] {
  const lines = list.map(
    (_, index) =>
      `nix-instantiate --eval --strict --json --read-write-mode --extra-experimental-features '${FEATURES.join(" ")}' ${index}.nix > ${index}.out 2> ${index}.err`,
  );
  const { argv, env } = oracleCommand(["bash", "-c", `cd ${directory}\n${lines.join("\n")}\ntrue`], {
    nixDir: join(directory, "nix"),
    bind: [directory],
  });
  const result = spawnSync(argv[0]!, argv.slice(1), { env, encoding: "utf8" });
  assert.equal(result.status, 0, result.stderr);
  return list.map((_, index) => {
    const out = readFileSync(join(directory, `${index}.out`), "utf8").trim();
    return out === "" ? `error: ${messageOf(readFileSync(join(directory, `${index}.err`), "utf8"))}` : out;
  });
}

const expected = oracle();
const outcomes = await evaluateMany(
  list.map((_, index) => ({
    file: `${index}.nix`,
    baseDir: directory,
    output: "json" as const,
    strict: true,
    env: {},
    experimentalFeatures: FEATURES,
  })),
);
for (const [index, [name]] of list.entries()) {
  test(name, () => {
    const { ok, text } = outcomes[index]!;
    const said = ok ? text : `error: ${messageOf(text)}`;
    if (name !== UNPARSED) return assert.equal(said, expected[index]);
    // Nix tells how its parser failed, and we that the name is that of no derivation.
    assert.match(expected[index]!, /^error: error parsing derivation/);
    assert.match(said, /^error: store path '[^']*-x' is not a valid derivation path$/);
  });
}

test("a derivation that Nix wrote is read, and written the same", () => {
  const { drvPath } = JSON.parse(expected[list.findIndex(([name]) => name.endsWith("several and deep"))]!) as {
    readonly drvPath: string;
  };
  const bytes = readFileSync(join(directory, "nix/store", drvPath.slice("/nix/store/".length)));
  const text = byteStringOfBytes(bytes);
  assert.match(text, /^DrvWithVersion\("xp-dyn-drv",/);
  assert.equal(renderDerivation(parseDerivation(text, "user", "/nix/store"), "/nix/store"), text);
});
