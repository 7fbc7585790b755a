/**
 * How long does one question to a package set take in a process of its own, against a real Nix?
 *
 *   bin/node bench/eval-cold.ts [--tiny] [--runs N] [--set DIRECTORY [--bind DIRECTORY]…] [[FILE:]ATTRIBUTE…]
 *
 * Both engines instantiate the attributes of DIRECTORY (or of FILE in it), one process each, without writing to a store;
 * the derivations must be the same. DIRECTORY is by default what PRISTINE_BENCH_SET names. Ours keeps no results: its
 * cache is off. `--bind` names what the set reads from elsewhere. `--tiny` asks a made-up set of one derivation, once, and does without a real Nix when there is none.
 * Entering the real Nix's tree costs something, which is measured and taken off.
 */

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { oracleCommand, oracleTree } from "../scripts/oracle.ts";
import { measure, measureInTurn, type Program, ratioOf, without } from "./measure.ts";

const NIX_INSTANTIATE = join(import.meta.dirname, "../bin/compat/nix-instantiate");

const TINY_SET = `{ hello = derivation { name = "hello"; system = "x86_64-linux"; builder = "/bin/sh"; }; }`;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tiny: { type: "boolean", default: false },
    runs: { type: "string", default: "5" },
    set: { type: "string" },
    bind: { type: "string", multiple: true, default: [] },
  },
});

const scratch = mkdtempSync(join(tmpdir(), "pristine-bench-"));
try {
  const set = options.tiny ? tinySet() : (options.set ?? process.env["PRISTINE_BENCH_SET"]);
  if (set === undefined) console.log(JSON.stringify({ question: "eval-cold", skipped: "no --set" }));
  else {
    const asked = positionals.length > 0 ? positionals : ["hello"];
    const answers = asked.map((attribute) => compare(resolve(set), attribute));
    console.log(JSON.stringify({ question: "eval-cold", answers }, undefined, 2));
  }
} finally {
  spawnSync("chmod", ["-R", "u+w", scratch]);
  rmSync(scratch, { recursive: true, force: true });
}

function tinySet(): string {
  writeFileSync(join(scratch, "default.nix"), TINY_SET);
  return scratch;
}

function compare(set: string, asked: string): Record<string, unknown> {
  const [attribute = "", file = "."] = asked.split(":").reverse();
  const question = ["--readonly-mode", join(set, file), "-A", attribute];
  const ours: Program = {
    argv: [NIX_INSTANTIATE, ...question],
    env: { ...process.env, PRISTINE_CACHE: "off", PRISTINE_RESIDENT: "off" },
  };
  const runs = options.tiny ? 1 : Number(options.runs);
  if (!existsSync(join(oracleTree(), "usr/bin/nix"))) {
    if (!options.tiny) throw new Error("the real Nix is missing; as root: bin/node scripts/oracle.ts setup");
    return { asked, ...measureInTurn({ pristine: ours }, runs) };
  }
  const nixDir = join(scratch, "nix");
  const enter = (...command: string[]): Program => oracleCommand(command, { nixDir, bind: [set, ...options.bind] });
  const nix = enter("nix-instantiate", ...question);
  const [here, there] = [ours, nix].map((program) => measure(program).stdout.trim());
  if (here !== there) throw new Error(`the two engines disagree about ${asked}: ${here}, ${there}`);
  const all = measureInTurn({ pristine: ours, nix, entering: enter("true") }, runs);
  const nixAlone = without(all.nix, all.entering);
  return {
    asked,
    derivation: here,
    pristine: all.pristine,
    nix: nixAlone,
    ratio: ratioOf(all.pristine, nixAlone),
  };
}
