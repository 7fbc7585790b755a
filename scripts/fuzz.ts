/**
 * Makes Nix programs by chance and compares what our evaluator and a real Nix say about them.
 *
 *     scripts/fuzz.ts [--programs N (2000)] [--seed S (1)] [--batch N (400)] [--keep DIRECTORY] [--json]
 *     scripts/fuzz.ts --show INDEX [--seed S]          prints one program
 *
 * Every program is evaluated to a value, and, when it has one, to JSON and to XML; of failures the message is compared.
 * What differs is made smaller until it is no longer different, and printed, or kept as a file in DIRECTORY. Exit status:
 * 0 when nothing differs, 2 when something does.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { programOf } from "../test/support/arbitrary/nix-program.ts";
import { textOf } from "../test/support/arbitrary/rope.ts";
import { fuzz } from "../test/support/fuzz.ts";
import { setUpOracle } from "./oracle.ts";

const { values } = parseArgs({
  options: {
    programs: { type: "string", default: "2000" },
    seed: { type: "string", default: "1" },
    batch: { type: "string", default: "400" },
    keep: { type: "string" },
    show: { type: "string" },
    json: { type: "boolean" },
  },
});
const seed = Number(values.seed);

if (values.show === undefined) {
  setUpOracle();
  const isTerminal = process.stderr.isTTY;
  const report = await fuzz({
    seed,
    programs: Number(values.programs),
    batch: Number(values.batch),
    reduces: true,
    onProgress: (done, differing) => {
      if (isTerminal) process.stderr.write(`\r${done} programs, ${differing} differences`);
    },
  });
  if (isTerminal) process.stderr.write("\r\x1b[K");
  for (const { index, form, program, ours, nix } of report.differences) {
    if (values.keep !== undefined) {
      mkdirSync(values.keep, { recursive: true });
      writeFileSync(join(values.keep, `${seed}-${index}.nix`), program);
    }
    if (values.json === true) continue;
    console.log(`program ${index} as ${form}:\n${program.replace(/^/gm, "    ")}`);
    console.log(`  ours: ${ours.text.slice(0, 400)}\n  nix:  ${nix.text.slice(0, 400)}`);
  }
  if (values.json === true) console.log(JSON.stringify(report, undefined, 2));
  const { evaluating, failing, differences, builtins, nodes, absent } = report;
  console.log(
    `seed ${seed}: ${evaluating + failing} programs, ${evaluating} evaluate, ${failing} fail, ` +
      `${differences.length} differences; ${builtins} builtins and ${nodes} kinds of syntax occur` +
      (absent.length === 0 ? "" : `, but never: ${absent.join(" ")}`),
  );
  process.exitCode = differences.length > 0 ? 2 : 0;
} else {
  console.log(textOf(programOf(seed, Number(values.show))));
}
