/**
 * How long does evaluating a fleet take, against a real Nix on the same files?
 *
 *   bin/node bench/eval-fleet.ts [--tiny] [--runs N] [--fleet DIRECTORY]
 *
 * Both engines print the fleet's inventory as JSON, which must be the same: it holds every host's store paths, so it
 * stands for all derivations. DIRECTORY is a locked fleet; by default the example is copied and locked, for which it
 * needs the network. `--tiny` evaluates one host with made-up packages, once, and does without a real Nix when there is
 * none. Entering the real Nix's tree costs something, which is measured and taken off.
 */

import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { oracleCommand, oracleTree } from "../scripts/oracle.ts";
import { writeStubLock } from "../test/support/stub-lock.ts";
import { measure, measureInTurn, type Program, ratioOf, without } from "./measure.ts";

const ROOT = join(import.meta.dirname, "..");
const PRISTINE = join(ROOT, "bin/pristine");

const { values: options } = parseArgs({
  options: {
    tiny: { type: "boolean", default: false },
    runs: { type: "string", default: "5" },
    fleet: { type: "string" },
  },
});

const scratch = mkdtempSync(join(tmpdir(), "pristine-bench-"));
try {
  const fleet = options.fleet === undefined ? makeFleet(join(scratch, "fleet")) : resolve(options.fleet);
  console.log(JSON.stringify(compare(fleet, join(scratch, "nix")), undefined, 2));
} finally {
  spawnSync("chmod", ["-R", "u+w", scratch]);
  rmSync(scratch, { recursive: true, force: true });
}

function makeFleet(directory: string): string {
  cpSync(join(ROOT, "examples/shop"), directory, { recursive: true });
  if (options.tiny) {
    writeFileSync(join(directory, "fleet.nix"), '{ meta.name = "tiny"; hosts.one = { }; }\n');
    writeStubLock(directory, { mirror: "http://deb.invalid" });
  } else execFileSync(PRISTINE, ["lock"], { cwd: directory, stdio: ["ignore", "ignore", "inherit"] });
  return directory;
}

function compare(fleet: string, nixDir: string): Record<string, unknown> {
  const expression = `((import ${join(ROOT, "nix")} { }).evalFleet ${join(fleet, "fleet.nix")}).inventory`;
  const ours: Program = { argv: [PRISTINE, "eval", "--json", "--expr", expression] };
  const start: Program = { argv: [PRISTINE, "eval", "--expr", "1"] };
  const runs = options.tiny ? 1 : Number(options.runs);
  if (!existsSync(join(oracleTree(), "usr/bin/nix"))) {
    if (!options.tiny) throw new Error("the real Nix is missing; as root: bin/node scripts/oracle.ts setup");
    return { question: "eval-fleet", ...measureInTurn({ pristine: ours, start }, runs) };
  }
  const enter = (...command: string[]): Program => oracleCommand(command, { nixDir, bind: [fleet] });
  const nix = enter("nix-instantiate", "--eval", "--strict", "--json", "--expr", expression);
  if (parsed(ours) !== parsed(nix)) throw new Error("the two engines disagree about the inventory");
  const all = measureInTurn({ pristine: ours, start, nix, entering: enter("true") }, runs);
  const nixAlone = without(all.nix, all.entering);
  return {
    question: "eval-fleet",
    pristine: all.pristine,
    start: all.start,
    nix: nixAlone,
    ratio: ratioOf(all.pristine, nixAlone),
  };
}

function parsed(program: Program): string {
  return JSON.stringify(JSON.parse(measure(program).stdout));
}
