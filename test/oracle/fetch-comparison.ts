/** Fetches the same things here and by a real Nix, in one process each, and compares what both make of them. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { oracleCommand } from "../../scripts/oracle.ts";
import { EvalDiagnostic } from "../../src/realise/evaluation-request.ts";
import { evaluate } from "../../src/realise/evaluate.ts";
import type { FetchCase } from "./fetch-cases.ts";

const PRELUDE = `let
  all = dir: builtins.mapAttrs (name: type:
    if type == "directory" then all (dir + "/\${name}")
    else if type == "symlink" then type
    else builtins.hashFile "sha256" (dir + "/\${name}")) (builtins.readDir dir);
  show = t: removeAttrs t [ "outPath" ] // { path = "\${t}"; files = all t.outPath; };
  file = p: { path = p; text = builtins.readFile p; context = builtins.getContext p; };
  tree = p: { path = p; files = all p; context = builtins.getContext p; };
in `;

interface Comparison {
  readonly cases: readonly (readonly [string, FetchCase])[];
  readonly directory: string;
  readonly from: string;
}

/** A value as JSON, or the message of an error. */
type Outcome = { readonly value: unknown } | { readonly error: string };

async function oracle({ cases, directory, from }: Comparison): Promise<Outcome[]> {
  const at = join(directory, "nix-cases");
  mkdirSync(at, { recursive: true });
  const lines = cases.map(([, { expression, pure, features = "flakes fetch-closure" }], index) => {
    writeFileSync(join(at, `${index}.nix`), PRELUDE + expression);
    const flags = `--experimental-features '${features}' ${pure === true ? "--pure-eval" : ""}`;
    const source = `--expr "$(cat ${at}/${index}.nix)"`;
    return `nix-instantiate --eval --strict --json --option download-attempts 1 --read-write-mode ${flags} ${source} > ${at}/${index}.out 2> ${at}/${index}.err`;
  });
  const script = `cd ${from}; export XDG_CACHE_HOME=${directory}/nix-cache GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=protocol.file.allow GIT_CONFIG_VALUE_0=always\n${lines.join("\n")}\ntrue`;
  const { argv, env } = oracleCommand(["bash", "-c", script], {
    nixDir: join(directory, "nix"),
    bind: [directory, from],
  });
  await new Promise<void>((resolve, reject) => {
    const child = spawn(argv[0]!, argv.slice(1), { env, stdio: "inherit" });
    child.once("exit", (code) => (code === 0 ? resolve() : reject(new Error(`the oracle ended with ${code}`))));
  });
  return cases.map((_, index) => {
    const out = readFileSync(join(at, `${index}.out`), "utf8");
    return out === ""
      ? { error: messageOf(readFileSync(join(at, `${index}.err`), "utf8")) }
      : { value: JSON.parse(out) as unknown };
  });
}

/** What comes after the frames. */
function messageOf(stderr: string): string {
  // What failed while an archive was read is told within another message.
  const start = [...stderr.matchAll(/(?:^ *|threw exception: )error: /gm)].at(-1);
  return stderr
    .slice((start?.index ?? 0) + (start?.[0].length ?? 0))
    .trimEnd()
    .replace(/\n {7}/g, "\n")
    .replace(/\s+response body:[\s\S]*/, "");
}

async function ours({ expression, pure, features }: FetchCase, { directory, from }: Comparison): Promise<Outcome> {
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: directory,
    XDG_CACHE_HOME: join(directory, "cache"),
    GIT_CONFIG_COUNT: "1",
    GIT_CONFIG_KEY_0: "protocol.file.allow",
    GIT_CONFIG_VALUE_0: "always",
  };
  try {
    const { text } = await evaluate(
      {
        expression: PRELUDE + expression,
        baseDir: from,
        output: "json",
        strict: true,
        env,
        fetchSettings: { downloadAttempts: 1 },
        ...(pure === true ? { pure } : {}),
        ...(features === undefined ? {} : { experimentalFeatures: features.split(" ") }),
      },
      AbortSignal.timeout(60_000),
    );
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    if (error instanceof EvalDiagnostic) return { error: messageOf(error.rendered) };
    throw error;
  }
}

/** Compares each case in a test of its own. */
export async function compareFetches(
  given: Readonly<Record<string, FetchCase | string>>,
  /** What both may write to, and where the material is that relative paths are relative to. */
  places: { readonly directory: string; readonly from: string },
): Promise<void> {
  const cases = Object.entries(given).map(([name, one]): readonly [string, FetchCase] => [
    name,
    typeof one === "string" ? { expression: one } : one,
  ]);
  const comparison = { cases, ...places };
  const expected = await oracle(comparison);
  for (const [index, [name, one]] of cases.entries()) {
    void test(name, async () => {
      const [actual, wanted] = [await ours(one, comparison), expected[index]!];
      if (one.differs !== undefined && "error" in wanted) {
        // Both refuse; why the words differ stands in the table.
        assert.ok("error" in actual, JSON.stringify(actual));
        assert.match(actual.error, one.differs);
      } else assert.deepEqual(actual, wanted);
    });
  }
}
