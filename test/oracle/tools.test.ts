/** `nix eval`, `nix hash` and `nix repl` print what a real Nix prints, and end as it does. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, suite, test } from "node:test";
import { oracleCommand } from "../../scripts/oracle.ts";

const DIRECTORY = join(import.meta.dirname, "tools");
const COMPAT = join(import.meta.dirname, "../../bin/compat");
const scratch = mkdtempSync(join(tmpdir(), "pristine-tools-"));
after(() => {
  spawnSync("chmod", ["-R", "u+w", scratch]);
  rmSync(scratch, { recursive: true, force: true });
});
// Both run in the same directory, so that paths in what they print are the same.
const work = join(scratch, "work");
mkdirSync(work);
cpSync(join(DIRECTORY, "files"), work, { recursive: true });

const SEPARATOR = "\u0001";

/** Runs commands in one shell; what each printed on both outputs, and its status. */
function outcomesOf(commands: readonly string[], shell: readonly string[], env: NodeJS.ProcessEnv): string[] {
  const steps = commands.map((command) => `{ ${command}\n} 2>&1; printf '%s${SEPARATOR}' "exit $?"`);
  const script = `cd ${work}; export FROM_TEST=yes; ${steps.join("\n")}`;
  const result = spawnSync(shell[0]!, [...shell.slice(1), "bash", "-c", script], { env, encoding: "utf8" });
  assert.equal(result.status, 0, result.stderr);
  return result.stdout.split(SEPARATOR).slice(0, -1);
}

function real(commands: readonly string[]): string[] {
  const { argv, env } = oracleCommand([], { nixDir: join(scratch, "nix"), bind: [scratch] });
  return outcomesOf(commands, argv, env);
}

function ours(commands: readonly string[]): string[] {
  const env = { ...process.env, PATH: `${COMPAT}:${process.env["PATH"]}`, XDG_DATA_HOME: join(scratch, "data") };
  return outcomesOf(commands, ["env"], env);
}

function compare(name: string, commands: readonly string[]): void {
  suite(name, () => {
    const [expected, actual] = [real(commands), ours(commands)];
    assert.equal(expected.length, commands.length);
    for (const [index, command] of commands.entries()) {
      test(command, () => assert.equal(actual[index], expected[index]));
    }
  });
}

compare("commands", readFileSync(join(DIRECTORY, "eval.sh"), "utf8").split("\n").slice(0, -1));
compare(
  "sessions",
  globSync(join(DIRECTORY, "*.repl"))
    .sort()
    .map((file) => {
      cpSync(file, join(work, basename(file)));
      return `unset EDITOR; nix repl < ${basename(file)}`;
    }),
);
