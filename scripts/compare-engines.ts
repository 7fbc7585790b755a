/**
 * Compares two engines over a package set, attribute by attribute, and prints where they differ.
 *
 *     scripts/compare-engines.ts [OPTION]... [FILE | DIRECTORY | -E EXPRESSION | --flake DIRECTORY]
 *
 *       -A, --attr PATH        only this attribute, and what is in it (again for more): names separated by dots, in
 *                              quotes where a name has dots
 *           --arg NAME EXPR    an argument for a function at the top (--argstr NAME TEXT: a string)
 *       -I PATH                an element of the search path; NIX_PATH of the environment counts, too
 *           --flake DIRECTORY  the outputs of a flake; --input NAME=DIRECTORY replaces an input by what lies there
 *                              (NAME/NAME an input's input)
 *           --option NAME VALUE   an option for both engines, as Nix's --option
 *           --bind PATH        something else the oracle must see: what the set reads outside of its own directory
 *           --read-write       let the engines write to their stores, for sets that read what they copied there
 *           --recurse          look into sets that say recurseForDerivations; --depth N bounds it (8)
 *           --recurse-all      look into every set that is no derivation, one level deep unless --depth says more
 *           --values N         compare values that are no derivations down to N levels, not only their types
 *           --sample N         only N attributes of each round, chosen by --seed S (1)
 *           --left CMD, --right CMD   other engines: a command that takes nix-instantiate's options. Ours is on the
 *                              left, the oracle (scripts/oracle.ts) on the right; --left-store and --right-store name
 *                              the directory that holds what such an engine calls /nix/store
 *           --jobs N (2), --batch N (100), --timeout SECONDS (300), --memory MIB (6144)   bounds of the processes
 *           --messages N       compare the messages of N attributes that fail by throw or assert (20), of all: all
 *           --traces           compare what led to errors, too
 *           --explain N        for N differing derivations show where they begin to differ (3)
 *           --state FILE       keep answers there, and go on from them
 *           --json             print the result as JSON
 *
 * Examples:
 *
 *     scripts/compare-engines.ts --argstr system x86_64-linux ~/nixpkgs             the top level of a package set
 *     scripts/compare-engines.ts --recurse -A pythonPackages -A xorg ~/nixpkgs      two sets within, and below
 *     scripts/compare-engines.ts --recurse-all --values 3 ~/nixpkgs/lib             the functions and values of a library
 *     scripts/compare-engines.ts --flake ~/tool --input nixpkgs=$HOME/nixpkgs -A packages.x86_64-linux
 *
 * An attribute that ends or outgrows its process costs itself only: the next one begins where it ended. One that
 * neither engine answers for within the bounds is counted, not compared.
 *
 * Exit status: 0 when nothing differs, 2 when something does, 1 when the comparison could not be made.
 */

import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import {
  compareOutcomes,
  type Difference,
  messageGroups,
  outcomeKey,
  type SideOutcomes,
} from "./compare-engines/compare.ts";
import { type DerivationDifference, firstDifference } from "./compare-engines/derivation-difference.ts";
import { ask, assertRuns, type Bounds, type Engine, type Outcome, runEngine } from "./compare-engines/engine.ts";
import { flakeWithInputs } from "./compare-engines/flake-set.ts";
import {
  type AttrPath,
  nixString,
  type PackageSet,
  parseAttrPath,
  type Questions,
  selectExpression,
} from "./compare-engines/probe.ts";
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
    flake: { type: "string" },
    input: { type: "string", multiple: true },
    bind: { type: "string", multiple: true },
    recurse: { type: "boolean" },
    "recurse-all": { type: "boolean" },
    values: { type: "string", default: "0" },
    "read-write": { type: "boolean" },
    depth: { type: "string" },
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
    traces: { type: "boolean", default: false },
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
const scratch = join(process.env["XDG_CACHE_HOME"] ?? tmpdir(), "pristine-compare-engines");
const inputs = new Map(pairsOf(given.input).map(([name, directory]) => [name, resolve(directory)]));

function packageSet(): PackageSet {
  const args = new Map([
    ...pairsOf(given.arg),
    ...pairsOf(given.argstr).map(([name, text]): [string, string] => [name, nixString(text)]),
  ]);
  if (given.expr !== undefined) return { root: given.expr, isExpression: true, args };
  if (given.flake === undefined) return { root: resolve(positionals[0] ?? "."), isExpression: false, args };
  const directory = join(scratch, `flake-${process.pid}`);
  mkdirSync(directory, { recursive: true });
  process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, "flake.nix"), flakeWithInputs(resolve(given.flake), inputs));
  return { root: `(builtins.getFlake ${nixString(`path:${directory}`)}).inputs.flake`, isExpression: true, args };
}

const set = packageSet();
const searchPath = [...(given.include ?? []), ...(process.env["NIX_PATH"] ?? "").split(":").filter((e) => e !== "")];
const engineOptions = [
  ...searchPath.flatMap((element) => ["-I", element]),
  ...pairsOf(given.option).flatMap(([name, value]) => ["--option", name, value]),
  ...(given.flake === undefined ? [] : ["--option", "experimental-features", "nix-command flakes"]),
];
const writes = given["read-write"] === true || given.flake !== undefined;
const roots = (given.attr ?? [""]).map(parseAttrPath);
const recurses = given["recurse-all"] === true ? "all" : given.recurse === true ? "marked" : "no";
const depthMax = Number(given.depth ?? { all: 1, marked: 8, no: 1 }[recurses]);
const questions: Questions = { recurses, roots, valueDepth: Number(given.values) };
const bounds: Bounds = { timeoutMs: Number(given.timeout) * 1000, memoryMax: Number(given.memory) * 2 ** 20 };

function engines(): readonly [Engine, Engine] {
  const bind = new Set<string>();
  if (!set.isExpression) bind.add(statSync(set.root).isDirectory() ? set.root : dirname(set.root));
  for (const element of searchPath) {
    const path = element.slice(element.indexOf("=") + 1);
    if (path.startsWith("/")) bind.add(path);
  }
  for (const path of [...(given.bind ?? []), ...(given.flake === undefined ? [] : [given.flake, scratch])]) {
    bind.add(resolve(path));
  }
  for (const path of inputs.values()) bind.add(path);
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

/** What a state file's answers are about; others are of no use. */
const stateHeader = JSON.stringify(["about", set.root, [...set.args], engineOptions, questions.valueDepth]);

/** Answers of an earlier run that was interrupted. */
function recall(names: readonly string[]): Answers {
  const answers = new Map(names.map((name) => [name, new Map<string, Outcome>()]));
  if (given.state === undefined) return answers;
  if (!existsSync(given.state)) {
    writeFileSync(given.state, `${stateHeader}\n`);
    return answers;
  }
  const [header, ...lines] = readFileSync(given.state, "utf8").split("\n");
  if (header !== stateHeader) throw new Error(`${given.state} has the answers of another comparison: ${header}`);
  for (const line of lines) {
    if (line === "") continue;
    const [engine, path, outcome] = JSON.parse(line) as [string, AttrPath, Outcome];
    answers.get(engine)?.set(outcomeKey(path), outcome);
  }
  return answers;
}

const PROGRESS_MS = 30_000;
let progressAt = Date.now();

function note(answers: Answers, engine: Engine, path: AttrPath, outcome: Outcome): void {
  answers.get(engine.name)!.set(outcomeKey(path), outcome);
  if (given.state !== undefined) appendFileSync(given.state, `${JSON.stringify([engine.name, path, outcome])}\n`);
  if (!process.stderr.isTTY && Date.now() - progressAt < PROGRESS_MS) return;
  progressAt = Date.now();
  const counts = [...answers].map(([name, known]) => `${name} ${known.size}`).join(", ");
  const line = `${counts}: ${path.join(".")}`.slice(0, 118);
  process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${line}` : `${line}\n`);
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
      const options = { ...questions, catches: true, traces: given.traces, engineOptions, writes, bounds };
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

/** A set of as many names is taken for the one seen before that has the same: sets that contain themselves. */
const SAME_SET_NAMES_MIN = 100;

/** All paths that were asked about: round by round, one level deeper each. */
async function explore(both: readonly Engine[], answers: Answers): Promise<readonly AttrPath[]> {
  const all: AttrPath[] = [];
  const seen = new Set<string>();
  let frontier: readonly AttrPath[] = roots;
  for (let depth = 0; frontier.length > 0; depth++) {
    await askBoth(both, answers, frontier);
    all.push(...frontier);
    if (depth >= depthMax) break;
    const children = frontier.flatMap((path) => {
      const names = new Set<string>();
      for (const engine of both) {
        const outcome = answers.get(engine.name)!.get(outcomeKey(path));
        if (outcome?.kind === "inside") for (const name of outcome.names) names.add(name);
      }
      if (names.size >= SAME_SET_NAMES_MIN) {
        const known = [...names].sort().join("\n");
        if (seen.has(known)) return [];
        seen.add(known);
      }
      return [...names].map((name) => [...path, name]);
    });
    frontier = sampled(children);
  }
  return all;
}

const messagesMax = given.messages === "all" ? Infinity : Number(given.messages);

/** The messages of attributes that both engines refuse by `throw` or `assert`. */
async function askMessages(both: readonly Engine[], sides: SideOutcomes): Promise<void> {
  const caught = [...sides.left].filter(
    ([key, outcome]) => outcome.kind === "caught" && sides.right.get(key)?.kind === "caught",
  );
  const paths = caught.slice(0, messagesMax).map(([key]) => JSON.parse(key) as AttrPath);
  const options = { ...questions, catches: false, traces: given.traces, engineOptions, writes, bounds };
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
for (const engine of both) await assertRuns(engine, engineOptions, bounds);
const answers = recall(both.map(({ name }) => name));
const paths = await explore(both, answers);
const keys = paths.map(outcomeKey);
const side = (engine: Engine): Map<string, Outcome> => {
  const known = answers.get(engine.name)!;
  return new Map(keys.map((key) => [key, known.get(key)!]));
};
const sides: SideOutcomes = { left: side(both[0]), right: side(both[1]) };
if (messagesMax > 0) await askMessages(both, sides);
const { differences, counts, unanswered } = compareOutcomes(sides);
const explained = new Map<string, DerivationDifference | string>();
for (const { path } of differences.filter(({ kind }) => kind === "drvPath differs").slice(0, Number(given.explain))) {
  explained.set(outcomeKey(path), await explain(both, path));
}
if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
if (given.json === true) {
  const found = differences.map((one) => ({ ...one, firstDifference: explained.get(outcomeKey(one.path)) }));
  console.log(
    JSON.stringify({ engines: both.map(({ name }) => name), counts, unanswered, differences: found }, undefined, 2),
  );
} else {
  if (differences.length > 0)
    console.log(
      render(
        differences,
        explained,
        both.map(({ name }) => name),
      ),
    );
  for (const [group, count] of messageGroups(differences)) console.log(`${count} messages: ${group}`);
  const shown = Object.entries(counts).map(([name, count]) => `${count} ${name}`);
  if (unanswered > 0) shown.push(`${unanswered} that neither answers within its bounds`);
  const kinds = Object.entries(Object.groupBy(differences, ({ kind }) => kind));
  const which = kinds.map(([kind, some]) => `${some.length} ${kind}`).join(", ");
  console.log(
    `${keys.length} attributes: ${shown.join(", ")}; ${differences.length} differences${which && ` (${which})`}`,
  );
}
process.exitCode = differences.length > 0 ? 2 : 0;
