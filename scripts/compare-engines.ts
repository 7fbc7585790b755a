/**
 * Compares two engines over a package set, attribute by attribute, and prints where they differ.
 *
 *     scripts/compare-engines.ts [OPTION]... [FILE | DIRECTORY | -E EXPRESSION]
 *
 *       -A, --attr PATH        only this attribute (again for more); names are separated by dots
 *           --arg NAME EXPR    an argument for a function at the top (--argstr NAME TEXT: a string)
 *       -I PATH                an element of the search path; NIX_PATH of the environment counts, too
 *           --option NAME VALUE   an option for both engines, as Nix's --option
 *           --read-write       let the engines write to their stores, for sets that read what they copied there
 *           --recurse          look into sets that say recurseForDerivations; --depth N bounds it (8)
 *           --sample N         only N attributes of each round, chosen by --seed S (1)
 *           --left CMD, --right CMD   other engines: a command that takes nix-instantiate's options. Ours is on the
 *                              left, the oracle (scripts/oracle.ts) on the right; --left-store and --right-store name
 *                              the directory that holds what such an engine calls /nix/store
 *           --jobs N (2), --batch N (100), --timeout SECONDS (300), --memory MIB (6144)   bounds of the processes
 *           --messages N       compare the messages of N attributes that fail by throw or assert (20)
 *           --explain N        for N differing derivations show where they begin to differ (3)
 *           --state FILE       keep answers there, and go on from them
 *           --json             print the result as JSON
 *
 * Exit status: 0 when nothing differs, 2 when something does, 1 when the comparison could not be made.
 */

import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { compareOutcomes, type Difference, outcomeKey, type SideOutcomes } from "./compare-engines/compare.ts";
import { type DerivationDifference, firstDifference } from "./compare-engines/derivation-difference.ts";
import { ask, type Bounds, type Engine, type Outcome, runEngine } from "./compare-engines/engine.ts";
import { type AttrPath, nixString, type PackageSet, selectExpression } from "./compare-engines/probe.ts";
import { oracleCommand } from "./oracle.ts";

const { values: given, positionals } = parseArgs({
  args: expandPairs(process.argv.slice(2)),
  allowPositionals: true,
  options: {
    attr: { type: "string", short: "A", multiple: true },
    expr: { type: "string", short: "E" },
    arg: { type: "string", multiple: true },
    argstr: { type: "string", multiple: true },
    option: { type: "string", multiple: true },
    include: { type: "string", short: "I", multiple: true },
    recurse: { type: "boolean" },
    "read-write": { type: "boolean" },
    depth: { type: "string", default: "8" },
    sample: { type: "string" },
    seed: { type: "string", default: "1" },
    left: { type: "string" },
    right: { type: "string" },
    "left-store": { type: "string" },
    "right-store": { type: "string" },
    jobs: { type: "string", default: String(Math.min(2, availableParallelism())) },
    batch: { type: "string", default: "100" },
    timeout: { type: "string", default: "300" },
    memory: { type: "string", default: "6144" },
    messages: { type: "string", default: "20" },
    explain: { type: "string", default: "3" },
    state: { type: "string" },
    json: { type: "boolean" },
  },
});

/** `--arg NAME EXPR` and its like take two words; one option takes them as `NAME=EXPR`. */
function expandPairs(argv: readonly string[]): string[] {
  const expanded: string[] = [];
  for (let at = 0; at < argv.length; at++) {
    expanded.push(argv[at]!);
    if (!["--arg", "--argstr", "--option"].includes(argv[at]!)) continue;
    expanded.push(`${argv[at + 1]}=${argv[at + 2]}`);
    at += 2;
  }
  return expanded;
}

function pairsOf(texts: readonly string[] | undefined): [string, string][] {
  return (texts ?? []).map((text) => [text.slice(0, text.indexOf("=")), text.slice(text.indexOf("=") + 1)]);
}

const root = resolve(import.meta.dirname, "..");
const set: PackageSet = {
  root: given.expr ?? resolve(positionals[0] ?? "."),
  isExpression: given.expr !== undefined,
  args: new Map([
    ...pairsOf(given.arg),
    ...pairsOf(given.argstr).map(([name, text]): [string, string] => [name, nixString(text)]),
  ]),
};
const searchPath = [...(given.include ?? []), ...(process.env["NIX_PATH"] ?? "").split(":").filter((e) => e !== "")];
const engineOptions = [
  ...searchPath.flatMap((element) => ["-I", element]),
  ...pairsOf(given.option).flatMap(([name, value]) => ["--option", name, value]),
];
const writes = given["read-write"] === true;
const bounds: Bounds = { timeoutMs: Number(given.timeout) * 1000, memoryMax: Number(given.memory) * 2 ** 20 };
const scratch = join(process.env["XDG_CACHE_HOME"] ?? tmpdir(), "pristine-compare-engines");

function engines(): readonly [Engine, Engine] {
  const bind = new Set<string>();
  if (!set.isExpression) bind.add(existsSync(join(set.root, ".")) ? set.root : dirname(set.root));
  for (const element of searchPath) {
    const path = element.slice(element.indexOf("=") + 1);
    if (path.startsWith("/")) bind.add(path);
  }
  for (const path of (process.env["ORACLE_BIND"] ?? "").split(" ")) if (path !== "") bind.add(path);
  const nixDir = join(scratch, "oracle");
  const oracle = oracleCommand(["nix-instantiate"], { nixDir, bind: [...bind] });
  const ours = join(root, "bin/compat/nix-instantiate");
  const env = { ...process.env, NIX_PATH: "" };
  const left: Engine =
    given.left === undefined
      ? {
          name: "ours",
          argv: [ours],
          env,
          instantiateOptions: ["--store", join(scratch, "ours")],
          storeDir: join(scratch, "ours/nix/store"),
        }
      : customEngine("left", given.left, given["left-store"]);
  const right: Engine =
    given.right === undefined
      ? { name: "nix", argv: oracle.argv, env: oracle.env, instantiateOptions: [], storeDir: join(nixDir, "store") }
      : customEngine("right", given.right, given["right-store"]);
  return [left, right];
}

function customEngine(name: string, command: string, store: string | undefined): Engine {
  return { name, argv: command.split(" "), env: process.env, instantiateOptions: [], storeDir: store ?? "/nix/store" };
}

/** What each engine said, by the attribute's path as JSON. */
type Answers = ReadonlyMap<string, Map<string, Outcome>>;

/** Answers of an earlier run that was interrupted. */
function recall(names: readonly string[]): Answers {
  const answers = new Map(names.map((name) => [name, new Map<string, Outcome>()]));
  if (given.state === undefined || !existsSync(given.state)) return answers;
  for (const line of readFileSync(given.state, "utf8").split("\n")) {
    if (line === "") continue;
    const [engine, path, outcome] = JSON.parse(line) as [string, AttrPath, Outcome];
    answers.get(engine)?.set(outcomeKey(path), outcome);
  }
  return answers;
}

function note(answers: Answers, engine: Engine, path: AttrPath, outcome: Outcome): void {
  answers.get(engine.name)!.set(outcomeKey(path), outcome);
  if (given.state !== undefined) appendFileSync(given.state, `${JSON.stringify([engine.name, path, outcome])}\n`);
  if (!process.stderr.isTTY) return;
  const counts = [...answers].map(([name, known]) => `${name} ${known.size}`).join(", ");
  process.stderr.write(`\r\x1b[K${counts}: ${path.join(".")}`.slice(0, 118));
}

/** Runs jobs, a few at a time. */
async function inParallel(jobs: readonly (() => Promise<void>)[]): Promise<void> {
  const queue = [...jobs];
  const lane = async (): Promise<void> => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) await job();
  };
  await Promise.all(Array.from({ length: Number(given.jobs) }, lane));
}

/** Asks both engines about the paths that they have not answered. */
async function askBoth(both: readonly Engine[], answers: Answers, paths: readonly AttrPath[]): Promise<void> {
  const jobs: (() => Promise<void>)[] = [];
  const size = Number(given.batch);
  for (let start = 0; start < paths.length; start += size) {
    for (const engine of both) {
      const known = answers.get(engine.name)!;
      const batch = paths.slice(start, start + size).filter((path) => !known.has(outcomeKey(path)));
      const options = { recurses: given.recurse === true, catches: true, engineOptions, writes, bounds };
      if (batch.length === 0) continue;
      jobs.push(() => ask(engine, set, batch, options, (path, outcome) => note(answers, engine, path, outcome)));
    }
  }
  await inParallel(jobs);
}

/** Some of the paths, the same ones for the same seed. */
function sampled(paths: readonly AttrPath[]): readonly AttrPath[] {
  if (given.sample === undefined) return paths;
  const rest = [...paths];
  let state = Number(given.seed) >>> 0;
  const chosen: AttrPath[] = [];
  while (chosen.length < Number(given.sample) && rest.length > 0) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    chosen.push(...rest.splice(Math.floor((state / 2 ** 32) * rest.length), 1));
  }
  return chosen;
}

/** All paths that were asked about: round by round, one level deeper each. */
async function explore(both: readonly Engine[], answers: Answers): Promise<readonly AttrPath[]> {
  const all: AttrPath[] = [];
  let frontier: readonly AttrPath[] = given.attr === undefined ? [[]] : given.attr.map((path) => path.split("."));
  for (let depth = 0; frontier.length > 0; depth++) {
    await askBoth(both, answers, frontier);
    all.push(...frontier);
    if (depth >= (given.recurse === true ? Number(given.depth) : 1)) break;
    const children = frontier.flatMap((path) => {
      const names = both.flatMap((engine) => {
        const outcome = answers.get(engine.name)!.get(outcomeKey(path));
        return outcome?.kind === "inside" ? outcome.names : [];
      });
      return [...new Set(names)].map((name) => [...path, name]);
    });
    frontier = sampled(children);
  }
  return all;
}

/** The messages of attributes that both engines refuse by `throw` or `assert`. */
async function askMessages(both: readonly Engine[], sides: SideOutcomes): Promise<void> {
  const caught = [...sides.left].filter(
    ([key, outcome]) => outcome.kind === "caught" && sides.right.get(key)?.kind === "caught",
  );
  const paths = caught.slice(0, Number(given.messages)).map(([key]) => JSON.parse(key) as AttrPath);
  const options = { recurses: given.recurse === true, catches: false, engineOptions, writes, bounds };
  const into = [sides.left, sides.right];
  const jobs = both.map((engine, index) => async () => {
    await ask(engine, set, paths, options, (path, outcome) => void into[index]!.set(outcomeKey(path), outcome));
  });
  await inParallel(jobs);
}

async function explain(both: readonly Engine[], path: AttrPath): Promise<DerivationDifference | string> {
  const drvPaths: string[] = [];
  for (const engine of both) {
    const options = [...engine.instantiateOptions, ...engineOptions, "-E", selectExpression(set, path)];
    mkdirSync(dirname(engine.storeDir), { recursive: true });
    const finished = await runEngine(engine, options, bounds);
    const drvPath = finished.stdout.split("\n")[0]?.replace(/!.*/, "") ?? "";
    if (!drvPath.endsWith(".drv")) return `${engine.name} does not instantiate it: ${finished.stderr.slice(-300)}`;
    drvPaths.push(drvPath);
  }
  const [left, right] = both.map(({ storeDir }, index) => ({ storeDir, drvPath: drvPaths[index]! }));
  return firstDifference(left!, right!);
}

function render(
  differences: readonly Difference[],
  explained: ReadonlyMap<string, unknown>,
  names: readonly string[],
): string {
  return differences
    .map((difference) => {
      const detail = explained.get(outcomeKey(difference.path));
      const lines = [`${difference.path.join(".") || "(root)"}: ${difference.kind}`];
      lines.push(`  ${names[0]}: ${difference.left}`, `  ${names[1]}: ${difference.right}`);
      if (detail !== undefined) lines.push(`  ${JSON.stringify(detail, undefined, 2).replaceAll("\n", "\n  ")}`);
      return lines.join("\n");
    })
    .join("\n");
}

const both = engines();
const answers = recall(both.map(({ name }) => name));
const paths = await explore(both, answers);
const keys = paths.map(outcomeKey);
const side = (engine: Engine): Map<string, Outcome> => {
  const known = answers.get(engine.name)!;
  return new Map(keys.map((key) => [key, known.get(key)!]));
};
const sides: SideOutcomes = { left: side(both[0]), right: side(both[1]) };
if (Number(given.messages) > 0) await askMessages(both, sides);
const { differences, counts } = compareOutcomes(sides);
const explained = new Map<string, DerivationDifference | string>();
for (const { path } of differences.filter(({ kind }) => kind === "drvPath differs").slice(0, Number(given.explain))) {
  explained.set(outcomeKey(path), await explain(both, path));
}
if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
if (given.json === true) {
  const found = differences.map((one) => ({ ...one, firstDifference: explained.get(outcomeKey(one.path)) }));
  console.log(JSON.stringify({ engines: both.map(({ name }) => name), counts, differences: found }, undefined, 2));
} else {
  if (differences.length > 0)
    console.log(
      render(
        differences,
        explained,
        both.map(({ name }) => name),
      ),
    );
  const shown = Object.entries(counts).map(([name, count]) => `${count} ${name}`);
  console.log(`${keys.length} attributes: ${shown.join(", ")}; ${differences.length} differences`);
}
process.exitCode = differences.length > 0 ? 2 : 0;
