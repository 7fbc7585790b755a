/**
 * How long do programs take to start, against a real Nix?
 *
 *   bin/node bench/start.ts [--tiny] [--rounds N]
 *
 * A start is short, so one measurement is of many starts in a row, by one shell, and its figures are of one start. The
 * real Nix's tree is entered once for all of them; what entering costs is measured and taken off. `node` is the part of
 * it that is Node's own: an empty program. `--tiny` starts each once, and does without a real Nix when there is none.
 */

import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { oracleCommand, oracleTree } from "../scripts/oracle.ts";
import { type Measurement, measureInTurn, type Program } from "./measure.ts";

const BIN = join(import.meta.dirname, "../bin");

const { values: options } = parseArgs({
  options: { tiny: { type: "boolean", default: false }, rounds: { type: "string", default: "5" } },
});
const rounds = options.tiny ? 1 : Number(options.rounds);
const starts = options.tiny ? 1 : 20;

const scratch = mkdtempSync(join(tmpdir(), "pristine-bench-"));
try {
  console.log(JSON.stringify(compare(), undefined, 2));
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

/** A shell that runs a program many times. */
function repeated(...command: string[]): string[] {
  const loop = 'n=$1; shift; while [ $n -gt 0 ]; do "$@" > /dev/null; n=$((n - 1)); done';
  return ["sh", "-c", loop, "sh", String(starts), ...command];
}

interface Start {
  readonly wallMs: number;
  readonly processorMs: number;
  readonly maxRssMb: number;
}

/** The figures of one start, without what it took to get there. */
function startOf(all: Measurement, entering?: Measurement): Start {
  const each = (seconds: number, less: number): number => Math.round(((seconds - less) / starts) * 10_000) / 10;
  const { wallSeconds: wall = 0, userSeconds: user = 0, systemSeconds: system = 0 } = entering ?? {};
  return {
    wallMs: each(all.wallSeconds, wall),
    processorMs: each(all.userSeconds + all.systemSeconds, user + system),
    maxRssMb: all.maxRssMb,
  };
}

function compare(): Record<string, unknown> {
  const empty = join(scratch, "empty.cjs");
  writeFileSync(empty, "");
  const evaluating = ["--eval", "-E", "1"];
  const ours: Record<string, Program> = {
    node: { argv: repeated(process.execPath, empty) },
    version: { argv: repeated(join(BIN, "pristine"), "--version") },
    evaluation: { argv: repeated(join(BIN, "compat/nix-instantiate"), ...evaluating) },
  };
  if (!existsSync(join(oracleTree(), "usr/bin/nix"))) {
    if (!options.tiny) throw new Error("the real Nix is missing; as root: bin/node scripts/oracle.ts setup");
    const measured = measureInTurn(ours, rounds);
    const starts: Record<string, unknown> = { question: "start" };
    for (const name of Object.keys(ours)) starts[name] = startOf(measured[name]!);
    return starts;
  }
  const enter = (...command: string[]): Program => oracleCommand(command, { nixDir: join(scratch, "nix") });
  const theirs: Record<string, Program> = {
    entering: enter("sh", "-c", ":"),
    nixVersion: enter(...repeated("nix", "--version")),
    nixEvaluation: enter(...repeated("nix-instantiate", ...evaluating)),
  };
  const all = measureInTurn({ ...ours, ...theirs }, rounds);
  const pairs: readonly (readonly [ours: string, theirs: string])[] = [
    ["version", "nixVersion"],
    ["evaluation", "nixEvaluation"],
  ];
  const compared: Record<string, unknown> = { question: "start", node: startOf(all["node"]!) };
  for (const [our, their] of pairs) {
    const pristine = startOf(all[our]!);
    const nix = startOf(all[their]!, all["entering"]!);
    compared[our] = { pristine, nix, ratio: ratioOf(pristine, nix) };
  }
  return compared;
}

function ratioOf(ours: Start, theirs: Start): Record<keyof Start, number> {
  const ratio = (key: keyof Start): number => Math.round((ours[key] / theirs[key]) * 100) / 100;
  return { wallMs: ratio("wallMs"), processorMs: ratio("processorMs"), maxRssMb: ratio("maxRssMb") };
}
